"""The results of a fit, by name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np


class Fitted(Mapping[str, Any]):
    """The results of a fit: a mapping of arrays by name.

    Each is an attribute as well, under scikit-learn's name for it, with an underscore at its end:
    ``fitted["labels"]`` is ``fitted.labels_``. Numbers are given as such.

    Parameters
    ----------
    results : mapping of str to ndarray or LazyArray
        With the history of each round as ``history/NAME``.

    Examples
    --------
    >>> import numpy as np
    >>> import sharedcompute as sc
    >>> found = sc.fit("kmeans", np.array([[0.0], [1.0], [8.0]]), n_clusters=2, random_state=0)
    >>> sorted(float(center) for center in found.cluster_centers_.ravel())
    [0.5, 8.0]
    """

    def __init__(self, results: Mapping[str, object]) -> None:
        self._results = {name: _plain(value) for name, value in results.items()}

    def __getitem__(self, name: str) -> Any:
        return self._results[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._results)

    def __len__(self) -> int:
        return len(self._results)

    def __getattr__(self, name: str) -> Any:
        found: dict[str, object] = self.__dict__.get("_results", {})
        plain = name.removesuffix("_")
        if plain in found:
            return found[plain]
        raise AttributeError(f"the fit has no {name!r}; it has {', '.join(found)}")

    def __dir__(self) -> list[str]:
        return sorted([*super().__dir__(), *(f"{n}_" for n in self._results if "/" not in n)])

    @property
    def history(self) -> dict[str, Any]:
        """The watched values of each round, by name, shape (rounds,)."""
        begin = "history/"
        return {n.removeprefix(begin): v for n, v in self._results.items() if n.startswith(begin)}

    def __repr__(self) -> str:
        listed = ", ".join(f"{name}: {_short(value)}" for name, value in self._results.items())
        return f"<sharedcompute.Fitted {listed}>"


def _plain(value: object) -> object:
    """Return a single number instead of an array of no dimensions."""
    if isinstance(value, np.ndarray | np.generic) and value.shape == ():
        number: object = value.item()
        return number
    return value


def _short(value: object) -> str:
    shape: object = getattr(value, "shape", None)
    return f"{value!r}" if shape is None else f"{getattr(value, 'dtype', '')} {shape}"
