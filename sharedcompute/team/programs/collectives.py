"""Collectives: calls that all ranks of a program make together.

All of them are `Exchange.call`: publish data, wait for all ranks, read theirs. Results are combined
in rank order, so that they are the same bits on every rank.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from functools import cached_property, lru_cache
from typing import Any, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sharedcompute.errors import InputError
from sharedcompute.rows import share
from sharedcompute.team.messaging.exchange import Exchange
from sharedcompute.team.messaging.serialization import Serialized, deserialize, is_array
from sharedcompute.team.programs import folds
from sharedcompute.team.programs.folds import Op
from sharedcompute.validation.integers import whole

_SHARED_WORK = 1 << 16
"""Bytes from which each rank combines only a share, at the cost of one more barrier."""


class Collectives:
    """The collective calls of a worker. Every rank makes the same calls in the same order.

    If they do not, all of them raise `InputError`, which names the calls of each rank.
    """

    rank: int
    size: int
    _exchange: Exchange

    def allreduce(
        self, value: ArrayLike, op: Op = "sum", *, out: NDArray[Any] | None = None
    ) -> Any:
        """Combine the arrays, or the numbers, of all ranks; every rank gets the result.

        Parameters
        ----------
        value : array_like or scalar
            Of the same dtype and shape on all ranks.
        op : {"sum", "min", "max", "prod"} or callable
            ``np.add``, ``np.minimum``, ``np.maximum`` or ``np.multiply``, which propagate NaN. Or a
            function ``f(a, b)`` that is associative; it need not be commutative. One rank calls it
            with the values in rank order, any objects that can be pickled, and all get the result.
        out : ndarray, optional
            Array for the result, of its dtype and shape; not with a function. It may be `value`.

        Returns
        -------
        ndarray or scalar
            An array of the dtype of `value`; booleans are summed and multiplied as integers, as
            NumPy does. For a NumPy or Python number the same, and Python integers of any size.
            The same bits on every rank: ``((x0 + x1) + x2) + ...``, by rank.

        Raises
        ------
        InputError
            For an unknown op, for values that are no numbers, and if the ranks call differently.
        ProgramLeftError
            Another rank has returned from the program.
        """
        return self._combine(value, op, None, out)

    def reduce(
        self, value: ArrayLike, op: Op = "sum", root: int = 0, *, out: NDArray[Any] | None = None
    ) -> Any:
        """Combine as `allreduce`; rank `root` gets the result, the others None.

        Parameters
        ----------
        value, op, out
            As for `allreduce`; `out` matters on `root` only.
        root : int
            The rank that gets the result.

        Returns
        -------
        ndarray, scalar or None
        """
        self._check_rank(root)
        return self._combine(value, op, root, out if self.rank == root else None)

    def broadcast(self, obj: object = None, root: int = 0) -> Any:
        """Send the object of rank `root` to every rank.

        Parameters
        ----------
        obj : object
            Any object that can be pickled. Ignored on the other ranks.
        root : int
            The rank that sends.

        Returns
        -------
        object
            `obj` itself on `root`, and a copy elsewhere. An array arrives as an ordinary array;
            shared arrays inside of other objects remain the same memory.
        """
        self._check_rank(root)
        text = f"broadcast(root={root})"
        if self.rank != root:
            return self._read(root, self._exchange.call(text))
        serialized = Serialized(obj)
        self._exchange.call(text, serialized.nbytes, serialized.write)
        return obj

    def gather(self, obj: object, root: int = 0) -> list[Any] | None:
        """Collect the objects of all ranks on rank `root`.

        Parameters
        ----------
        obj : object
            Any object that can be pickled. Arrays may differ in shape and dtype from rank to rank.
        root : int
            The rank that collects.

        Returns
        -------
        list or None
            The objects by rank on `root`; arrays are copies. None on the other ranks.
        """
        self._check_rank(root)
        half = self._show(f"gather(root={root})", obj)
        return self._read_all(half) if self.rank == root else None

    def allgather(self, obj: object) -> list[Any]:
        """Collect the objects of all ranks on every rank.

        Parameters
        ----------
        obj : object
            As for `gather`.

        Returns
        -------
        list
            The objects by rank; arrays are copies.
        """
        return self._read_all(self._show("allgather", obj))

    def scatter(self, values: Sequence[Any] | NDArray[Any] | None = None, root: int = 0) -> Any:
        """Send each rank its part of the values of rank `root`.

        Parameters
        ----------
        values : sequence of `size` objects, or ndarray
            An object for each rank; of an array, each rank gets its `Worker.rows`. Ignored on the
            other ranks.
        root : int
            The rank that sends.

        Returns
        -------
        object
            A copy, on every rank.

        Raises
        ------
        InputError
            For a sequence of another length.
        """
        self._check_rank(root)
        text = f"scatter(root={root})"
        if self.rank != root:
            half = self._exchange.call(text)
        else:
            parts = [Serialized(part) for part in self._parts(values)]
            ends: list[int] = np.cumsum(
                [self._table.size, *(part.nbytes for part in parts)]
            ).tolist()

            def write(room: memoryview) -> None:
                self._table.pack_into(room, 0, *ends[:-1])
                for part, start, end in zip(parts, ends, ends[1:], strict=False):
                    part.write(room[start:end])

            half = self._exchange.call(text, ends[-1], write)
        room = self._exchange.shown(root, half)
        return deserialize(
            room[self._table.unpack_from(room)[self.rank] :], self._exchange.attached
        )

    @cached_property
    def _table(self) -> struct.Struct:
        """The offsets of the parts of all ranks."""
        return struct.Struct(f"<{self.size}q")

    def _parts(self, values: Any) -> Sequence[Any]:
        if is_array(values) and values.ndim:
            return [values[slice(*share(len(values), self.size, r))] for r in range(self.size)]
        try:
            count: int | str = len(values)
        except TypeError:
            count = type(values).__name__
        if count != self.size:
            raise InputError(
                f"expected an array or a sequence of {self.size} objects to scatter, got {count}; "
                "give one for each rank"
            )
        return cast(Sequence[Any], values)

    def _combine(self, value: object, op: Op, root: int | None, out: NDArray[Any] | None) -> Any:
        """Combine the values of all ranks, for `root` or, if that is None, for every rank."""
        ufunc = folds.resolve_op(op)
        if not isinstance(op, str):
            return self._combine_by(value, ufunc, root, out)
        if folds.is_integer(value):
            half = self._show(_text(folds.op_name(op), root, "int", ""), value)
            if root not in (None, self.rank):
                return None
            return folds.fold_integers(self._read_all(half), op)
        array = folds.numeric_array(value, op)
        if out is not None:
            folds.check_out(out, array)
        text = _text(folds.op_name(op), root, array.dtype, array.shape)
        into = (
            out if out is not None and out.flags.c_contiguous else np.empty_like(array, order="C")
        )
        if not self._fold(text, array, cast(np.ufunc, ufunc), root, into.reshape(-1)):
            return None
        if out is None:
            return folds.like(value, into)
        if into is not out:
            out[...] = into
        return out

    def _fold(
        self, text: str, array: NDArray[Any], ufunc: np.ufunc, root: int | None, out: NDArray[Any]
    ) -> bool:
        """Fold arrays of one shape; each rank folds all of it, or a share of a long one.

        `out` may be `array`: the copies that the ranks publish are combined.
        """
        exchange, n, kind = self._exchange, array.size, array.dtype

        def write(room: memoryview) -> None:
            np.ndarray(array.shape, kind, buffer=room)[...] = array

        half = exchange.call(text, array.nbytes, write)
        shown = [np.ndarray(n, kind, buffer=exchange.shown(r, half)) for r in range(self.size)]
        shares = [slice(*share(n, self.size, r)) for r in range(self.size)]
        is_shared = self.size > 2 and array.nbytes >= _SHARED_WORK
        if is_shared:
            own = [part[shares[self.rank]] for part in shown]

            def write_share(room: memoryview) -> None:
                folds.fold(ufunc, own, np.ndarray(own[0].shape, kind, buffer=room))

            half = exchange.call(f"the end of {text}", own[0].nbytes, write_share)
        if root not in (None, self.rank):
            return False
        if not is_shared:
            folds.fold(ufunc, shown, out)
        else:
            for rank, at in enumerate(shares):
                part = out[at]
                part[...] = np.ndarray(part.shape, kind, buffer=exchange.shown(rank, half))
        return True

    def _combine_by(
        self, value: object, f: folds.Combine, root: int | None, out: NDArray[Any] | None
    ) -> Any:
        """Combine by a user's function, on one rank: it need not be deterministic."""
        if out is not None:
            raise InputError("expected no out with a function as op, got one; use what it returns")
        what = (value.dtype, value.shape) if is_array(value) else (type(value).__name__, "")
        half = self._show(_text(folds.op_name(f), root, *what), value)
        first = root or 0
        result = None
        if self.rank == first:
            result = folds.fold_by(f, self._read_all(half))
        return self.broadcast(result, first) if root is None else result

    def _show(self, text: str, obj: object) -> int:
        serialized = Serialized(obj)
        return self._exchange.call(text, serialized.nbytes, serialized.write)

    def _read(self, rank: int, half: int) -> Any:
        return deserialize(self._exchange.shown(rank, half), self._exchange.attached)

    def _read_all(self, half: int) -> list[Any]:
        return [self._read(rank, half) for rank in range(self.size)]

    def _check_rank(self, rank: object) -> None:
        whole("a rank", rank, 0, self.size - 1)


@lru_cache(maxsize=256)
def _text(name: str, root: int | None, kind: object, shape: object) -> str:
    """Describe a reduction: all ranks have to agree on this text."""
    call = f"allreduce({name})" if root is None else f"reduce({name}, root={root})"
    return f"{call} of {kind} {shape}".rstrip()
