"""The operations by name, and a user's own from a file."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Mapping
from pathlib import Path
from types import FunctionType, MappingProxyType

from sharedcompute.errors import InputError
from sharedcompute.operations.declarations import Map, Operation, Reduce, Scan, Stencil
from sharedcompute.operations.fits.declaration import Fit
from sharedcompute.operations.fits.decomposition import PCA
from sharedcompute.operations.fits.kmeans import KMEANS
from sharedcompute.operations.fits.linear import LSTSQ, RIDGE
from sharedcompute.operations.fits.power import POWER
from sharedcompute.operations.fits.sweeps import SWEEPS
from sharedcompute.operations.parameters import nearest
from sharedcompute.operations.reductions.reductions import REDUCTIONS
from sharedcompute.operations.rowwise import centers
from sharedcompute.operations.rowwise.elementwise import MAPS
from sharedcompute.operations.rowwise.projections import LINEAR, PROJECT
from sharedcompute.operations.rowwise.scans import SCANS
from sharedcompute.operations.rowwise.stencils import STENCILS

_KINDS = Map | Stencil | Reduce | Scan | Fit
KINDS = ("map", "stencil", "reduce", "scan")

_ALL: tuple[Operation, ...] = (
    *MAPS,
    *centers.MAPS,
    PROJECT,
    LINEAR,
    *STENCILS,
    *REDUCTIONS,
    *SCANS,
)

_FITS: tuple[Fit, ...] = (KMEANS, PCA, LSTSQ, RIDGE, POWER, *SWEEPS)

CATALOGUE: Mapping[str, Operation] = MappingProxyType({op.name: op for op in _ALL})

FITS: Mapping[str, Fit] = MappingProxyType({fit.name: fit for fit in _FITS})


def find(name: str, *kinds: str) -> Operation:
    """The operation called `name`, of one of some kinds.

    Raises
    ------
    InputError
        With the nearest name, or the command that the operation is for.
    """
    op = CATALOGUE.get(name) or FITS.get(name)
    if op is None:
        fitting = [known for known, o in CATALOGUE.items() if not kinds or o.kind in kinds]
        raise InputError(f"unknown operation {name!r}: {nearest(name, fitting)}")
    return expect(op, *kinds)


def find_fit(name: str) -> Fit:
    """The fit called `name`.

    Raises
    ------
    InputError
        With the nearest name, or the command that the operation is for.
    """
    op = FITS.get(name)
    if op is not None:
        return op
    if name not in CATALOGUE:
        raise InputError(f"unknown fit {name!r}: {nearest(name, FITS)}")
    return expect_fit(CATALOGUE[name])


def expect_fit(op: Operation | Fit) -> Fit:
    """`op`, if it is a fit."""
    if not isinstance(op, Fit):
        expect(op, "fit")
    assert isinstance(op, Fit)
    return op


def expect(op: Operation | Fit, *kinds: str) -> Operation:
    """`op`, if it is of one of some kinds; a fit has `expect_fit`."""
    if isinstance(op, Fit) or (kinds and op.kind not in kinds):
        command = "map" if op.kind == "stencil" else op.kind
        raise InputError(
            f"{op.name} is a {op.kind}, expected a {' or '.join(kinds or KINDS)}: "
            f"use `{command}` for it"
        )
    return op


def load(reference: str) -> Operation | Fit:
    """A user's own operation from ``my_kernels.py:my_op``; a function is the kernel of a map.

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
    op = getattr(module, name, None)
    if isinstance(op, _KINDS):
        return op
    if callable(op) and (isinstance(op, FunctionType) or type(op).__name__ == "CPUDispatcher"):
        return Map(name, op)
    own = [n for n, v in vars(module).items() if isinstance(v, _KINDS)]
    what = "no such name" if op is None else f"a {type(op).__name__}"
    raise InputError(f"{reference}: expected an operation, got {what}: {nearest(name, own)}")


def import_file(path: Path) -> object:
    """Import a Python file as a top-level module of its own name."""
    loaded = sys.modules.get(path.stem)
    if loaded is not None and getattr(loaded, "__file__", None) == str(path):
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
