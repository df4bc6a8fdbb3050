"""Commands and programs that are run with several numbers of workers, and measured."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Protocol

import click
from click.core import ParameterSource

from sharedcompute.cli.scaling.laws import Run, job_parts, program_parts
from sharedcompute.errors import Error, InputError
from sharedcompute.hdf5.address import Address
from sharedcompute.system.machine import WORKERS_VARIABLE
from sharedcompute.traits import ON_TEAM

PLACEHOLDER = "{workers}"

METER = Path(__file__).with_name("meter.py")

GRACE_SECONDS = 10.0
"""Time that a program has to end after SIGTERM; then it is killed."""


class CommandError(Error):
    """A command that is to be measured has failed."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class Trial(Protocol):
    """Something that can be run with any number of workers."""

    @property
    def words(self) -> tuple[str, ...]:
        """The command, as it was given."""

    @property
    def note(self) -> str | None:
        """A note for the user before it runs."""

    def run(self, workers: int) -> Run:
        """Run it once."""


@dataclass(frozen=True)
class Program:
    """Any program. Its number of workers is in its words, or in the environment."""

    words: tuple[str, ...]
    note: str | None = None

    def run(self, workers: int) -> Run:
        """Run it once; what it prints on stdout is dropped."""
        words = replaced(self.words, workers)
        variables = {} if words != list(self.words) else {WORKERS_VARIABLE: str(workers)}
        with tempfile.TemporaryFile() as err:
            took = _measured(words, variables, subprocess.DEVNULL, err)
            if took.code:
                raise _failure(self.words[0], workers, took.code, _text(err), 1)
        parts = program_parts(workers, took.seconds, took.cpu_seconds)
        return Run(workers, took.seconds, parts)


@dataclass(frozen=True)
class Job:
    """A command of ours that runs a job.

    Parameters
    ----------
    name : str
    words : tuple of str
        All of it, the name first.
    output : Address or None
        What it would write to.
    place : int or None
        Which of the words names the output; None where ``--output`` is to say it.
    """

    name: str
    words: tuple[str, ...]
    output: Address | None
    place: int | None

    @property
    def note(self) -> str | None:
        """That the output is left alone."""
        if self.output is None:
            return None
        return f"results go to a temporary file beside {self.output.file}, which stays as it is"

    def run(self, workers: int) -> Run:
        """Run it once, with a team of so many workers; the output is removed."""
        with _elsewhere(self.output) as output, tempfile.TemporaryFile() as out:
            words = replaced(self._words(workers, output), workers)
            with tempfile.TemporaryFile() as err:
                took = _measured([sys.executable, "-m", "sharedcompute", *words], {}, out, err)
                if took.code:
                    raise _failure(self.name, workers, took.code, _text(err), max(1, took.code))
            record: Mapping[str, Any] = json.loads(_text(out).splitlines()[-1])
        parts = job_parts(workers, took.seconds, record)
        return Run(workers, took.seconds, parts, record["seconds"])

    def _words(self, workers: int, output: Address | None) -> list[str]:
        rest = list(self.words[1:])
        ours = ["--workers", str(workers), "--engine", ON_TEAM, "--json", "--quiet"]
        if output is not None and self.place is None:
            ours += ["--output", str(output)]
        elif output is not None and self.place is not None:
            rest[self.place - 1] = str(output)
        # In front: a "--" in the words ends the options.
        return [self.name, *ours, *rest]


def replaced(words: Sequence[str], workers: int) -> list[str]:
    """Return the words with the number of workers in its place."""
    return [word.replace(PLACEHOLDER, str(workers)) for word in words]


def program(words: tuple[str, ...]) -> Program:
    """Return the trial of a program that can be found."""
    if shutil.which(words[0]) is None:
        raise InputError(
            f"expected map, reduce or another job of sharedcompute, or a program, got {words[0]}: "
            "it is not found on the PATH"
        )
    return Program(words)


def job(command: click.Command, words: tuple[str, ...]) -> Job:
    """Return the trial of a command of ours, checked before anything runs."""
    name, *rest = words
    context = command.make_context(name, replaced(rest, 1))
    _check_options(context)
    if name == "run":
        from sharedcompute.planning.jobfile import read_job  # noqa: PLC0415

        output = context.params["output"]
        described = read_job(
            context.params["job"], Address.parse(output).literal if output else None
        )
        if described.settings.get("resume"):
            raise InputError("resume = true: a job that goes on is not measured; leave it out")
        return Job(name, words, described.output, None)
    output = _output(name, context.params)
    if output is None:
        return Job(name, words, None, None)
    return Job(name, words, Address.parse(output).literal, _place(command, words, output))


