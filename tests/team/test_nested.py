"""A team in a worker of another one."""

import pytest

from sharedcompute.errors import InputError
from sharedcompute.team import Team


def test_a_team_in_a_worker_is_refused_and_the_outer_one_goes_on(team):
    def program(worker):
        with Team(1):
            return worker.rank

    with pytest.raises(InputError, match="expected a process that may start others, got a worker"):
        team.run(program)
    assert team.run(lambda worker: worker.rank) == list(range(team.size))
