"""Time, speed-up and shares against the number of workers, drawn by matplotlib."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sharedcompute.cli.scaling.laws import Scaling

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def draw(timed: Scaling, title: str, file: Path) -> None:
    """Draw a PNG or an SVG, by the name's ending."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415
    from matplotlib.figure import Figure  # noqa: PLC0415

    # Without pyplot: no window, and no state that outlives this.
    figure = Figure(figsize=(12, 4), layout="constrained")
    FigureCanvasAgg(figure)
    left, middle, right = figure.subplots(1, 3)
    _times(left, timed)
    _speedups(middle, timed)
    _shares(right, timed)
    for axes in (left, middle):
        axes.axvline(timed.cores, color="0.7", lw=0.8, ls=":", label=f"{timed.cores} cores")
        axes.set(xlabel="workers", xticks=timed.counts, ylim=(0, None))
        axes.legend(frameon=False, fontsize="small")
    # The title is somebody's command line: its dollars are not formulas.
    line = " ".join(title.split())
    short = line if len(line) <= 100 else f"{line[:97]}..."
    figure.suptitle(short, fontsize="medium", parse_math=False)
    figure.savefig(file, dpi=120, format=file.suffix[1:].lower())


def _times(axes: Axes, timed: Scaling) -> None:
    """Draw each run, the medians, and Amdahl's law as far as it was fitted."""
    axes.plot([r.workers for r in timed.runs], [r.seconds for r in timed.runs], ".", color="0.6")
    axes.plot(timed.counts, [timed.median(p) for p in timed.counts], "o-", label="median")
    fit = timed.amdahl()
    if fit is not None and not timed.weak:
        alone = timed.median(1)
        law = [alone * (fit.serial + (1 - fit.serial) / p) for p in fit.counts]
        label = f"Amdahl, s = {fit.serial:.3f}"
        axes.plot(fit.counts, law, "--", color="tab:red", label=label)
    axes.set(ylabel="seconds", title="Time")


def _speedups(axes: Axes, timed: Scaling) -> None:
    counts = timed.counts
    axes.plot(counts, counts, color="0.7", label="ideal")
    axes.plot(counts, [timed.speedup(p) for p in counts], "o-", label="measured")
    fit = timed.gustafson() if timed.weak else timed.amdahl()
    if fit is not None:
        s = fit.serial
        law = [p - s * (p - 1) if timed.weak else 1 / (s + (1 - s) / p) for p in fit.counts]
        name = "Gustafson" if timed.weak else "Amdahl"
        axes.plot(fit.counts, law, "--", color="tab:red", label=name)
    axes.set(ylabel="times as fast as 1 worker", title="Speed-up")


def _shares(axes: Axes, timed: Scaling) -> None:
    """Draw stacked bars; the numbers of workers are names here, not places."""
    names = [str(p) for p in timed.counts]
    bottom = [0.0] * len(names)
    for part in timed.parts(1):
        heights = [100 * timed.shares(p)[part] for p in timed.counts]
        axes.bar(names, heights, bottom=bottom, label=part, width=0.7)
        bottom = [low + height for low, height in zip(bottom, heights, strict=True)]
    axes.set(xlabel="workers", ylabel="% of the workers' time", title="Where it goes")
    axes.legend(frameon=False, fontsize="small", loc="center left", bbox_to_anchor=(1, 0.5))
