"""Messages from rank to rank: each has a mailbox, and sorts what arrives by sender."""

from __future__ import annotations

from collections import deque

from sharedcompute.errors import Error
from sharedcompute.sync import ProgramLeftError
from sharedcompute.team.messaging.exchange import Exchange
from sharedcompute.team.messaging.fifo import Fifo
from sharedcompute.team.messaging.rank_areas import MAILBOX_SLOTS


class PointToPoint:
    """The messages of one rank during one job."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._mailboxes = [self._open(rank) for rank in range(exchange.size)]
        self._own = self._mailboxes[exchange.rank]
        self._sorted: list[deque[object]] = [deque() for _ in self._mailboxes]
        self._senders: deque[int] = deque()
        """The senders of all messages in `_sorted`, in the order of arrival."""

    def send(self, obj: object, rank: int, timeout: float | None) -> None:
        """Put an object into the mailbox of a rank.

        A rank that waits for room empties its own mailbox in the meantime. So ranks that send to
        each other never block each other.
        """
        mailbox = self._mailboxes[rank]
        payload = mailbox.pack(obj)

        def hopeless() -> Error | None:
            if not self._exchange.has_left(rank):
                return None
            return ProgramLeftError(
                f"expected rank {rank} to receive, it has returned from the program with "
                f"{MAILBOX_SLOTS} messages unread; receive as often as others send"
            )

        what = f"room for a message to rank {rank}"
        mailbox.wait(lambda: mailbox.try_put(payload), hopeless, timeout, what, self._sort)

    def receive(self, rank: int | None, timeout: float | None) -> tuple[int, object]:
        """Return the sender and the object of the next message of a rank, or of any."""
        who = "any rank" if rank is None else f"rank {rank}"

        def hopeless() -> Error | None:
            if not self._have_left(rank):
                return None
            why = "all other ranks have" if rank is None else f"{who} has"
            why = f"{why} returned from the program; send as often as others receive"
            if rank == self._exchange.rank:
                why = "it is this rank itself, and has sent nothing; send first"
            return ProgramLeftError(f"expected a message from {who}, {why}")

        what = f"a message from {who}"
        return self._own.wait(lambda: self._take(rank), hopeless, timeout, what, self._sort)

    def _sort(self) -> bool:
        """Empty the own mailbox; return whether there was anything in it."""
        before = len(self._senders)
        while (entry := self._own.try_get()) is not None:
            sender, obj = entry
            self._sorted[sender].append(obj)
            self._senders.append(sender)
        return len(self._senders) > before

    def _take(self, rank: int | None) -> tuple[int, object] | None:
        if rank is None:
            rank = self._senders[0] if self._senders else self._exchange.rank
        if not self._sorted[rank]:
            return None
        self._senders.remove(rank)
        return rank, self._sorted[rank].popleft()

    def _have_left(self, rank: int | None) -> bool:
        """Return whether none of the awaited ranks can send any more; the waiting one cannot."""
        own = self._exchange.rank
        ranks = range(self._exchange.size) if rank is None else [rank]
        return all(other == own or self._exchange.has_left(other) for other in ranks)

    def _open(self, rank: int) -> Fifo:
        exchange = self._exchange
        words = exchange.areas.mailbox(rank)
        return Fifo(
            words,
            MAILBOX_SLOTS,
            exchange.rank,
            exchange.control,
            exchange.blocks,
            exchange.attached,
        )
