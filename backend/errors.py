# SPDX-License-Identifier: GPL-3.0-or-later
"""What can go wrong, as one tree that both processes share.

* RetakeError
  · ProtocolError            the pipe carried something that is not a message
    + VersionError           the two sides speak different versions
  · InputError               what the user or the other side asked for cannot be done as asked
    + AudioError             a recording that is missing, unreadable, empty or not finite
    + GivenValuesError       keys that contradict each other or lie outside the audio
    + OptionsError           an option outside its range, an unknown name
    + RigError               a head whose arrays do not fit together
      - UnknownRigError      a head that was never registered with this process
    + ShapeError             arrays whose shapes disagree
  · CheckpointError          a model file that is missing, damaged or of another format
  · PackageError             an interpreter without a package that the backend needs
  · InstallError             the backend's packages could not be installed
  · CancelledError           the animator stopped the request
  · OutputError              a result that could not be written
  · BackendLostError         the other process ended, hangs or does not answer

Every error carries a stable `code` (for programs), one plain sentence (`message`) and what to do about it
(`remedy`, may be empty). The standard library is all this module needs: Blender imports it.
"""

from __future__ import annotations

from typing import ClassVar


class RetakeError(Exception):
    """Base of everything Retake raises on purpose.

    Attributes:
        code: Stable identifier of the kind of error, as it travels over the pipe.
        message: One sentence for a person: what, which value.
        remedy: What to do about it; empty where the message already says so.
    """

    code: ClassVar[str] = "error"

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message} {self.remedy}".strip()


class ProtocolError(RetakeError):
    """The pipe carried bytes that are not a message of ours."""

    code = "protocol"


class VersionError(ProtocolError):
    """The add-on and the backend speak different versions of the protocol."""

    code = "version"


class InputError(RetakeError):
    """Base of errors in what was asked for."""

    code = "input"


class AudioError(InputError):
    """A recording is missing, unreadable, empty or holds values that are not finite."""

    code = "audio"


class GivenValuesError(InputError):
    """Given values (keys) are unknown, contradictory, not finite or outside the audio."""

    code = "given_values"


class OptionsError(InputError):
    """An option is outside its range or names something unknown."""

    code = "options"


class RigError(InputError):
    """The arrays of a head do not fit together."""

    code = "rig"


class UnknownRigError(RigError):
    """A request names a rig that this process does not hold (any more): register it and ask again."""

    code = "unknown_rig"


class ShapeError(InputError):
    """Arrays whose shapes disagree; the message names both."""

    code = "shape"


class CheckpointError(RetakeError):
    """A model file is missing, damaged or of another format."""

    code = "checkpoint"


class PackageError(RetakeError):
    """The interpreter lacks a package that the backend needs."""

    code = "package"


class InstallError(RetakeError):
    """The backend's packages could not be installed, or what was installed does not run."""

    code = "install"


class CancelledError(RetakeError):
    """The request was cancelled."""

    code = "cancelled"


class OutputError(RetakeError):
    """A result could not be written."""

    code = "output"


class BackendLostError(RetakeError):
    """The backend process ended, hangs or does not answer."""

    code = "backend_lost"


def error_class(code: str) -> type[RetakeError]:
    """Class whose `code` this is, so that an error that crossed the pipe can be raised as what it was.

    Args:
        code: The `code` of an error message.

    Returns:
        The class, or `RetakeError` for a code this side does not know.
    """
    pending: list[type[RetakeError]] = [RetakeError]
    while pending:
        candidate = pending.pop()
        if candidate.code == code:
            return candidate
        pending.extend(candidate.__subclasses__())
    return RetakeError
