"""A pipeline from a TOML file."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast

from sharedcompute.errors import InputError
from sharedcompute.expressions import checked_input, is_expression, names_in, outputs_in
from sharedcompute.hdf5.address import Address, normal_path
from sharedcompute.operations.catalogue import expect, find_any, load
from sharedcompute.operations.declarations import Operation, Reduce
from sharedcompute.operations.fits.declaration import Iterative
from sharedcompute.operations.kinds import is_address
from sharedcompute.options.groups import NAMES, OF_REDUCTIONS
from sharedcompute.planning.job import Axis, ReduceStep, Step, fitting, summary, transform
from sharedcompute.validation.names import suggestion

FILE_KEYS = ("input", "inputs", "output", "steps", *NAMES)
STEP_KEYS = ("op", "op-from", "expr", "save", "params", *OF_REDUCTIONS)

Table = Mapping[str, object]
"""A table of TOML: texts, numbers, lists and tables by key."""


@dataclass(frozen=True)
class TextStep:
    """A step that goes on with an expression, as it is written.

    Parameters
    ----------
    text : str
    save : str or None
        Path of the dataset; of several expressions that of the group for them.
    where : str
        The file and the number of the step, for errors.
    """

    text: str
    save: str | None
    where: str


@dataclass(frozen=True)
class ChosenText(ReduceStep):
    """A step of reductions with `where` or `weights`, as they are written.

    Parameters
    ----------
    beside : mapping of str to (str or Address)
        By keyword; an expression is a text.
    place : str
        The file and the number of the step, for errors.
    """

    beside: Mapping[str, str | Address] = field(default_factory=dict)
    place: str = ""


@dataclass(frozen=True)
class JobFile:
    """The contents of a job file.

    Parameters
    ----------
    input : Address or None
        None where the first step is an expression.
    output : Address or None
        The file; each step's ``save`` is a path in it.
    steps : tuple of Step or TextStep
    settings : mapping
        Options.
    scripts : tuple of str
        The file itself, and those of operations of one's own.
    inputs : mapping of str to Address
        What the names in expressions stand for.
    """

    input: Address | None
    output: Address | None
    steps: tuple[Step | TextStep, ...]
    settings: Mapping[str, object]
    scripts: tuple[str, ...]
    inputs: Mapping[str, Address] = field(default_factory=dict)


def read_job(path: Path, output: Address | None = None) -> JobFile:
    """Read a job. Relative file names are relative to the job file.

    Parameters
    ----------
    path : Path
    output : Address, optional
        Instead of the one that the file names.

    Raises
    ------
    InputError
        It is not TOML, or a key is missing, unknown or of the wrong kind.
    """
    try:
        with path.open("rb") as file:
            table: Table = tomllib.load(file)
    except OSError as problem:
        raise InputError(f"{path}: expected a job file, got {problem.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as problem:
        raise InputError(f"{path} is not TOML: {problem}") from None
    _check_keys(path, "", table, FILE_KEYS)
    listed = table.get("steps")
    if not isinstance(listed, list) or not listed:
        raise InputError(f"{path}: expected [[steps]], each with an op, got none: add one")
    if output is None and "output" in table:
        output = _address(path, table, "output").literal
    steps = tuple(_step(path, i, s, output) for i, s in enumerate(listed, start=1))
    if output is not None and all(step.save is None for step in steps):
        raise InputError(f'{path}: expected save = "/NAME" in a step for {output}, got none')
    steps = _with_addresses(path, table, steps)
    inputs = _inputs(path, table, steps)
    begins = isinstance(steps[0], TextStep)
    if begins and "input" in table:
        raise InputError(
            f"{path}: expected [inputs] alone where the first step is an expr, got input too: "
            "leave it out"
        )
    return JobFile(
        None if begins else _address(path, table, "input"),
        output,
        steps,
        {name: table[name] for name in NAMES if name in table},
        (str(path), *(file for step in listed for file in _own_files(path, step))),
        inputs,
    )


def _inputs(path: Path, table: Table, steps: Iterable[Step | TextStep]) -> dict[str, Address]:
    """Return the inputs of expressions by their names."""
    given = table.get("inputs", {})
    if not isinstance(given, dict):
        raise InputError(f'{path}: expected [inputs] with NAME = "FILE::PATH", got {given!r}')
    used = {name for text, place in _texts(steps) for name in _names(text, place)} - _made(steps)
    found = {}
    for name in given:
        try:
            found[checked_input(name)] = _address(path, given, name)
        except InputError as problem:
            raise InputError(f"{path}: inputs: {problem.text}") from None
        # A name that is used and not given is refused, with its place, before one that is not used.
        if name not in used and used <= {*given}:
            raise InputError(f"{path}: no expr uses the input {name!r}: leave it out")
    return found


def _texts(steps: Iterable[Step | TextStep]) -> Iterator[tuple[str, str]]:
    """Yield the expressions of steps, and where they stand."""
    for step in steps:
        if isinstance(step, TextStep):
            yield step.text, step.where
        elif isinstance(step, ChosenText):
            yield from ((t, step.place) for t in step.beside.values() if isinstance(t, str))


def _names(
    text: str, place: str, read: Callable[[str], tuple[str, ...]] = names_in
) -> tuple[str, ...]:
    """Return the names that an expression uses, or what else is read of it."""
    try:
        return read(text)
    except InputError as problem:
        raise InputError(f"{place}: {problem.text}") from None


def _made(steps: Iterable[Step | TextStep]) -> set[str]:
    """Return the names that expressions are given."""
    texts = [step for step in steps if isinstance(step, TextStep)]
    return {name for step in texts for name in _names(step.text, step.where, outputs_in)}


def _with_addresses(
    path: Path, table: Table, steps: tuple[Step | TextStep, ...]
) -> tuple[Step | TextStep, ...]:
    """Return steps whose `where` and `weights` are addresses, unless they are expressions."""
    inputs = table.get("inputs", {})
    known = {*inputs, *_made(steps)} if isinstance(inputs, dict) else set()

    def meant(step: ChosenText) -> ChosenText:
        beside = {
            name: text if is_expression(text, known) else _address(path, step.beside, name)
            for name, text in step.beside.items()
            if isinstance(text, str)
        }
        return replace(step, beside=beside)

    return tuple(meant(step) if isinstance(step, ChosenText) else step for step in steps)


def _check_keys(path: Path, where: str, table: Iterable[str], known: tuple[str, ...]) -> None:
    for key in table:
        if key not in known:
            raise InputError(f"{path}: unknown key {key!r}{where}: {suggestion(key, known)}")


def _address(path: Path, table: Table, key: str) -> Address:
    given = table.get(key)
    if not isinstance(given, str):
        raise InputError(f'{path}: expected {key} = "FILE::PATH", got {given!r}')
    address = Address.parse(given)
    return replace(address, file=str(path.parent / Path(address.file).expanduser()))


def _save(path: Path, where: str, table: Table, output: Address | None) -> str | None:
    """Return where a step's result goes: below the group that the output names."""
    save = table.get("save")
    if save is None:
        return None
    if not isinstance(save, str) or not save:
        raise InputError(f'{path}: expected save = "/NAME"{where}, got {save!r}')
    if output is None:
        raise InputError(f'{path}: expected output = "FILE" for the save{where}, got none')
    return normal_path(f"{output.path or ''}/{save}")


