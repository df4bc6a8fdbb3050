"""A job that is planned and not yet run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from sharedcompute.events import Listener, ignore
from sharedcompute.planning.plan import Plan
from sharedcompute.report.drawing import as_svg
from sharedcompute.report.records import plan_record
from sharedcompute.report.text import as_html, describe

Result = TypeVar("Result")


class JobPlan(Generic[Result]):
    """A job that is planned and not yet run, as `sharedcompute.plan` returns it.

    Nothing is started or changed by a plan. As text it is what ``--dry-run`` prints; notebooks
    show it as a table.

    Examples
    --------
    >>> import numpy as np
    >>> import sharedcompute as sc
    >>> plan = sc.plan("reduce", "mean", np.arange(6.0).reshape(3, 2))
    >>> plan.to_dict()["engine"]
    'serial'
    >>> plan.run()
    array([2., 3.])
    """

    def __init__(self, plan: Plan, run: Callable[[Listener], Result]) -> None:
        self._plan = plan
        self._run = run

    def run(self, *, listen: Listener | None = None) -> Result:
        """Run the job.

        Parameters
        ----------
        listen : callable, optional
            Receives the events of the run.

        Returns
        -------
        ndarray, LazyArray, dict, Fitted, tuple or None
            What the function of the same name returns.

        Raises
        ------
        InputChanged
            A file that was planned with has changed since.
        OutputExists
            The output was written since.
        """
        return self._run(listen or ignore)

    def to_dict(self) -> dict[str, object]:
        """Return the plan as plain data, as ``--dry-run --json`` prints it."""
        return plan_record(self._plan)

    def to_svg(self) -> str:
        """Return the passes of the plan as a picture, as ``--svg`` writes it."""
        return as_svg(self._plan)

    def __str__(self) -> str:
        return describe(self._plan)

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        """Return the plan as an HTML table, for notebooks."""
        return as_html(self._plan)
