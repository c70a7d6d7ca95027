# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from retake.backend import errors


def all_classes(root: type[errors.RetakeError] = errors.RetakeError) -> list[type[errors.RetakeError]]:
    """The tree of that module: what others derive from it, with a code of its own or not, is theirs."""
    children = [child for child in root.__subclasses__() if child.__module__ == errors.__name__]
    return [root, *(one for child in children for one in all_classes(child))]


@pytest.mark.parametrize("kind", all_classes())
def test_code_leads_back_to_the_class(kind: type[errors.RetakeError]) -> None:
    assert errors.error_class(kind.code) is kind


def test_codes_are_unique() -> None:
    codes = [kind.code for kind in all_classes()]
    assert len(set(codes)) == len(codes)


def test_docstring_names_every_class() -> None:
    assert errors.__doc__ is not None
    for kind in all_classes():
        assert kind.__name__ in errors.__doc__


def test_sentence_is_message_and_remedy() -> None:
    assert str(errors.AudioError("It is empty.", "Choose another.")) == "It is empty. Choose another."
    assert str(errors.AudioError("It is empty.")) == "It is empty."
