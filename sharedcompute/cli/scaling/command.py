"""The command that runs another one with 1, 2, 4 ... workers."""

from __future__ import annotations

import itertools
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sharedcompute.cli.notes import note
from sharedcompute.errors import InputError
from sharedcompute.system.machine import cores

if TYPE_CHECKING:
    from sharedcompute.cli.scaling.laws import Fit, Run, Scaling
    from sharedcompute.cli.scaling.trials import Trial

PLOTS = (".png", ".svg")


def default_counts(cores: int) -> tuple[int, ...]:
    """Return 1, 2, 4 ... the cores, and twice the cores."""
    powers = itertools.takewhile(lambda p: p < cores, (1 << n for n in itertools.count()))
    return (*powers, cores, 2 * cores)


def read_counts(text: str | None) -> tuple[int, ...]:
    """Return the counts of ``--workers``; 1 is among them, as all others are compared with it."""
    if text is None:
        return default_counts(cores())
    words = [word.strip() for word in text.split(",")]
    if not all(word.isdecimal() and int(word) for word in words):
        raise InputError(f"--workers: expected numbers such as 1,2,4, got {text!r}")
    return tuple(sorted({1, *map(int, words)}))


@click.command(
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
)
@click.argument("words", nargs=-1, type=click.UNPROCESSED, metavar="COMMAND...", required=True)
@click.option(
    "-j", "--workers", metavar="N,N,...", help="Default: 1, 2, 4 ... the cores, twice the cores."
)
@click.option(
    "--repeats",
    type=click.IntRange(1),
    default=3,
    show_default=True,
    help="Runs of each number of workers.",
)
@click.option("--weak", is_flag=True, help="The work grows with the workers ({workers} in words).")
@click.option(
    "--plot",
    type=click.Path(path_type=Path),
    metavar="FILE.png|svg",
    help="Draw the result to a file.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON on stdout.")
