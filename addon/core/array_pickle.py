# SPDX-License-Identifier: GPL-3.0-or-later
"""Pickles as head models come in, read without running anything of theirs.

A pickle is a program. Here it may build containers, text, numbers and arrays, and nothing else: before it runs, its
operations are looked through, and while it runs, a name of another package stands for one of the inert classes below
or is refused by name. Arrays of numpy, the values of chumpy's objects and scipy's sparse matrices become plain numpy
arrays; neither chumpy nor scipy is needed. What is built is no larger than a small multiple of the file.
"""

from __future__ import annotations

import io
import pickle
import pickletools
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...backend.errors import RigError

MOST_OPERATIONS = 1_000_000
DEEPEST = 100  # tuples in tuples; Python computes the hash of far deeper ones until its stack, and the process, ends
_SLACK_BYTES = 1 << 20
_TIMES_THE_FILE = 4
_REFUSED = {"PERSID", "BINPERSID", "EXT1", "EXT2", "EXT4", "INST", "OBJ", "NEXT_BUFFER", "READONLY_BUFFER"}
_MEMO, _RECALL = {"PUT", "BINPUT", "LONG_BINPUT"}, {"GET", "BINGET", "LONG_BINGET"}
_MARK = -1
_KINDS = "biuf"  # numpy's kinds of numbers


class _Budget:
    """Bytes of arrays that may still be built."""

    def __init__(self, size: int) -> None:
        self.left = _TIMES_THE_FILE * size + _SLACK_BYTES

    def spend(self, count: int) -> None:
        """Note some bytes.

        Raises:
            RigError: They are too many.
        """
        self.left -= count
        if self.left < 0:
            raise RigError("The file builds arrays that are far larger than itself.", "Choose another file.")


class ArrayLike:
    """What numpy's arrays are read into; `value` is there once its state was set.

    An array of one object, into which `numpy.save` puts a dictionary, has no value; the object is in `held`.
    """

    budget: _Budget
    value: NDArray[Any]
    held: Any = None

    def __setstate__(self, state: Any) -> None:
        """(version, shape, dtype, is Fortran's order, bytes) as numpy writes it."""
        _, shape, kind, is_fortran, raw = state
        if isinstance(kind, Kind) and kind.dtype.kind == "O" and shape == () and isinstance(raw, list) and raw:
            self.held = raw[0]
            return
        self.value = _array(self.budget, raw, kind, shape, "F" if is_fortran else "C")


class Kind:
    """What numpy's dtypes are read into: numbers, or the objects of an array that holds but one."""

    def __init__(self, name: Any, *_: Any) -> None:
        self.dtype = np.dtype(str(name))
        if self.dtype.kind not in (*_KINDS, "O"):
            raise RigError(f"The file holds an array of '{name}', not of numbers.", "Choose another file.")

    def __setstate__(self, state: Any) -> None:
        """(version, byte order, ...)."""
        if len(state) > 1 and state[1] in ("<", ">"):
            self.dtype = self.dtype.newbyteorder(state[1])


class Record:
    """What chumpy's objects, scipy's matrices and other plain objects are read into: their attributes, inert."""

    state: Mapping[str, Any] = MappingProxyType({})

    def __init__(self, *_: Any) -> None:
        """Nothing is done with what it was made of."""

    def __setstate__(self, state: Any) -> None:
        """Attributes, as a dictionary or as (dictionary, slots)."""
        found = state[0] if isinstance(state, tuple) and state else state
        if isinstance(found, dict):
            self.state = {_text(name): value for name, value in found.items()}


class Sparse(Record):
    """A sparse matrix of scipy."""

    by_columns = True


class SparseRows(Sparse):
    """One that is stored by rows."""

    by_columns = False


def load_array_pickle(data: bytes) -> dict[str, Any]:
    """Read a pickled dictionary.

    Args:
        data: The file's bytes; Python 2's pickles too.

    Returns:
        Its items: names -> numpy arrays where the pickle had an array in any of its forms, other values as they are.

    Raises:
        RigError: The pickle names something that is not an array, is damaged, or builds more than it holds.
    """
    _look_through(data)
    try:
        content = _Reader(data).load()
    except RigError:
        raise
    except Exception as error:  # a damaged pickle fails in every way there is
        raise _damaged(error) from error
    if isinstance(content, ArrayLike) and isinstance(content.held, dict):
        content = content.held
    if not isinstance(content, dict):
        raise RigError(
            f"The file holds a {type(content).__name__}, not a dictionary of arrays.", "Choose another file."
        )
    budget = _Budget(len(data))
    return {_text(name): _plain(value, budget) for name, value in content.items()}


