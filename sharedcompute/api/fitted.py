"""What a fit gives a user: its results by name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


class Fitted(Mapping[str, Any]):
    """The results of a fit: a mapping of arrays by name.

    Each is an attribute as well, under scikit-learn's name for it, with an underscore behind:
    ``fitted["labels"]`` is ``fitted.labels_``. Numbers are given as such.

    Parameters
    ----------
    results : mapping of str to ndarray or Dataset
        With the history of each round as ``history/NAME``.
    """

    def __init__(self, results: Mapping[str, Any]) -> None:
        self._results = {name: _plain(value) for name, value in results.items()}

    def __getitem__(self, name: str) -> Any:
        return self._results[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._results)

    def __len__(self) -> int:
        return len(self._results)

    def __getattr__(self, name: str) -> Any:
        found = self.__dict__.get("_results", {})
        plain = name.removesuffix("_")
        if plain in found:
            return found[plain]
        raise AttributeError(f"the fit has no {name!r}; it has {', '.join(found)}")

    def __dir__(self) -> list[str]:
        return sorted([*super().__dir__(), *(f"{n}_" for n in self._results if "/" not in n)])

    @property
    def history(self) -> dict[str, Any]:
        """What each round said of itself, by name, shape (rounds,)."""
        begin = "history/"
        return {n.removeprefix(begin): v for n, v in self._results.items() if n.startswith(begin)}

    def __repr__(self) -> str:
        told = ", ".join(f"{name}: {_short(value)}" for name, value in self._results.items())
        return f"<sharedcompute.Fitted {told}>"


def _plain(value: Any) -> Any:
    """A single number instead of an array of no dimensions."""
    return value.item() if getattr(value, "shape", None) == () and hasattr(value, "item") else value


def _short(value: Any) -> str:
    shape = getattr(value, "shape", None)
    return f"{value!r}" if shape is None else f"{value.dtype} {shape}"
