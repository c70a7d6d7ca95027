# SPDX-License-Identifier: GPL-3.0-or-later
"""The demo's contact sheet: frames of each take's video in a row, the time under each, those at keys framed."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import imageio_ffmpeg
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

Picture = NDArray[np.uint8]

TILE = 190  # px, width of a picture
CAPTION = 18  # px under each picture
MARGIN = 6  # px around each picture
TITLE = 64  # px left of each row
BACKGROUND, INK, KEYED = (24, 25, 28), (214, 214, 210), (255, 150, 30)
FRAME_WIDTH = 4  # px of the coloured frame


@dataclass(frozen=True)
class Row:
    """One take.

    Attributes:
        title: What stands at its left.
        pictures: (H, W, 3) uint8 each.
    """

    title: str
    pictures: Sequence[Picture]


def read_frames(video: Path, indices: Collection[int]) -> dict[int, Picture]:
    """Some frames of a video.

    Args:
        video: Any video that ffmpeg reads.
        indices: Numbers of the frames, from 0.

    Returns:
        Frame number -> (H, W, 3) uint8; numbers beyond the video's end are missing.
    """
    wanted = sorted(set(indices))
    select = "+".join(f"eq(n\\,{index})" for index in wanted)
    with tempfile.TemporaryDirectory() as folder:
        command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", str(video), "-vf", f"select={select}"]
        subprocess.run(
            [*command, "-fps_mode", "passthrough", str(Path(folder) / "%04d.png")], check=True, stdin=subprocess.DEVNULL
        )
        pictures = [_read_picture(path) for path in sorted(Path(folder).iterdir())]
    return dict(zip(wanted, pictures, strict=False))


def _read_picture(path: Path) -> Picture:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def draw_sheet(
    rows: Sequence[Row], captions: Sequence[str], keyed: Collection[int], path: Path, title: int = TITLE
) -> None:
    """Draw the sheet.

    Args:
        rows: The takes, each with as many pictures as there are captions.
        captions: What stands under each picture of a row.
        keyed: Columns that get a coloured frame.
        path: PNG file to write.
        title: Width of the rows' titles, px.
    """
    height, width = rows[0].pictures[0].shape[:2]
    cell = (TILE + 2 * MARGIN, round(TILE * height / width) + 2 * MARGIN + CAPTION)
    sheet = Image.new("RGB", (title + cell[0] * len(captions), cell[1] * len(rows)), BACKGROUND)
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(13)
    for line, row in enumerate(rows):
        draw.text((8, line * cell[1] + cell[1] // 2), row.title, fill=INK, font=font, anchor="lm")
        for column, picture in enumerate(row.pictures):
            corner = (title + column * cell[0], line * cell[1])
            _draw_cell(sheet, picture, captions[column], corner, column in keyed, font)
    sheet.save(path)


def _draw_cell(
    sheet: Image.Image,
    picture: Picture,
    caption: str,
    corner: tuple[int, int],
    is_keyed: bool,
    font: ImageFont.ImageFont | ImageFont.FreeTypeFont,
) -> None:
    tile = Image.fromarray(picture)
    tile = tile.resize((TILE, round(TILE * tile.height / tile.width)), Image.Resampling.LANCZOS)
    x, y = corner[0] + MARGIN, corner[1] + MARGIN
    sheet.paste(tile, (x, y))
    draw = ImageDraw.Draw(sheet)
    if is_keyed:
        box = (x - FRAME_WIDTH, y - FRAME_WIDTH, x + tile.width + FRAME_WIDTH - 1, y + tile.height + FRAME_WIDTH - 1)
        draw.rectangle(box, outline=KEYED, width=FRAME_WIDTH)
    middle = (x + tile.width // 2, y + tile.height + MARGIN + CAPTION // 2)
    draw.text(middle, caption, fill=KEYED if is_keyed else INK, font=font, anchor="mm")