def _look_through(data: bytes) -> None:
    """Refuse what no array needs, and what would take memory before it is read.

    Raises:
        RigError: The pickle is damaged or refused.
    """
    count = 0
    stack: list[int] = []
    memo: dict[int, int] = {}
    try:
        for operation, argument, _ in pickletools.genops(io.BytesIO(data)):
            count += 1
            if operation.name in _REFUSED:
                raise RigError(
                    f"The file asks for '{operation.name}', which no array needs: it is not read.",
                    "Choose another file.",
                )
            if operation.name == "GLOBAL":
                module, _, name = str(argument).partition(" ")
                _stand_in(module, name, _Budget(0))
            if operation.name in _MEMO and int(str(argument)) > len(data):
                raise RigError("The file is damaged: it counts more parts than it has.", "Download it again.")
            if count > MOST_OPERATIONS:
                raise RigError(f"The file has more than {MOST_OPERATIONS} parts.", "Choose another file.")
            _follow(operation, argument, stack, memo)
            if stack and stack[-1] > DEEPEST:
                raise RigError(f"The file nests more than {DEEPEST} parts in each other.", "Choose another file.")
    except RigError:
        raise
    except Exception as error:
        raise _damaged(error) from error


def _follow(operation: pickletools.OpcodeInfo, argument: Any, stack: list[int], memo: dict[int, int]) -> None:
    """What an operation does to the stack and the memo, of which only is known how deep tuples lie in tuples."""
    if operation.name in _MEMO or operation.name == "MEMOIZE":
        memo[len(memo) if argument is None else int(argument)] = stack[-1]
        return
    if operation.name in _RECALL or operation.name == "DUP":
        stack.append(stack[-1] if argument is None else memo[int(argument)])
        return
    taken = [0]
    for thing in reversed(operation.stack_before):
        while thing is pickletools.stackslice and stack[-1] != _MARK:
            taken.append(stack.pop())
        if thing is not pickletools.stackslice:
            taken.append(stack.pop())
    is_tuple = operation.name.startswith("TUPLE") or operation.name == "FROZENSET"
    depth = 1 + max(taken) if is_tuple else 0
    stack += [_MARK if thing is pickletools.markobject else depth for thing in operation.stack_after]


def _damaged(error: Exception) -> RigError:
    return RigError(f"The file is damaged, or no pickle ({str(error) or type(error).__name__}).", "Download it again.")


class _Reader(pickle.Unpickler):
    """The unpickler; every name becomes a stand-in or is refused."""

    def __init__(self, data: bytes) -> None:
        super().__init__(io.BytesIO(data), encoding="latin1")
        self._budget = _Budget(len(data))

    def find_class(self, module: str, name: str) -> Any:
        """The stand-in of a name."""
        return _stand_in(module, name, self._budget)

    def persistent_load(self, identifier: Any) -> Any:
        """Nothing lies outside the file."""
        raise RigError("The file refers to something outside itself: it is not read.", "Choose another file.")


def _stand_in(module: str, name: str, budget: _Budget) -> Any:
    """What stands for a name of another package.

    Raises:
        RigError: The name is none of an array's.
    """
    top, last = module.partition(".")[0], module.rpartition(".")[2].lstrip("_")
    if top == "numpy":
        return _of_numpy(module, name, budget)
    if module in ("chumpy.ch", "chumpy.reordering") and name in ("Ch", "MatVecMult", "Select"):
        return Record
    if module.startswith("scipy.sparse") and last in ("csc", "csr", "sparse"):
        if name in ("csc_matrix", "csc_array"):
            return Sparse
        if name in ("csr_matrix", "csr_array"):
            return SparseRows
    plain = _PLAIN.get((module, name))
    if plain is None:
        raise _refused(module, name)
    return plain


def _of_numpy(module: str, name: str, budget: _Budget) -> Any:
    """What stands for one of numpy's names.

    Raises:
        RigError: The name is none of an array's.
    """
    last = module.rpartition(".")[2]
    if name == "ndarray" and last == "numpy":
        return type("Array", (ArrayLike,), {"budget": budget})
    if name == "dtype" and last == "numpy":
        return Kind
    if name == "_reconstruct" and last == "multiarray":
        return lambda kind, *_: _new_array(kind)
    if name == "scalar" and last == "multiarray":
        return lambda kind, raw: _array(budget, raw, kind, (), "C")[()]
    if name == "_frombuffer" and last == "numeric":
        return lambda raw, kind, shape, order: _array(budget, raw, kind, shape, order)
    raise _refused(module, name)


