"""Teams that many tests share, and the watch that nothing is left behind."""

import gc
import os

import pytest

from sharedcompute.arrays import list_blocks
from sharedcompute.team import Team


@pytest.fixture(scope="package")
def team():
    with Team(2) as made:
        yield made


@pytest.fixture(scope="package")
def teams(team):
    """By number of workers."""
    with Team(1) as one, Team(5) as five:
        yield {1: one, 2: team, 5: five}


@pytest.fixture(autouse=True)
def no_block_is_left(request):
    """A test frees the shared blocks that it makes; shared fixtures are made before it counts."""
    for name in ("team", "teams"):
        if name in request.fixturenames:
            request.getfixturevalue(name)
    before = own_blocks()
    yield
    gc.collect()
    assert own_blocks() <= before


def own_blocks():
    """Not those of other processes: tests may run beside each other."""
    return {block.name for block in list_blocks() if block.pid == os.getpid()}
