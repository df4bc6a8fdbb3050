"""Pickling of functions: by name, by token, or by value.

numba's own pickling sends a dispatcher by value, so that every worker would compile it again and
``cache=True`` would be lost. So a dispatcher that the worker can import goes by its name, and any
other (from a script's ``__main__``, a notebook, a lambda) is sent to a worker once, then named by a
token: what a dispatcher sees of its globals is frozen when it compiles, so it cannot change.
Plain Python functions can, and travel with every job, as cloudpickle does it.
"""

from __future__ import annotations

import importlib
import itertools
import sys
import weakref
from functools import lru_cache, reduce
from types import FunctionType
from typing import TYPE_CHECKING, Any, Literal, TypeGuard

import cloudpickle

if TYPE_CHECKING:
    from numba.core.dispatcher import Dispatcher

Named = tuple[Literal["name"], str, str]
"""A function that the receiver can import: its module and qualified name."""
Token = tuple[Literal["token"], int]
"""A dispatcher that the receiver has received before."""

_MP_MAIN = "__mp_main__"
"""What multiprocessing calls the user's script in a process that it has started."""

_OURS = __name__.partition(".")[0] + "."


def is_dispatcher(f: object) -> TypeGuard[Dispatcher]:
    """Return whether `f` was made by `numba.jit`, without importing numba."""
    return type(f).__name__ == "CPUDispatcher"


def name_of(dispatcher: Dispatcher) -> Named | None:
    """Return the name by which a fresh process imports this very object, or None."""
    module, qualname = dispatcher.__module__, dispatcher.__qualname__
    if module in (None, "__main__", _MP_MAIN) or "<" in qualname or not _importable(module):
        return None
    try:
        found: object = reduce(getattr, qualname.split("."), sys.modules[module])
    except AttributeError:
        return None
    return ("name", module, qualname) if found is dispatcher else None


def send_main_by_value() -> None:
    """Make cloudpickle pickle the objects of a script by value in a child of multiprocessing too.

    In such a child the script is a module that no worker could import.
    """
    main = sys.modules.get(_MP_MAIN)
    if main is not None and main.__name__ == _MP_MAIN:
        cloudpickle.register_pickle_by_value(main)


def name_of_own(f: FunctionType) -> Named | None:
    """Return the name of a plain function of this package.

    cloudpickle would find it as well, in 10 us: too long for each job.
    """
    # A method that `dataclass` wrote has no module, where its class is in none that is loaded.
    if not (f.__module__ or "").startswith(_OURS) or "<" in f.__qualname__:
        return None
    return ("name", f.__module__, f.__qualname__)


@lru_cache(maxsize=256)
def import_named(module: str, qualname: str) -> Any:
    """Import an object that was sent by name."""
    found = reduce(getattr, qualname.split("."), importlib.import_module(module))
    if is_dispatcher(found):
        from sharedcompute.kernels.cache import protect  # noqa: PLC0415 - imports numba

        protect(found)
    return found


def _importable(module: str) -> bool:
    """Return whether `import module` finds the module that is loaded under that name here.

    A module that was created by hand and put in ``sys.modules`` would not be found in a worker.
    """
    package = module.partition(".")[0]
    spec = getattr(sys.modules.get(package), "__spec__", None)
    if spec is None:
        return False
    # Not importlib.util.find_spec: that believes sys.modules.
    found = (finder.find_spec(package, None) for finder in sys.meta_path)
    return next((f.origin == spec.origin for f in found if f is not None), False)


class Tokens:
    """The dispatchers that the workers of a team have received, or will receive."""

    def __init__(self) -> None:
        self._numbers = itertools.count()
        self._tokens: weakref.WeakKeyDictionary[Dispatcher, Named | Token] = (
            weakref.WeakKeyDictionary()
        )

    def refer(self, dispatcher: Dispatcher) -> Named | Token:
        """Return the name or token to send instead of `dispatcher`."""
        reference = self._tokens.get(dispatcher)
        if reference is None:
            reference = name_of(dispatcher) or ("token", next(self._numbers))
            self._tokens[dispatcher] = reference
        return reference