def _several(given: object) -> list[object]:
    """Return a list, or the one element that stands instead of it."""
    return given if isinstance(given, list) else [given]


def _operations(path: Path, where: str, table: Table) -> list[Operation | Iterative]:
    """Return the operations of a step: one, or several reductions."""
    if ("op" in table) == ("op-from" in table):
        raise InputError(f'{path}: expected op = "NAME" or op-from = "FILE.py:NAME"{where}')
    key = "op" if "op" in table else "op-from"
    given = _several(table[key])
    names = [name for name in given if isinstance(name, str)]
    if not given or len(names) < len(given):
        raise InputError(f'{path}: expected {key} = "NAME" or ["NAME", ...]{where}, got {given!r}')
    if key == "op-from":
        return [load(str(path.parent / name)) for name in names]
    return [find_any(name) for name in names]


def _own_files(path: Path, table: Table) -> list[str]:
    """Return the Python files that the operations of a step come from."""
    names = _several(table.get("op-from", []))
    return [str(path.parent / str(name).rpartition(":")[0]) for name in names]


def _relative(path: Path, ops: list[Operation | Iterative], params: Table) -> dict[str, object]:
    """Return the parameters, with addresses of arrays relative to the job file."""
    kinds = {p.name: p.kind for op in ops for p in op.parameters}
    return {
        name: str(_address(path, params, name)) if is_address(kinds.get(name), value) else value
        for name, value in params.items()
    }


def _text_step(path: Path, where: str, table: Table, output: Address | None) -> TextStep:
    for key in table:
        if key not in ("expr", "save"):
            raise InputError(f"{path}: {key} does not go with expr{where}: write it in the text")
    text = table["expr"]
    if not isinstance(text, str):
        raise InputError(f'{path}: expected expr = "sqrt(u**2 + v**2)"{where}, got {text!r}')
    return TextStep(text, _save(path, where, table, output), f"{path}{where}")


def _with_beside(path: Path, place: str, table: Table, step: ReduceStep) -> ReduceStep:
    """Return a step of reductions with its `where` or `weights`."""
    given = {name: table[name] for name in ("where", "weights") if name in table}
    for name, text in given.items():
        if not isinstance(text, str):
            raise InputError(f'{path}: expected {name} = "FILE::PATH"{place}, got {text!r}')
    if not given:
        return step
    beside = cast(Mapping[str, str], given)
    return ChosenText(**vars(step), beside=beside, place=f"{path}{place}")


def _step(path: Path, number: int, table: object, output: Address | None) -> Step | TextStep:
    where = f" in step {number}"
    if not isinstance(table, dict):
        raise InputError(f"{path}: expected a table{where}, got {table!r}")
    _check_keys(path, where, table, STEP_KEYS)
    if "expr" in table:
        return _text_step(path, where, table, output)
    found, params = _operations(path, where, table), table.get("params", {})
    if not isinstance(params, dict):
        raise InputError(f"{path}: expected params = {{ name = value }}{where}, got {params!r}")
    named = _relative(path, found, params)
    save = _save(path, where, table, output)
    if all(isinstance(op, Reduce) for op in found):
        ops = tuple(expect(op, "reduce") for op in found)
        # What is no axis is refused where the step is made.
        keepdims = table.get("keepdims", False)
        if not isinstance(keepdims, bool):
            raise InputError(f"{path}: expected keepdims = true or false{where}, got {keepdims!r}")
        axis = cast(Axis, table.get("axis", "rows"))
        made = summary(ops, named, axis, save, keepdims=keepdims)
        return _with_beside(path, where, table, made)
    for key in OF_REDUCTIONS:
        if key in table:
            raise InputError(
                f"{path}: {key} is for reductions{where}, got {found[0].name}: leave it out"
            )
    if len(found) > 1:
        names = ", ".join(op.name for op in found)
        raise InputError(f"{path}: expected one op{where}, or reductions only, got {names}")
    (op,) = found
    return fitting(op, named, save) if isinstance(op, Iterative) else transform(op, named, save)
