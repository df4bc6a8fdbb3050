"""The settings of one call: all options, and the team."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from sharedcompute.errors import InputError
from sharedcompute.hdf5.address import Address
from sharedcompute.options.declaration import build
from sharedcompute.options.groups import OF_A_TEAM, ReadOptions, RunOptions, StorageOptions
from sharedcompute.planning.output import OutputSpec
from sharedcompute.team import Team
from sharedcompute.traits import ON_TEAM


@dataclass(frozen=True)
class Settings:
    """The settings of one call, whatever its operation.

    Parameters
    ----------
    options : RunOptions
        Those of a run on a team are the team's own.
    storage : StorageOptions
    reading : ReadOptions
    team : Team or None
        A running team; None: one is started where it pays, and closed at the end.

    Raises
    ------
    InputError
        The team is none, or cannot be used, or an option does not go with it.
    """

    options: RunOptions = field(default_factory=RunOptions)
    storage: StorageOptions = field(default_factory=StorageOptions)
    reading: ReadOptions = field(default_factory=ReadOptions)
    team: Team | None = None

    def __post_init__(self) -> None:
        given: object = self.team
        if given is None:
            return
        if not isinstance(given, Team):
            raise InputError(f"team: expected a Team, got {given!r}")
        given.check_usable()
        object.__setattr__(self, "options", _on_team(given, self.options))

    @classmethod
    def of(cls, given: Mapping[str, object], team: Team | None = None) -> Settings:
        """Sort options by their names; other names are left alone."""
        groups = build(RunOptions, given), build(StorageOptions, given), build(ReadOptions, given)
        return cls(*groups, team)

    def decoding(self, decode: bool) -> Settings:
        """Return the same with `decode_cf`, if it is not there yet."""
        if not decode or self.reading.decode_cf:
            return self
        return replace(self, reading=replace(self.reading, decode_cf=True))

    def output(self, address: Address | None) -> OutputSpec | None:
        """Return the output at `address`, stored as asked.

        Raises
        ------
        InputError
            Without an address, something was asked of the output.
        """
        if address is not None:
            return OutputSpec(address=address, **vars(self.storage))
        for name in self.storage.given:
            raise InputError(
                f"{name}: expected an output file for it, got none; name one, or leave {name} out"
            )
        return None


def _on_team(team: Team, options: RunOptions) -> RunOptions:
    """Return the options of a run on a team, which has its own size and threads."""
    own: dict[str, Any] = {"engine": ON_TEAM, "workers": team.size}
    own |= {name: getattr(team, name) for name in OF_A_TEAM if name not in own}
    for name in options.given:
        if name in own and own[name] != getattr(options, name):
            raise InputError(
                f"{name}={getattr(options, name)!r} does not go with a team of "
                f"{name}={own[name]!r}: leave one out"
            )
    return replace(options, **own)
