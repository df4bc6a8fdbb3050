"""Which cores workers are pinned to, on machines that are only made up."""

from __future__ import annotations

from pathlib import Path

import pytest

from sharedcompute.system.topology import Cores, Topology, assign_cores


def cpus(*cores: int) -> Cores:
    return frozenset(cores)


def machine(root: Path, nodes: list[str], siblings: dict[int, str]) -> Topology:
    """A machine as Linux tells of it, in a folder."""
    for number, text in enumerate(nodes):
        folder = root / "node" / f"node{number}"
        folder.mkdir(parents=True)
        (folder / "cpulist").write_text(text + "\n")
    for core, text in siblings.items():
        folder = root / "cpu" / f"cpu{core}" / "topology"
        folder.mkdir(parents=True)
        (folder / "thread_siblings_list").write_text(text + "\n")
    # What lies beside them there.
    (root / "cpu" / "cpufreq").mkdir(parents=True, exist_ok=True)
    (root / "node" / "possible").parent.mkdir(parents=True, exist_ok=True)
    (root / "node" / "possible").write_text("0-1")
    return Topology.read(root)


@pytest.fixture
def server(tmp_path: Path) -> Topology:
    """Two sockets of 8 cores with two threads each: 0-7 and 8-15, their second threads 16 later."""
    nodes = ["0-7,16-23", "8-15,24-31"]
    return machine(tmp_path, nodes, {n: f"{n % 16},{n % 16 + 16}" for n in range(32)})


EVERY = set(range(32))


def test_a_node_is_filled_before_the_next(server: Topology) -> None:
    assert assign_cores(EVERY, server, 3, 1) == (cpus(0), cpus(1), cpus(2))
    assert assign_cores(EVERY, server, 9, 1)[7:] == (cpus(7), cpus(8))


def test_physical_cores_come_before_second_threads_on_any_node(server: Topology) -> None:
    placed = assign_cores(EVERY, server, 16, 1)
    assert placed == tuple(cpus(n) for n in range(16))
    more = assign_cores(EVERY, server, 18, 1)
    assert set().union(*more) == {*range(16), 16, 17}


def test_threads_of_a_worker_are_in_one_node(server: Topology) -> None:
    assert assign_cores(EVERY, server, 2, 3) == (cpus(0, 1, 2), cpus(3, 4, 5))
    # Two cores are left in each node: the third worker goes to the next one.
    assert assign_cores(EVERY, server, 3, 3)[2] == cpus(8, 9, 10)
    for threads in (1, 2, 3, 4, 5, 7, 8, 16):
        for worker in assign_cores(EVERY, server, 32 // threads // 2 * 2, threads):
            assert len(worker) == threads
            assert len({core % 16 // 8 for core in worker}) == 1


def test_a_worker_that_fills_physical_cores_has_both_their_threads(server: Topology) -> None:
    assert assign_cores(EVERY, server, 16, 2) == tuple(cpus(n, n + 16) for n in range(16))


def test_only_where_no_node_has_room_does_a_worker_span_two(server: Topology) -> None:
    placed = assign_cores(EVERY, server, 3, 10)
    assert placed[0] < set(range(8)) | set(range(16, 24))
    assert placed[1] < set(range(8, 16)) | set(range(24, 32))
    assert len(placed[2]) == 10
    assert not placed[2] & (placed[0] | placed[1])


@pytest.mark.parametrize("allowed", [EVERY, {1, 3, 5, 17, 19, 26, 27, 31}, {4, 20}, set(range(8))])
def test_every_worker_has_its_number_of_allowed_cores_for_itself(
    server: Topology, allowed: set[int]
) -> None:
    for threads in range(1, len(allowed) + 1):
        for workers in range(1, len(allowed) // threads + 1):
            placed = assign_cores(allowed, server, workers, threads)
            assert [len(cores) for cores in placed] == [threads] * workers
            taken = [core for cores in placed for core in cores]
            assert len(set(taken)) == len(taken)
            assert set(taken) <= allowed


def test_cores_that_are_not_allowed_do_not_count_as_physical_ones(server: Topology) -> None:
    """Of core 0 only the second thread may be used: it is as good as a first one."""
    assert assign_cores({16, 1, 17}, server, 2, 1) == (cpus(1), cpus(16))


def test_neighbouring_numbers_may_be_one_core(tmp_path: Path) -> None:
    """As on some machines: 0 and 1 are threads of one core."""
    told = machine(tmp_path, ["0-7"], {n: f"{n // 2 * 2}-{n // 2 * 2 + 1}" for n in range(8)})
    assert assign_cores(set(range(8)), told, 4, 1) == (cpus(0), cpus(2), cpus(4), cpus(6))
    assert assign_cores(set(range(8)), told, 2, 2) == (cpus(0, 2), cpus(4, 6))
    assert assign_cores(set(range(8)), told, 4, 2) == (
        cpus(0, 1),
        cpus(2, 3),
        cpus(4, 5),
        cpus(6, 7),
    )


def test_four_threads_a_core_and_a_node_without_cores(tmp_path: Path) -> None:
    """As on POWER, and with memory that hangs on no processor."""
    told = machine(
        tmp_path, ["0-7", "", "8-15"], {n: f"{n // 4 * 4}-{n // 4 * 4 + 3}" for n in range(16)}
    )
    every = set(range(16))
    assert assign_cores(every, told, 4, 1) == (cpus(0), cpus(4), cpus(8), cpus(12))
    assert assign_cores(every, told, 5, 1) == (cpus(0), cpus(1), cpus(4), cpus(8), cpus(12))
    assert assign_cores(every, told, 4, 4) == tuple(cpus(*range(n, n + 4)) for n in (0, 4, 8, 12))


def test_a_kernel_that_says_nothing_is_taken_to_have_equal_cores(tmp_path: Path) -> None:
    assert Topology.read(tmp_path / "nothing") == Topology()
    assert assign_cores({3, 5, 9, 11}, Topology(), 2, 2) == (cpus(3, 5), cpus(9, 11))


def test_files_that_are_not_understood_are_passed_over(tmp_path: Path) -> None:
    told = machine(tmp_path, ["0-3", "some", "4-"], {0: "0", 1: "x", 2: ""})
    assert told == Topology((cpus(0, 1, 2, 3),), (cpus(0),))
