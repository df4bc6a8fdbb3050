"""A function in a process that may be lost: every way to end is an answer or one error."""

from __future__ import annotations

import ctypes
import errno
import gc
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
import weakref
from pathlib import Path

import psutil
import pytest

from sharedcompute.errors import Error, InputError, MemoryBudgetError, ProgramError
from sharedcompute.system import disposable
from sharedcompute.system.disposable import LostError


def run(f, *args, seconds=None):
    return disposable.run("FILE", f, *args, seconds=seconds)


@pytest.fixture(autouse=True)
def no_child_is_left():
    before = set(psutil.Process().children())
    yield
    assert set(psutil.Process().children()) <= before


def test_the_result_comes_back():
    assert run(lambda a, b: (a + b, os.getpid()), 1, 2)[0] == 3
    assert run(os.getpid) != os.getpid()
    assert run(bytes, 3 << 20) == bytes(3 << 20)


def test_an_exception_comes_back_as_it_was():
    with pytest.raises(InputError, match="mend it") as caught:
        run(_raise, InputError("mend it"))
    assert not hasattr(caught.value, "__notes__")
    with pytest.raises(ZeroDivisionError) as caught:  # type: ignore[assignment]
        run(lambda: 1 / 0)
    assert "in a disposable process:" in caught.value.__notes__[0]


def _raise(error):
    raise error


def test_an_exception_that_does_not_pickle_is_told():
    class Odd(Exception):
        def __init__(self, one, two):
            super().__init__(f"{one} and {two}")

    with pytest.raises(ProgramError, match="Odd: this and that"):
        run(_raise, Odd("this", "that"))


@pytest.mark.parametrize("number", ["SIGSEGV", "SIGBUS", "SIGABRT", "SIGILL", "SIGKILL"])
def test_a_process_that_dies_is_one_error(number, capfd):
    with pytest.raises(LostError) as caught:
        run(lambda: os.kill(os.getpid(), getattr(signal, number)))
    assert number in str(caught.value)
    assert "FILE" in str(caught.value)
    assert "\n" not in str(caught.value)
    # Neither faulthandler nor the C library says anything beside it.
    assert capfd.readouterr() == ("", "")


def test_a_real_crash_and_a_silent_exit():
    with pytest.raises(LostError, match=r"crashed on it \(SIGSEGV\)"):
        run(lambda: ctypes.string_at(8))
    with pytest.raises(LostError, match="code 7"):
        run(lambda: os._exit(7))


def test_a_file_is_not_blamed_for_a_process_that_could_not_be_set_up(monkeypatch):
    monkeypatch.setattr(os, "devnull", "/none/null")
    with pytest.raises(Error, match="could not be set up") as caught:
        run(lambda: None)
    assert not isinstance(caught.value, LostError)


def test_no_process_for_want_of_processes_is_code_4(monkeypatch):
    def refuse():
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    monkeypatch.setattr(os, "fork", refuse)
    with pytest.raises(MemoryBudgetError, match=r"ulimit -u"):
        run(lambda: None)


@pytest.mark.slow
def test_computing_without_end_is_ended():
    def forever():
        while True:
            pass

    with pytest.raises(LostError, match="within 1 s of work"):
        run(forever, seconds=1)


@pytest.mark.slow
def test_progress_begins_the_limit_anew():
    def slow():
        for _ in range(5):
            until = time.process_time() + 0.6
            while time.process_time() < until:
                pass
            disposable.progress()
        return "done"

    assert run(slow, seconds=1) == "done"


@pytest.mark.slow
def test_waiting_is_not_computing():
    assert run(lambda: time.sleep(1.5) or "done", seconds=1) == "done"


def test_silence_has_an_end_too(monkeypatch):
    monkeypatch.setattr(disposable, "SILENCE_SECONDS", 0.2)
    with pytest.raises(LostError, match="within 1 s"):
        run(time.sleep, 60, seconds=1)


def test_progress_does_nothing_elsewhere():
    before = signal.getitimer(signal.ITIMER_REAL)
    disposable.progress()
    assert signal.getitimer(signal.ITIMER_REAL)[1] == before[1]


def test_nothing_of_this_process_is_finalised_there(tmp_path):
    class Thing:
        pass

    thing = Thing()
    weakref.finalize(thing, (tmp_path / "gone").touch)
    thing.itself = thing  # type: ignore[attr-defined]
    gc.disable()  # or it may be collected here before the fork
    try:
        del thing
        run(gc.collect)
        assert not (tmp_path / "gone").exists()
    finally:
        gc.enable()


def test_what_it_prints_is_dropped(capfd):
    run(lambda: os.write(1, b"out") + os.write(2, b"err"))
    assert capfd.readouterr() == ("", "")


def test_it_works_from_any_thread_and_several_at_once():
    found = []
    threads = [threading.Thread(target=lambda: found.append(run(os.getpid))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(set(found)) == 8


def test_errors_pickle():
    assert str(pickle.loads(pickle.dumps(LostError("x")))) == "x"


SCRIPT = """
import sys, time
from pathlib import Path
from sharedcompute.system import disposable

def wait(file):
    import os
    Path(file).write_text(str(os.getpid()))
    time.sleep(600)

disposable.run("FILE", wait, sys.argv[1])
"""


@pytest.mark.sample(1)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_it_ends_with_the_process_that_made_it(tmp_path, number):
    file = tmp_path / "pid"
    command = [sys.executable, "-c", SCRIPT, str(file)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as parent:
        child = psutil.Process(int(_text_of(file)))
        parent.send_signal(number)
        parent.wait(30)
    _gone, alive = psutil.wait_procs([child], timeout=30)
    assert alive == []


def _text_of(file: Path) -> str:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        if file.exists() and file.read_text():
            return file.read_text()
        time.sleep(0.01)
    pytest.fail("the process did not come up")
