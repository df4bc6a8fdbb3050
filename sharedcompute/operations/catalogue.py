"""The operations by name, and a user's own from a file."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import FunctionType, MappingProxyType

from sharedcompute.errors import InputError
from sharedcompute.operations.declarations import Map, Operation, Reduce, Scan
from sharedcompute.operations.fits.declaration import Fit, Iterative, Solve
from sharedcompute.operations.fits.decomposition import PCA
from sharedcompute.operations.fits.kmeans import KMEANS
from sharedcompute.operations.fits.linear import LSTSQ, RIDGE
from sharedcompute.operations.fits.power import POWER
from sharedcompute.operations.fits.sweeps import SWEEPS
from sharedcompute.operations.reductions.reductions import REDUCTIONS
from sharedcompute.operations.rowwise import centers, columnwise, elementwise
from sharedcompute.operations.rowwise.projections import LINEAR, PROJECT
from sharedcompute.operations.rowwise.scans import SCANS
from sharedcompute.operations.rowwise.stencils import STENCILS
from sharedcompute.validation.names import suggestion

_KINDS = Map | Reduce | Scan | Iterative
KINDS = ("map", "stencil", "reduce", "scan")

_ALL: tuple[Operation, ...] = (
    *elementwise.MAPS,
    *columnwise.MAPS,
    *centers.MAPS,
    PROJECT,
    LINEAR,
    *STENCILS,
    *REDUCTIONS,
    *SCANS,
)

CATALOGUE: Mapping[str, Operation] = MappingProxyType({op.name: op for op in _ALL})

FITS: Mapping[str, Fit] = MappingProxyType({op.name: op for op in (KMEANS, PCA, LSTSQ, RIDGE)})

SOLVERS: Mapping[str, Solve] = MappingProxyType({op.name: op for op in (POWER, *SWEEPS)})

ITERATIVE: Mapping[str, Iterative] = MappingProxyType({**FITS, **SOLVERS})

NOUNS = {"solve": "solver"}
"""What an operation is, where the command for it is called otherwise."""


def everything() -> tuple[Operation | Iterative, ...]:
    """Return all operations, in the order in which they are listed."""
    return (*CATALOGUE.values(), *ITERATIVE.values())


def find(name: str, *kinds: str) -> Operation:
    """Return the operation called `name`, of one of some kinds.

    Raises
    ------
    InputError
        With the nearest name, or the command that the operation is for.
    """
    op = CATALOGUE.get(name) or ITERATIVE.get(name)
    if op is None:
        fitting = [known for known, o in CATALOGUE.items() if not kinds or o.kind in kinds]
        raise InputError(f"unknown operation {name!r}: {suggestion(name, fitting)}")
    return expect(op, *kinds)


def find_iterative(name: str, kind: str) -> Iterative:
    """Return the fit or the solver called `name`.

    Parameters
    ----------
    name : str
    kind : {"fit", "solve"}

    Raises
    ------
    InputError
        With the nearest name, or the command that the operation is for.
    """
    op = ITERATIVE.get(name) or CATALOGUE.get(name)
    if op is None:
        known = [known for known, o in ITERATIVE.items() if o.kind == kind]
        raise InputError(f"unknown {_noun(kind)} {name!r}: {suggestion(name, known)}")
    return expect_iterative(op, kind)


def find_any(name: str) -> Operation | Iterative:
    """Return the operation called `name`, of whatever kind."""
    return ITERATIVE.get(name) or find(name)


def expect_iterative(op: Operation | Iterative, kind: str) -> Iterative:
    """Return `op` if it is of this kind, ``fit`` or ``solve``."""
    if not isinstance(op, Iterative) or op.kind != kind:
        raise _unexpected(op, (kind,))
    return op


def expect(op: Operation | Iterative, *kinds: str) -> Operation:
    """Return `op` if it is of one of some kinds, all but ``fit`` and ``solve``."""
    if isinstance(op, Iterative) or (kinds and op.kind not in kinds):
        raise _unexpected(op, kinds or KINDS)
    return op


def _unexpected(op: Operation | Iterative, kinds: Sequence[str]) -> InputError:
    """Make the error that names the command for `op`."""
    command = "map" if op.kind == "stencil" else op.kind
    expected = " or ".join(map(_noun, kinds))
    return InputError(
        f"{op.name} is a {_noun(op.kind)}, expected a {expected}: use `{command}` for it"
    )


def _noun(kind: str) -> str:
    return NOUNS.get(kind, kind)


def load(reference: str) -> Operation | Iterative:
    """Return a user's own operation from ``my_kernels.py:my_op``; a function becomes a map.

    The file is imported once under its own name, so that its kernels can be cached and travel to
    workers by reference.
    """
    file, _, name = reference.rpartition(":")
    path = Path(file).resolve()
    if not file and path.with_name(name).is_file():
        raise InputError(f"expected FILE.py:NAME, got no NAME in {reference!r}: add :NAME")
    if not file or not path.is_file():
        raise InputError(f"expected FILE.py:NAME with a file that exists, got {reference!r}")
    module = import_file(path)
    op: object = getattr(module, name, None)
    if isinstance(op, _KINDS):
        return op
    if callable(op) and (isinstance(op, FunctionType) or type(op).__name__ == "CPUDispatcher"):
        return Map(name, op)
    own = [n for n, v in vars(module).items() if isinstance(v, _KINDS)]
    what = "no such name" if op is None else f"a {type(op).__name__}"
    raise InputError(f"{reference}: expected an operation, got {what}: {suggestion(name, own)}")


def import_file(path: Path) -> object:
    """Import a Python file as a top-level module of its own name."""
    loaded = sys.modules.get(path.stem)
    file: str | None = getattr(loaded, "__file__", None)
    if loaded is not None and file == str(path):
        return loaded
    if loaded is not None or path.stem in sys.stdlib_module_names:
        raise InputError(f"{path.name}: a module {path.stem!r} is there already: rename the file")
    folder = str(path.parent)
    if folder not in sys.path:
        # At the end: a file beside it that is called json.py, say, must not get in the way.
        sys.path.append(folder)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise InputError(f"{path} is not a Python file: expected a name that ends in .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    try:
        spec.loader.exec_module(module)
    except Exception as problem:
        del sys.modules[path.stem]
        raise InputError(f"{path} cannot be imported: {problem!r}") from problem
    return module
