"""Expressions on the command line: ``--expr TEXT --in NAME=ADDRESS``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from sharedcompute.cli.options import Decorator
from sharedcompute.errors import InputError

if TYPE_CHECKING:
    from sharedcompute.api.lazy.array import LazyArray
    from sharedcompute.api.lazy.written import Written
    from sharedcompute.api.settings import Settings
    from sharedcompute.operations.declarations import Operation

EXPRESSION: tuple[Decorator, ...] = (
    click.option(
        "--expr",
        metavar="TEXT",
        help="Take an expression as input, in NumPy's words: 'sqrt(u**2 + v**2)'; several have "
        "names, 'a = ...; b = ...'.",
    ),
    click.option(
        "--in",
        "inputs",
        multiple=True,
        metavar="NAME=ADDRESS",
        help="What a name in the expression stands for; may be repeated.",
    ),
)


@dataclass(frozen=True)
class Asked:
    """The expressions and inputs of a command line.

    Parameters
    ----------
    expr : str
    inputs : tuple of str
        As they were given, ``NAME=ADDRESS`` each.
    """

    expr: str
    inputs: tuple[str, ...]

    @classmethod
    def of(cls, expr: str | None, inputs: tuple[str, ...]) -> Asked | None:
        """Take it from a command's options; None without an expression.

        Raises
        ------
        InputError
            There are inputs and no expression.
        """
        if expr is None and inputs:
            raise InputError(f"expected --expr TEXT that uses --in {inputs[0]}, got none: add it")
        return None if expr is None else cls(expr, inputs)

    @property
    def names_all(self) -> bool:
        """Whether all inputs are named, so that there is no INPUT among the words."""
        return bool(self.inputs)

    def written(
        self, given: str | None, settings: Settings, own: Sequence[Operation] = ()
    ) -> tuple[Written, ...]:
        """Return the expressions.

        Parameters
        ----------
        given : str or None
            The INPUT of a command without ``--in``: the one name of the expression stands for it.
        own : sequence of Operation
            That it may call.
        """
        from sharedcompute.api.lazy.written import evaluated  # noqa: PLC0415

        return evaluated(self.expr, self.arrays(given, settings, own), own)

    def arrays(
        self,
        given: str | None,
        settings: Settings,
        own: Sequence[Operation] = (),
        beside: Sequence[str] = (),
    ) -> dict[str, LazyArray]:
        """Return the inputs by name, which the expressions, or those `beside` them, use."""
        from sharedcompute.api.expressions import opened  # noqa: PLC0415
        from sharedcompute.api.lazy.written import check_names  # noqa: PLC0415
        from sharedcompute.expressions import is_expression, names_in  # noqa: PLC0415

        used = names_in(self.expr)
        addresses = named_inputs(self.inputs)
        if given is not None:
            if len(used) != 1:
                raise InputError(
                    f"expected --in NAME=ADDRESS for each of {', '.join(used) or 'the names'}, got "
                    "none; only an expression of one name takes INPUT without it"
                )
            addresses = {used[0]: given}
        others = {n for text in beside if is_expression(text, addresses) for n in names_in(text)}
        unused = [name for name in addresses if name not in {*used, *others}]
        missing = [name for name in used if name not in addresses]
        if unused and not missing:
            raise InputError(
                f"expected names of the expression ({', '.join(used)}), got --in {unused[0]}=..., "
                "which it does not use: leave it out"
            )
        try:
            check_names(self.expr, addresses, own)
        except InputError as problem:
            if not missing:
                raise
            first, newline, place = problem.text.partition("\n")
            raise InputError(
                f"{first}; --in {missing[0]}=ADDRESS gives it{newline}{place}"
            ) from None
        return opened(addresses, settings)


def named_inputs(given: Sequence[str]) -> dict[str, str]:
    """Return addresses by the names that they are given.

    Raises
    ------
    InputError
        It has no name, one that an expression cannot have, or one that is taken.
    """
    from sharedcompute.expressions import checked_input  # noqa: PLC0415

    found: dict[str, str] = {}
    for text in given:
        name, equals, address = text.partition("=")
        if not equals or not address:
            raise InputError(f"expected --in NAME=ADDRESS, as in u=wind.nc::/u, got {text!r}")
        name = checked_input(name.strip())
        if name in found:
            raise InputError(
                f"--in: {name} is {found[name]} already, got {address}: choose another name"
            )
        found[name] = address
    return found
