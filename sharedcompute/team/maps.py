"""The calls of `Team.map`: from its arguments to the program that workers run."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

import numpy as np

from sharedcompute.rows import Mode, Schedule
from sharedcompute.shm import arrays
from sharedcompute.team.map_arguments import (
    check_map,
    compile_once,
    fills,
    input_array,
    is_several,
    native_dtype,
    native_params,
    reachable,
)
from sharedcompute.team.messaging.callables import is_dispatcher
from sharedcompute.team.messaging.channel import JOB, REPEATABLE
from sharedcompute.team.programs.mapping import map_rows
from sharedcompute.team.programs.repeat import LastMap, MapCall, VerifiedFunctions
from sharedcompute.team.programs.several import map_several
from sharedcompute.team.several import several
from sharedcompute.team.supervisor import Supervisor

Cut = tuple[int, Mode, Schedule, int | None]
"""The arguments `halo`, `mode`, `schedule` and `block_rows`."""

_SEVERAL = (tuple, list)


class Maps:
    """Functions that a team maps over rows, and what is known of those that it has mapped.

    Parameters
    ----------
    supervisor : Supervisor
    verified : VerifiedFunctions
        The functions that are known to write all of their output.
    """

    def __init__(self, supervisor: Supervisor, verified: VerifiedFunctions) -> None:
        self._supervisor = supervisor
        self._last = LastMap()
        self._verified = verified
        self._compiled: weakref.WeakSet[object] = weakref.WeakSet()

    def run(
        self,
        f: Callable[..., Any],
        x: Any,
        out: Any,
        params: tuple[Any, ...],
        cut: Cut,
        rows: bool,
    ) -> Any:
        """Run a map and return its results. The arguments are those of `Team.map`."""
        if rows or type(out) in _SEVERAL or (type(x) in _SEVERAL and is_several(x)):
            return self._several(f, x, out, params, cut, rows)
        if out is not None:
            known = self._last.find(MapCall(f, x, out, params, (*cut, False)))
            if known is not None:
                self._supervisor.run(known)
                return out
        if not fills(f, 1, out is not None, len(params)):
            return self._several(f, x, out, params, cut, rows)
        return self._single(f, x, out, params, cut)

    def _single(
        self, f: Callable[..., Any], x: Any, out: Any, params: tuple[Any, ...], cut: Cut
    ) -> Any:
        """Run a function that fills one array from one."""
        source = input_array(x)
        check_map(f, source, out, cut)
        verify = out is None and not self._verified.knows(f, source.dtype)
        target = out if out is not None else arrays.empty(source.shape, native_dtype(source))
        result = target if out is None else reachable(target)
        native = native_params(params) if params else ()
        call = MapCall(f, reachable(source), result, native, (*cut, verify))
        dispatcher = f if is_dispatcher(f) else None
        if dispatcher is not None and dispatcher not in self._compiled:
            compile_once(dispatcher, (call.x,), (result,), params)
            self._compiled.add(f)
        kind = REPEATABLE if dispatcher is not None and call.is_repeatable() else JOB
        message = self._supervisor.encode(map_rows, tuple(call), kind)
        self._supervisor.run(message)
        if kind == REPEATABLE:
            self._last.note(call, message)
        if verify:
            self._verified.note(f, source.dtype)
        if result is not target:
            np.copyto(target, result)
        return target

    def _several(
        self,
        f: Callable[..., Any],
        x: Any,
        out: Any,
        params: tuple[Any, ...],
        cut: Cut,
        rows: bool,
    ) -> Any:
        """Run a function of several arrays, one that returns rows, or asks for their place."""
        call = several(f, x, out, params, cut, rows)
        verify = out is None and not self._verified.knows(f, call.kinds)
        if is_dispatcher(f) and f not in self._compiled:
            compile_once(f, call.inputs, call.filled, call.others)
            self._compiled.add(f)
        message = self._supervisor.encode(map_several, call.message(verify), JOB)
        self._supervisor.run(message)
        if verify:
            self._verified.note(f, call.kinds)
        return call.done()