def _refused(module: str, name: str) -> RigError:
    sentence = f"The file names '{module}.{name}', which is no array: it is not read."
    return RigError(sentence, "Choose a file you trust.")


def _new_array(kind: Any) -> ArrayLike:
    if not (isinstance(kind, type) and issubclass(kind, ArrayLike)):
        raise RigError("The file makes an array of something else: it is not read.", "Choose a FLAME file you trust.")
    return kind()


def _reconstructor(kind: Any, *_: Any) -> Record:
    """`copyreg._reconstructor` for the inert classes."""
    if not (isinstance(kind, type) and issubclass(kind, Record)):
        raise RigError("The file makes an object that is no array: it is not read.", "Choose a FLAME file you trust.")
    return kind()


def _encode(text: Any, encoding: Any = "latin1") -> bytes:
    """`_codecs.encode` as pickles of old protocols use it for bytes."""
    return str(text).encode("latin1" if str(encoding).lower() in ("latin1", "latin-1") else "utf-8")


_PLAIN: Mapping[tuple[str, str], Callable[..., Any]] = {
    ("copy_reg", "_reconstructor"): _reconstructor,
    ("copyreg", "_reconstructor"): _reconstructor,
    ("__builtin__", "object"): Record,
    ("builtins", "object"): Record,
    ("__builtin__", "set"): lambda *items: items,
    ("builtins", "set"): lambda *items: items,
    ("_codecs", "encode"): _encode,
    ("__builtin__", "bytes"): lambda: b"",  # how old protocols write empty bytes; a count would be refused
}


def _array(budget: _Budget, raw: Any, kind: Any, shape: Any, order: str) -> NDArray[Any]:
    """An array of numbers out of its bytes, read only.

    Raises:
        RigError: It is no array of numbers, or its bytes do not fit its shape.
    """
    if not isinstance(kind, Kind) or kind.dtype.kind == "O":
        raise RigError("The file holds an array that is not of numbers.", "Choose another file.")
    data = raw.encode("latin1") if isinstance(raw, str) else raw
    if not isinstance(data, bytes | bytearray):
        raise RigError("The file holds an array of objects, not of numbers.", "Choose another file.")
    budget.spend(len(data))
    sizes = tuple(int(size) for size in shape)
    if any(size < 0 for size in sizes) or _product(sizes) * kind.dtype.itemsize != len(data):
        raise RigError(f"The file is damaged: an array of shape {sizes} has {len(data)} bytes.", "Download it again.")
    return np.frombuffer(data, kind.dtype).reshape(sizes, order="F" if order == "F" else "C")


def _product(sizes: tuple[int, ...]) -> int:
    product = 1
    for size in sizes:
        product *= size
    return product


def _plain(value: Any, budget: _Budget) -> Any:
    """A value of the dictionary as an array where it is one in any form."""
    if isinstance(value, ArrayLike):
        return value.value if hasattr(value, "value") else np.zeros(0)
    if isinstance(value, Sparse):
        return _dense(value, budget)
    if isinstance(value, Record):
        return _plain(value.state["x"], budget) if "x" in value.state else value
    return value.decode("latin1") if isinstance(value, bytes) else value


def _dense(matrix: Sparse, budget: _Budget) -> NDArray[np.float64]:
    """A sparse matrix in full.

    Raises:
        RigError: Its parts do not fit together, or it is far larger than the file.
    """
    parts = {name.lstrip("_"): _plain(part, budget) for name, part in matrix.state.items()}
    try:
        rows, columns = (int(size) for size in parts["shape"])
        found: list[NDArray[Any]] = [np.asarray(parts[name]).ravel() for name in ("data", "indices", "indptr")]
        data, places, starts = found
        budget.spend(rows * columns)  # of zeros mostly: an eighth of the bytes counts
        lines, across = (columns, rows) if matrix.by_columns else (rows, columns)
        starts = starts.astype(np.int64)
        counts = starts[1:] - starts[:-1]
        fits = len(starts) == lines + 1 and len(places) == len(data) == counts.sum() and counts.min(initial=0) >= 0
        if not fits or places.min(initial=0) < 0 or places.max(initial=0) >= across:
            raise ValueError("its parts do not fit together")
        full = np.zeros((lines, across))
        np.add.at(full, (np.repeat(np.arange(lines), counts), places.astype(np.int64)), data.astype(np.float64))
    except (KeyError, TypeError, ValueError) as error:
        raise RigError(f"A sparse matrix in the file is damaged ({error}).", "Download it again.") from error
    return full.T if matrix.by_columns else full


def _text(name: Any) -> str:
    return name.decode("latin1") if isinstance(name, bytes) else str(name)
