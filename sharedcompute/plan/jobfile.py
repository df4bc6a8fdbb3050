"""A pipeline from a TOML file."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from sharedcompute.errors import InputError
from sharedcompute.hdf5.address import Address
from sharedcompute.operations.catalogue import find, load
from sharedcompute.operations.parameters import nearest
from sharedcompute.plan.job import Options, OutputSpec, Step, summary, transform

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
        Options of the run and of the output.
    """

    input: Address
    output: Address | None
    steps: tuple[Step, ...]
    settings: Mapping[str, Any]


def read_job(path: Path) -> JobFile:
    """Read a job. Relative file names are relative to the job file.

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
    except tomllib.TOMLDecodeError as problem:
        raise InputError(f"{path} is not TOML: {problem}") from None
    settings = [f.name for f in (*fields(Options), *fields(OutputSpec)) if f.name != "address"]
    _known(path, "", told, ("input", "output", "steps", *settings))
    if not isinstance(told.get("steps"), list) or not told["steps"]:
        raise InputError(f"{path}: expected [[steps]], each with an op, got none: add one")
    return JobFile(
        _address(path, told, "input"),
        _address(path, told, "output") if "output" in told else None,
        tuple(_step(path, i, s) for i, s in enumerate(told["steps"], start=1)),
        {name: told[name] for name in settings if name in told},
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


def _step(path: Path, number: int, told: Any) -> Step:
    where = f" in step {number}"
    if not isinstance(told, dict):
        raise InputError(f"{path}: expected a table{where}, got {told!r}")
    _known(path, where, told, STEP_KEYS)
    if ("op" in told) == ("op-from" in told):
        raise InputError(f'{path}: expected op = "NAME" or op-from = "FILE.py:NAME"{where}')
    params, save = told.get("params", {}), told.get("save")
    if "op-from" in told:
        names = [load(str(path.parent / told["op-from"]))]
    else:
        op = told["op"]
        names = [find(str(name)) for name in (op if isinstance(op, list) else [op])]
    if all(op.kind == "reduce" for op in names):
        return summary(tuple(names), params, told.get("axis", "rows"), save)
    if len(names) > 1 or "axis" in told:
        raise InputError(f"{path}: expected one op{where}, or reductions only, got {told['op']}")
    return transform(names[0], params, save)
