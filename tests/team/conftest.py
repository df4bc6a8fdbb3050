"""The watch that a test leaves no shared block."""

import gc
import os

import pytest

from sharedcompute.shm.segments import list_blocks


@pytest.fixture(autouse=True)
def no_block_is_left(teams):
    """The shared teams, which have blocks of their own, are there before it counts."""
    before = own_blocks()
    yield
    gc.collect()
    assert own_blocks() <= before


def own_blocks():
    """Not those of other processes: tests may run beside each other."""
    return {block.name for block in list_blocks() if block.pid == os.getpid()}
