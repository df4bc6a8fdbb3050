"""The words of a command line: operations, input, output."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sharedcompute.errors import InputError

if TYPE_CHECKING:
    from sharedcompute.operations.declarations import Operation
    from sharedcompute.operations.fits.declaration import Iterative


@dataclass(frozen=True)
class Words:
    """The words of a command line: operations, input, output."""

    operations: tuple[Operation | Iterative, ...]
    input: str | None
    output: str | None

    @property
    def source(self) -> str:
        """The input, which is among them."""
        assert self.input is not None
        return self.input

    def one(self, command: str, instead: str) -> Operation | Iterative:
        """Return the operation of a command that takes only one."""
        if len(self.operations) != 1:
            raise InputError(
                f"{command} takes one operation, got {len(self.operations)}: {instead}"
            )
        return self.operations[0]


def _names(word: str) -> list[str]:
    return [name.strip() for name in word.split(",")]


def read_words(
    words: tuple[str, ...],
    op_from: tuple[str, ...],
    command: str,
    *,
    out: bool,
    has_input: bool = True,
) -> Words:
    """Read OP INPUT OUTPUT; OP may be left out where ``--op-from`` names it.

    Without an INPUT there are OP and OUTPUT: ``--in`` names the inputs.
    """
    from sharedcompute.operations.catalogue import find, find_iterative, load  # noqa: PLC0415

    own: dict[str, Operation | Iterative] = {}
    for reference in op_from:
        op = load(reference)
        own.update({op.name: op, reference.rpartition(":")[2]: op})
    rest = list(words)
    kinds = ("map", "stencil") if command == "map" else (command,)
    operations: tuple[Operation | Iterative, ...] = ()
    least, most = int(has_input) + int(out), int(has_input) + 1
    # With --op-from the first word is OP only if it names one; else it is the input.
    if own and (len(rest) <= least or not set(rest[0].split(",")) & set(own)):
        operations = tuple(dict.fromkeys(own.values()))
    elif rest:
        named = _names(rest.pop(0))
        if command in ("fit", "solve"):
            operations = tuple(own.get(name) or find_iterative(name, command) for name in named)
        else:
            operations = tuple(own.get(name) or find(name, *kinds) for name in named)
    wanted = f"OP {'INPUT ' * has_input}{'OUTPUT' if out else '[OUTPUT]'}"
    if not operations or not least <= len(rest) <= most:
        raise InputError(f"expected {command} {wanted}, got {' '.join(words) or 'nothing'}")
    given = rest.pop(0) if has_input else None
    return Words(operations, given, rest[0] if rest else None)


def read_places(
    words: tuple[str, ...], command: str, *, has_input: bool = True
) -> tuple[str | None, str | None]:
    """Read INPUT and OUTPUT, of which the latter may be left out, of a command without OP."""
    least, most = int(has_input), int(has_input) + 1
    if not least <= len(words) <= most:
        wanted = f"{'INPUT ' * has_input}[OUTPUT]"
        raise InputError(f"expected {command} {wanted}, got {' '.join(words) or 'nothing'}")
    output = words[-1] if len(words) == most else None
    return words[0] if has_input else None, output
