"""A parent that is killed: nothing of it runs on, nothing stays in memory, nothing is said."""

import os
import signal

import psutil
import pytest

import sharedcompute
from sharedcompute.shm import arrays, segments

from .scripts import Script, eventually, gone, run

HEAD = """
    import os, signal, sys, time
    import sharedcompute as sc

    def wait():
        print(os.getpid(), flush=True)
        time.sleep(600)
"""

# What a script has when it is killed.
HAVING = {
    "an array": "x = sc.zeros(1000)\nwait()",
    "a team that starts": "team = sc.Team(2)\nwait()",
    "an idle team": "team = sc.Team(2)\nteam.run(lambda w: None)\nx = sc.zeros(9)\nwait()",
    "workers with blocks": """
def program(worker):
    kept = sc.zeros(1000)
    worker.barrier()
    if worker.rank == 0:
        worker.post(0)
    time.sleep(600)
sc.Team(2).run(program, on_message=lambda *_: wait())
""",
    "a stream of messages": """
told = []
def program(worker):
    while True:
        worker.post(bytes(1_000_000))
def listen(*_):
    told.append(0)
    len(told) == 20 and print(os.getpid(), flush=True)
sc.Team(2).run(program, on_message=listen)
""",
}


def family(pid):
    """The process, its workers, its fork server, its janitor."""
    parent = psutil.Process(pid)
    return [parent.pid, *(child.pid for child in parent.children(recursive=True))]


def blocks_of(pids):
    return [block.name for block in arrays.list_blocks() if block.pid in pids]


def begin(folder, having):
    text = HEAD + "".join(f"    {line}\n" for line in HAVING[having].splitlines())
    script = Script(folder, text)
    return script, int(script.line())


@pytest.mark.sample(1)
@pytest.mark.parametrize("group", [False, True], ids=["parent", "group"])
@pytest.mark.parametrize("having", HAVING)
def test_a_killed_script_leaves_nothing_and_says_nothing(tmp_path, having, group):
    script, pid = begin(tmp_path, having)
    try:
        processes = family(pid)
        (os.killpg if group else os.kill)(pid, signal.SIGKILL)
        assert eventually(lambda: all(map(gone, processes)))
        assert eventually(lambda: not blocks_of(processes))
        assert script.end() == (-9, "", "")
    finally:
        script.kill_group()


def test_what_even_the_janitor_could_not_remove_goes_with_the_next_block(tmp_path):
    script, pid = begin(tmp_path, "an array")
    try:
        (janitor,) = psutil.Process(pid).children()
        janitor.kill()
        script.process.kill()
        script.process.wait()
        assert len(blocks_of([pid])) == 1
        said = run(tmp_path, "import sharedcompute as sc\nkept = sc.zeros(3)")
        assert said == (0, "", "")
        assert blocks_of([pid]) == []
    finally:
        script.kill_group()


def test_a_janitor_ends_with_its_process_and_removes_only_what_is_its(tmp_path):
    mine, other = sharedcompute.zeros(3), tmp_path / "sc_1_2_other"
    other.touch()
    code, out, err = run(
        tmp_path,
        f"""
    import os
    import psutil
    from pathlib import Path
    from sharedcompute.shm import janitor

    folder = Path({str(tmp_path)!r})
    janitor.start_janitor(folder, "sc_7_")
    (folder / "sc_7_left").touch()
    print(psutil.Process().children()[0].pid)
    os._exit(0)
    """,
    )
    assert (code, err) == (0, "")
    assert eventually(lambda: gone(int(out)))
    assert sorted(p.name for p in tmp_path.glob("sc_*")) == ["sc_1_2_other"]
    assert segments.exists(arrays.segment_of(mine).name)


def test_interrupts_do_not_end_a_janitor(tmp_path):
    script, pid = begin(tmp_path, "an array")
    try:
        (janitor,) = psutil.Process(pid).children()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            janitor.send_signal(number)
        script.process.kill()
        assert eventually(lambda: not blocks_of([pid]))
    finally:
        script.kill_group()


def test_a_block_that_cannot_be_made_leaves_nothing(monkeypatch):
    def fail(*_):
        raise KeyboardInterrupt

    before = blocks_of([os.getpid()])
    monkeypatch.setattr(segments, "_allocate", fail)
    with pytest.raises(KeyboardInterrupt):
        sharedcompute.zeros(10)
    assert blocks_of([os.getpid()]) == before
