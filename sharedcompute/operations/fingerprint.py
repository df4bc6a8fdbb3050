"""Fingerprints of values, which differ for two versions of a user's function.

All that decides the result of a function counts: its code, its defaults, its closure, and the
globals that it names, functions among them. Of an installed module its name and version count.
"""

from __future__ import annotations

import dataclasses
import hashlib
import sys
import types
from collections.abc import Iterable, Iterator, Mapping
from importlib import metadata

import numpy as np

Seen = dict[int, object]
"""Objects by their ids: kept, as the id of one that is gone may become another one's."""


def fingerprint(value: object) -> str:
    """Return a short text that is the same in every process as long as `value` is."""
    digest = hashlib.blake2b(digest_size=8)
    for piece in _pieces(value, {}):
        digest.update(piece + b"\0")
    return digest.hexdigest()


def _pieces(value: object, seen: Seen) -> Iterator[bytes]:
    """Yield all that counts of a value; each object once, as functions may refer to each other."""
    if isinstance(value, np.ndarray | np.generic):
        array = np.ascontiguousarray(value)
        yield f"{array.dtype.str} {array.shape}".encode()
        yield array.tobytes() if not array.dtype.hasobject else repr(array).encode()
    elif isinstance(value, str | bytes | int | float | complex | bool | None | np.dtype):
        yield f"{type(value).__name__} {value!r}".encode()
    elif id(value) not in seen:
        seen[id(value)] = value
        yield from _of_object(value, seen)


def _of_object(value: object, seen: Seen) -> Iterator[bytes]:
    inner: object = getattr(value, "py_func", None) or getattr(value, "func", None)
    if isinstance(value, types.FunctionType):
        yield from _of_function(value, seen)
    elif isinstance(value, types.CodeType):
        yield from _of_code(value, seen)
    elif isinstance(value, types.ModuleType):
        yield _of_module(value.__name__).encode()
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        for field in dataclasses.fields(value):
            yield field.name.encode()
            yield from _pieces(getattr(value, field.name), seen)
    elif isinstance(value, Mapping):
        yield from _of_items(sorted(value.items(), key=repr), seen)
    elif isinstance(value, tuple | list):
        yield from _of_items(value, seen)
    elif isinstance(value, frozenset | set):
        yield from _of_items(sorted(value, key=repr), seen)
    elif callable(inner):
        # numba's dispatchers, and partials with what they bind.
        bound: tuple[object, ...] = getattr(value, "args", ())
        yield from _of_items((inner, *bound), seen)
        # Options of a target: as fastmath, which gives other bits.
        for name in ("keywords", "targetoptions"):
            options: object = getattr(value, name, None)
            yield from _pieces(options or {}, seen)
    elif isinstance(value, types.MethodType):
        yield from _of_items((value.__func__, value.__self__), seen)
    else:
        yield from _of_instance(value, seen)


def _of_instance(value: object, seen: Seen) -> Iterator[bytes]:
    """Yield a name; of an object of a user's class its methods and its state as well."""
    name: object = getattr(value, "__qualname__", None) or getattr(value, "__name__", None)
    module: object = getattr(value, "__module__", "")
    yield f"{module}.{name or type(value).__qualname__}".encode()
    kind = value if isinstance(value, type) else type(value)
    if " " in _of_module(kind.__module__) or _is_standard(kind.__module__):
        return
    methods = {n: f for n, f in vars(kind).items() if isinstance(f, types.FunctionType)}
    yield from _of_items(sorted(methods.items()), seen)
    if kind is not value:
        yield from _pieces(value.__getstate__(), seen)


def _of_items(items: Iterable[object], seen: Seen) -> Iterator[bytes]:
    yield b"("
    for item in items:
        yield from _pieces(item, seen)
    yield b")"


def _of_function(f: types.FunctionType, seen: Seen) -> Iterator[bytes]:
    package = _of_module(f.__module__ or "")
    if " " in package:
        yield f"{package} {f.__qualname__}".encode()
        return
    yield from _of_code(f.__code__, seen)
    yield from _of_items((f.__defaults__, f.__kwdefaults__), seen)
    for cell in f.__closure__ or ():
        with_value: object = cell.cell_contents if _is_full(cell) else None
        yield from _pieces(with_value, seen)
    for name in sorted(_names(f.__code__)):
        if name in f.__globals__:
            yield name.encode()
            yield from _pieces(f.__globals__[name], seen)
    for value in _of_own_modules(f):
        yield from _pieces(value, seen)


def _of_own_modules(f: types.FunctionType) -> Iterator[object]:
    """Yield what a function names of modules that are not installed: their code may change."""
    names = sorted(_names(f.__code__))
    known: dict[str, object] = f.__globals__
    named = [known[name] for name in names if name in known]
    found = [value for value in named if isinstance(value, types.ModuleType)]
    for module in found:
        if " " in _of_module(module.__name__) or _is_standard(module.__name__):
            continue
        inside: dict[str, object] = vars(module)
        for name in names:
            value = inside.get(name)
            if isinstance(value, types.ModuleType) and value not in found:
                found.append(value)
            elif name in inside:
                yield value


def _of_code(code: types.CodeType, seen: Seen) -> Iterator[bytes]:
    yield code.co_code
    yield " ".join((*code.co_names, *code.co_varnames)).encode()
    yield from _of_items(code.co_consts, seen)


def _names(code: types.CodeType) -> set[str]:
    """Return the names that code looks up, also in functions inside it."""
    inner = (const for const in code.co_consts if isinstance(const, types.CodeType))
    return set(code.co_names).union(*map(_names, inner))


def _is_full(cell: types.CellType) -> bool:
    try:
        cell.cell_contents  # noqa: B018 - raises where it is empty
    except ValueError:
        return False
    return True


def _is_standard(name: str) -> bool:
    return name.partition(".")[0] in sys.stdlib_module_names


def _of_module(name: str) -> str:
    """Return a module's name, followed by the version of the installed package it belongs to."""
    package = name.partition(".")[0]
    try:
        return f"{name} {metadata.version(package)}"
    except (metadata.PackageNotFoundError, ValueError):
        return name
