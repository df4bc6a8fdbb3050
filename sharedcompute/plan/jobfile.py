"""A pipeline from a TOML file."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sharedcompute.errors import InputError
from sharedcompute.hdf5.address import Address, normal_path
from sharedcompute.operations.catalogue import expect, find_any, load
from sharedcompute.operations.declarations import Operation, Reduce
from sharedcompute.operations.fits.declaration import Iterative
from sharedcompute.operations.kinds import is_address
from sharedcompute.operations.parameters import nearest
from sharedcompute.options import NAMES
from sharedcompute.plan.job import Step, fitting, summary, transform

STEP_KEYS = ("op", "op-from", "save", "axis", "params")


@dataclass(frozen=True)
class JobFile:
    """What a job file says.

    Parameters
    ----------
    input : Address
    output : Address or None
        The file; each step's ``save`` is a path in it.
    steps : tuple of Step
    settings : mapping
        Options.
    scripts : tuple of str
        The file itself, and those of operations of one's own.
    """

    input: Address
    output: Address | None
    steps: tuple[Step, ...]
    settings: Mapping[str, Any]
    scripts: tuple[str, ...]


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
            told = tomllib.load(file)
    except OSError as problem:
        raise InputError(f"{path}: expected a job file, got {problem.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as problem:
        raise InputError(f"{path} is not TOML: {problem}") from None
    _known(path, "", told, ("input", "output", "steps", *NAMES))
    if not isinstance(told.get("steps"), list) or not told["steps"]:
        raise InputError(f"{path}: expected [[steps]], each with an op, got none: add one")
    if output is None and "output" in told:
        output = _address(path, told, "output")
    steps = tuple(_step(path, i, s, output) for i, s in enumerate(told["steps"], start=1))
    if output is not None and all(step.save is None for step in steps):
        raise InputError(f'{path}: expected save = "/NAME" in a step for {output}, got none')
    return JobFile(
        _address(path, told, "input"),
        output,
        steps,
        {name: told[name] for name in NAMES if name in told},
        (str(path), *(file for step in told["steps"] for file in _own_files(path, step))),
    )


def _known(path: Path, where: str, told: Mapping[str, Any], known: tuple[str, ...]) -> None:
    for key in told:
        if key not in known:
            raise InputError(f"{path}: unknown key {key!r}{where}: {nearest(key, known)}")


def _address(path: Path, told: Mapping[str, Any], key: str) -> Address:
    if not isinstance(told.get(key), str):
        raise InputError(f'{path}: expected {key} = "FILE::PATH", got {told.get(key)!r}')
    address = Address.parse(told[key])
    return Address(str(path.parent / Path(address.file).expanduser()), address.path)


def _save(path: Path, where: str, told: Mapping[str, Any], output: Address | None) -> str | None:
    """Where a step's result goes: below the group that the output names."""
    save = told.get("save")
    if save is None:
        return None
    if not isinstance(save, str) or not save:
        raise InputError(f'{path}: expected save = "/NAME"{where}, got {save!r}')
    if output is None:
        raise InputError(f'{path}: expected output = "FILE" for the save{where}, got none')
    return normal_path(f"{output.path or ''}/{save}")


def _operations(path: Path, where: str, told: Mapping[str, Any]) -> list[Operation | Iterative]:
    """What a step names: one operation, or several reductions."""
    if ("op" in told) == ("op-from" in told):
        raise InputError(f'{path}: expected op = "NAME" or op-from = "FILE.py:NAME"{where}')
    key = "op" if "op" in told else "op-from"
    names = told[key] if isinstance(told[key], list) else [told[key]]
    if not names or not all(isinstance(name, str) for name in names):
        raise InputError(f'{path}: expected {key} = "NAME" or ["NAME", ...]{where}, got {names!r}')
    if key == "op-from":
        return [load(str(path.parent / name)) for name in names]
    return [find_any(name) for name in names]


def _own_files(path: Path, told: Mapping[str, Any]) -> list[str]:
    """The Python files that the operations of a step come from."""
    given = told.get("op-from", [])
    names = given if isinstance(given, list) else [given]
    return [str(path.parent / name.rpartition(":")[0]) for name in names]


def _beside(
    path: Path, ops: list[Operation | Iterative], params: Mapping[str, Any]
) -> dict[str, Any]:
    """The parameters, with addresses of arrays relative to the job file, as its input is."""
    kinds = {p.name: p.kind for op in ops for p in op.parameters}
    return {
        name: str(_address(path, params, name)) if is_address(kinds.get(name), value) else value
        for name, value in params.items()
    }


def _step(path: Path, number: int, told: Any, output: Address | None) -> Step:
    where = f" in step {number}"
    if not isinstance(told, dict):
        raise InputError(f"{path}: expected a table{where}, got {told!r}")
    _known(path, where, told, STEP_KEYS)
    found, params = _operations(path, where, told), told.get("params", {})
    if not isinstance(params, dict):
        raise InputError(f"{path}: expected params = {{ name = value }}{where}, got {params!r}")
    params = _beside(path, found, params)
    save = _save(path, where, told, output)
    if all(isinstance(op, Reduce) for op in found):
        ops = tuple(expect(op, "reduce") for op in found)
        return summary(ops, params, told.get("axis", "rows"), save)
    if "axis" in told:
        raise InputError(
            f"{path}: axis is for reductions{where}, got {found[0].name}: leave it out"
        )
    if len(found) > 1:
        names = ", ".join(op.name for op in found)
        raise InputError(f"{path}: expected one op{where}, or reductions only, got {names}")
    (op,) = found
    return fitting(op, params, save) if isinstance(op, Iterative) else transform(op, params, save)
