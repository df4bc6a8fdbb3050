"""Write `sharedcompute/ops.pyi`, the types of `sc.ops`, from the catalogue: `make stubs`."""

from __future__ import annotations

import inspect
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import sharedcompute
from sharedcompute.api.generated import brief, options_of, runner_of
from sharedcompute.operations import documentation
from sharedcompute.operations.catalogue import everything
from sharedcompute.operations.declarations import Operation
from sharedcompute.operations.fits.declaration import Iterative

STUB = Path(sharedcompute.__file__).with_name("ops.pyi")

HEADER = '''
"""Types of `sharedcompute.ops`, made from the catalogue; `make stubs` writes this file."""

from collections.abc import Sequence
from typing import Literal, TypedDict, Unpack, overload

from numpy.typing import ArrayLike, DTypeLike

from sharedcompute.api.lazy.array import LazyArray
from sharedcompute.api.fitted import Fitted
from sharedcompute.api.typing import AddressLike, ArrayInput, Axis
from sharedcompute.events import Listener
from sharedcompute.operations.specs import Array
from sharedcompute.rows import Schedule
from sharedcompute.team import Team
from sharedcompute.traits import EngineName
'''

GROUPS = {
    "map": ("Options", "Options of all operations."),
    "reduce": ("ReductionOptions", "Options of reductions."),
}


def stub() -> str:
    """Return the text of the stub."""
    text = "\n".join([HEADER, *_groups(), *(_function(op) for op in everything())])
    done = subprocess.run(
        [sys.executable, "-m", "ruff", "format", "--stdin-filename", "ops.pyi", "-"],
        input=text, capture_output=True, text=True, check=True, cwd=STUB.parent,
    )  # fmt: skip
    return done.stdout


def _groups() -> Iterator[str]:
    for kind, (name, doc) in GROUPS.items():
        fields = (f"    {p.name}: {p.annotation}" for p in options_of(runner_of(kind)))
        yield "\n".join([f"class {name}(TypedDict, total=False):", f'    """{doc}"""', *fields])


def _function(op: Operation | Iterative) -> str:
    if isinstance(op, Iterative):
        return _definition(op, "AddressLike | None = None", "Fitted")
    if op.kind == "reduce":
        return _definition(op, "AddressLike | None = None", "Array")
    into = _definition(op, "Array | None = None", "Array", documented=False)
    return f"@overload\n{into}\n@overload\n{_definition(op, 'AddressLike', 'LazyArray')}"


def _definition(
    op: Operation | Iterative, output: str, result: str, *, documented: bool = True
) -> str:
    group = "ReductionOptions" if op.kind == "reduce" else "Options"
    own = [f"{p.name}: {p.annotation}{_default(p)}" for p in op.parameters]
    star = ["*", *own] if own else []
    given = ", ".join(
        ["input: ArrayInput", f"output: {output}", *star, f"**options: Unpack[{group}]"]
    )
    body = f"\n{_docstring(op)}" if documented else " ..."
    return f"def {op.name}({given}) -> {result}:{body}"


def _default(p: inspect.Parameter | object) -> str:
    return "" if getattr(p, "required", False) else f" = {getattr(p, 'default')!r}"  # noqa: B009


def _docstring(op: Operation | Iterative) -> str:
    parameters = "\n".join(documentation.entry(p) for p in op.parameters)
    listed = [f"Parameters\n----------\n{parameters}"] if parameters else []
    text = "\n\n".join([*brief(op), *listed, f"Returns\n-------\n{documentation.returned(op)}"])
    return textwrap.indent(f'"""{text}\n"""', "    ")


if __name__ == "__main__":
    STUB.write_text(stub())