@click.option("-q", "--quiet", is_flag=True, help="Show no progress and no notes.")
@click.pass_context
def scaling(
    context: click.Context,
    words: tuple[str, ...],
    workers: str | None,
    repeats: int,
    weak: bool,
    plot: Path | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Run COMMAND with 1, 2, 4 ... workers and report what they gain.

    COMMAND is a job of ours (`scaling reduce mean in.h5 out.h5`), whose output is not touched, or a
    program. A program gets its number of workers where its words have {workers}, else by the
    variable SHAREDCOMPUTE_WORKERS, which Team() honours.
    """
    from sharedcompute.cli.scaling.laws import Scaling  # noqa: PLC0415

    counts = read_counts(workers)
    trial = _trial(context, words)
    if plot is not None:
        _check_plot(plot)
    if weak and not any("{workers}" in word for word in trial.words) and hasattr(trial, "name"):
        raise InputError(
            "--weak: expected a COMMAND whose input grows with {workers} in its words, got "
            f"{' '.join(trial.words)}; put {{workers}} where the size is given"
        )
    if trial.note and not quiet:
        note(trial.note)
    runs = tuple(_runs(trial, counts, repeats, quiet))
    timed = Scaling(runs, cores(), weak)
    if plot is not None:
        from sharedcompute.cli.scaling.drawing import draw  # noqa: PLC0415

        draw(timed, " ".join(words), plot)
    if as_json:
        click.echo(json.dumps(record(timed, words)))
    else:
        print_scaling(timed)


def _trial(context: click.Context, words: tuple[str, ...]) -> Trial:
    """Return what is to be run, checked before it is."""
    from sharedcompute.cli.scaling.trials import job, program  # noqa: PLC0415

    group = context.find_root().command
    commands = group.commands if isinstance(group, click.Group) else {}
    named = words[0] == "sharedcompute"
    rest = words[1:] if named else words
    command = commands.get(rest[0]) if rest else None
    if command is None and not named:
        return program(words)
    if command is None or not {"workers", "engine"} <= {p.name for p in command.params}:
        jobs = [name for name, c in commands.items() if "engine" in {p.name for p in c.params}]
        raise InputError(
            f"expected a command that runs a job ({', '.join(jobs)}), "
            f"got {rest[0] if rest else 'nothing'}"
        )
    return job(command, rest)


def _runs(trial: Trial, counts: tuple[int, ...], repeats: int, quiet: bool) -> Iterator[Run]:
    """Run all, in rounds, so that what drifts on the machine hits all numbers of workers alike.

    A first one is not counted: it fills caches, of files and of compiled kernels. It has the most
    workers, for which there may be too little memory.
    """
    from rich.console import Console  # noqa: PLC0415

    console = Console(file=sys.stderr, quiet=quiet or not sys.stderr.isatty())
    with console.status("warming up") as status:
        trial.run(counts[-1])
        for turn in range(repeats):
            for workers in counts if turn % 2 == 0 else reversed(counts):
                status.update(f"round {turn + 1} of {repeats}: workers {workers}")
                yield trial.run(workers)


def _check_plot(plot: Path) -> None:
    """Refuse what could not be drawn, before minutes of runs."""
    if plot.suffix.lower() not in PLOTS:
        raise InputError(f"--plot: expected a name that ends in .png or .svg, got {plot}")
    if not plot.parent.is_dir():
        raise InputError(f"--plot: expected a folder {plot.parent}, found none; make it")
    try:
        import matplotlib  # noqa: F401, PLC0415
    except ImportError:
        raise InputError(
            "--plot: expected matplotlib, which is not installed: pip install matplotlib"
        ) from None


def print_scaling(timed: Scaling) -> None:
    """Print a table, and what follows from it."""
    from sharedcompute.cli.scaling import bottleneck  # noqa: PLC0415
    from sharedcompute.cli.tables import show, table  # noqa: PLC0415

    parts = list(timed.parts(1))
    columns = ["workers", "seconds", "speed-up", "efficiency", *parts]
    made = table(*columns, right=tuple(columns))
    for p in timed.counts:
        seconds = timed.seconds(p)
        made.add_row(
            str(p),
            f"{timed.median(p):.3g} ({seconds[0]:.3g}..{seconds[-1]:.3g})",
            f"{timed.speedup(p):.2f}",
            f"{timed.efficiency(p):.0%}",
            *(f"{share:.0%}" for share in timed.shares(p).values()),
        )
    show(made)
    found = bottleneck.bottleneck(timed)
    advice = bottleneck.advice(timed)
    lines = [*_laws(timed), ("bottleneck", f"{found.name}: {found.reason}")]
    past = bottleneck.past_cores(timed)
    if past is not None:
        lines.append(("past cores", past))
    advised = f"{bottleneck.many(advice.workers, 'worker')} ({advice.reason})"
    lines.append(("recommended", advised))
    click.echo("\n".join(["", *(f"{name:<13}{text}" for name, text in lines)]))


def _laws(timed: Scaling) -> Iterator[tuple[str, str]]:
    amdahl, gustafson = timed.amdahl(), timed.gustafson()
    if gustafson is not None:
        yield "Gustafson", f"{_fitted(gustafson)}: S(p) = p - {gustafson.serial:.3f} (p - 1)"
    if amdahl is None:
        return
    most = amdahl.counts[-1]
    bound = (
        f"at most {1 / amdahl.serial:.3g} times as fast (extrapolated beyond {most} workers)"
        if amdahl.low > 0
        else "it may be none, so no limit can be estimated"
    )
    yield "Amdahl", f"{_fitted(amdahl)}: {bound}"
    scaled = most - amdahl.serial * (most - 1)
    yield (
        "Gustafson",
        f"were the data to grow with the workers, {most} would do {scaled:.3g} times the work in "
        "the same time (not measured: --weak does that)",
    )


def _fitted(fit: Fit) -> str:
    """Render a serial fraction, its spread, and how well its law describes the times."""
    spread = f"{fit.low:.3f}..{fit.high:.3f} in single rounds"
    two = len(fit.counts) == 2
    tested = "2 points test no law" if two else f"misses the medians by {fit.misfit:.1%}"
    return f"serial fraction {fit.serial:.3f} ({spread}; {tested})"


def record(timed: Scaling, words: tuple[str, ...]) -> dict[str, object]:
    """Return all of it as plain data."""
    import dataclasses  # noqa: PLC0415

    from sharedcompute.cli.scaling import bottleneck  # noqa: PLC0415

    fits = {"amdahl": timed.amdahl(), "gustafson": timed.gustafson()}
    return {
        "command": list(words),
        "cores": timed.cores,
        "weak": timed.weak,
        "points": [
            {
                "workers": p,
                "median": timed.median(p),
                "seconds": timed.seconds(p),
                "speedup": timed.speedup(p),
                "efficiency": timed.efficiency(p),
                "job_seconds": timed.job_seconds(p),
                "worker_seconds": dict(timed.parts(p)),
                "shares": timed.shares(p),
            }
            for p in timed.counts
        ],
        **{law: fit and dataclasses.asdict(fit) for law, fit in fits.items()},
        "bottleneck": dataclasses.asdict(bottleneck.bottleneck(timed)),
        "past_cores": bottleneck.past_cores(timed),
        "recommended": dataclasses.asdict(bottleneck.advice(timed)),
    }
