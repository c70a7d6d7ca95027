# SPDX-License-Identifier: GPL-3.0-or-later
"""Sizes of the networks, one frozen dataclass each, stored in the checkpoint's metadata, and of what they hear."""

from __future__ import annotations

from dataclasses import dataclass

# What the audio encoder hears, see `audio.log_mel`
FEATURE_RATE = 120  # log-mel frames a second
BANDS = 80
LOWEST_HZ, HIGHEST_HZ = 50.0, 7600.0  # of the mel bands
NATS = 2.5  # of a unit of the normalised features: brings speech to about unit variance


@dataclass(frozen=True)
class AudioEncoderConfig:
    """Sizes of the audio encoder."""

    mel_bands: int = BANDS  # log-mel bands a feature frame
    frames_per_motion_frame: int = 4  # 120 Hz features for 30 fps motion
    front_width: int = 128  # channels at 120 Hz
    width: int = 224  # channels at 30 fps
    dilations: tuple[int, ...] = (1, 2, 4, 8, 1, 2, 4, 8)  # one residual block each
    feature_dim: int = 64  # D, the paper's width of the audio condition
    phone_count: int = 40  # classes of the phone head: 39 ARPAbet phones and silence
    dropout: float = 0.15  # in training only
    density_phones: int = 0  # phones of a recogniser whose densities are heard beside the sound; 0: none are
    densities: int = 128  # Gaussian densities a phone and stream


@dataclass(frozen=True)
class DenoiserConfig:
    """Sizes of a denoising U-Net; the face and the head differ only here."""

    motion_dim: int  # C: 52 named controls, 3 of a rotation, or 3 V of displacements
    feature_dim: int = 64  # D of the audio features
    style_dim: int = 16  # S of the style vector
    widths: tuple[int, ...] = (96, 160)  # channels a level; each level halves the frame rate of the one above
    blocks: int = 1  # blocks a level on the way down, and again on the way up
    dilations: tuple[int, ...] = (1, 2)  # blocks at the lowest level
    time_dim: int = 64  # width of the timestep embedding
    skip_connections: bool = True  # concatenate each level's encoder output into the decoder
    takes_mask: bool = True  # one guidance flag a channel beside the motion (Algorithm 1)
    given_reach: int = 0  # frames that the skip of the given values reaches on each side; 0: there is none
    given_reaches: tuple[int, ...] = ()  # the same of smooth kernels in place of a learned one: widest first, 1 or more