def _check_options(context: click.Context) -> None:
    """Refuse what does not go with several runs of several workers."""
    given = {
        name: value
        for name, value in context.params.items()
        if context.get_parameter_source(name) is not ParameterSource.DEFAULT
    }
    if "workers" in given:
        raise InputError(
            "-j/--workers in COMMAND: scaling sets it; give `scaling --workers 1,2,4 COMMAND`"
        )
    if given.get("engine", ON_TEAM) != ON_TEAM:
        raise InputError(
            f"--engine {given['engine']} in COMMAND: workers are varied with --engine {ON_TEAM} "
            "alone; leave it out"
        )
    for name in ("resume", "dry_run"):
        if given.get(name):
            option = name.replace("_", "-")
            raise InputError(f"--{option} in COMMAND: whole jobs are measured; leave it out")


def _output(name: str, params: Mapping[str, Any]) -> str | None:
    """Return the word that names the output, if there is one."""
    if "words" not in params:
        output: str | None = params.get("output")
        return output
    from sharedcompute.cli.words import read_places, read_words  # noqa: PLC0415

    words, has_input = params["words"], not params.get("inputs")
    if name == "stats" or (name == "map" and params.get("expr") is not None):
        return read_places(words, name, has_input=has_input)[1]
    out = name != "reduce"
    return read_words(words, params["op_from"], name, out=out, has_input=has_input).output


def _place(command: click.Command, words: tuple[str, ...], output: str) -> int:
    """Return which word is the output: the one whose change is a change of the output."""
    name, other = words[0], f"{output}.other"
    for place in range(len(words) - 1, 0, -1):
        if words[place].replace(PLACEHOLDER, "1") == output:
            changed = [*words[1:place], other, *words[place + 1 :]]
            params = command.make_context(name, replaced(changed, 1)).params
            if other in (params.get("output"), *params.get("words", ())):
                return place
    raise InputError(f"{output}: expected the OUTPUT among the words of COMMAND; name it apart")


@contextlib.contextmanager
def _elsewhere(output: Address | None) -> Iterator[Address | None]:
    """Return a place on the same disk as `output`, for one run."""
    if output is None:
        yield None
        return
    file = Path(output.file)
    try:
        made = tempfile.TemporaryDirectory(prefix=f".{file.name}.scaling-", dir=file.parent)
    except OSError as problem:
        raise InputError(
            f"{file.parent}: expected a folder to write to, got {problem.strerror}; name another"
        ) from None
    with made as folder:
        yield Address(str(Path(folder) / file.name), output.path)


@dataclass(frozen=True)
class _Took:
    """The time of a process, and its exit code; that of a signal is negative."""

    seconds: float
    cpu_seconds: float
    code: int


def _measured(
    words: Sequence[str], environment: Mapping[str, str], out: int | IO[bytes], err: IO[bytes]
) -> _Took:
    """Run a process to its end, in a session of its own: Ctrl-C reaches it through us alone."""
    reading, writing = os.pipe()
    try:
        command = [sys.executable, "-I", "-S", str(METER), str(writing), *words]
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            env={**os.environ, **environment},
            pass_fds=(writing,),
            start_new_session=True,
        )
        try:
            process.wait()
        finally:
            if process.returncode is None:
                _end(process)
        os.close(writing)
        writing = -1
        report = os.read(reading, 1000).split()
    finally:
        os.close(reading)
        if writing >= 0:
            os.close(writing)
    if len(report) != 3:
        return _Took(0.0, 0.0, process.returncode or 1)
    return _Took(float(report[0]), float(report[1]), int(report[2]))


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a process and all that belongs to it: first in a friendly way."""
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(GRACE_SECONDS)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _text(file: IO[bytes]) -> str:
    """Return what was written to a file, or the end of it."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - (1 << 20)))
    return file.read().decode(errors="replace")


def _failure(name: str, workers: int, code: int, err: str, exit_code: int) -> CommandError:
    """Return the error in one line: what failed, how, and the last line that it printed."""
    lines = err.strip().splitlines()
    last = lines[-1].removeprefix("sharedcompute: ") if lines else "it printed nothing"
    how = f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
    many = "worker" if workers == 1 else "workers"
    return CommandError(f"{name} with {workers} {many} failed ({how}): {last}", exit_code)
