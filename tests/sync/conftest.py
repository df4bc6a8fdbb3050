"""Teams that wait in both ways."""

import pytest

from sharedcompute import Team


@pytest.fixture(scope="package", params=["futex", "sleep"])
def way(request):
    """How waits sleep; `SHAREDCOMPUTE_WAIT` is read when a team is made."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SHAREDCOMPUTE_WAIT", request.param)
        yield request.param


@pytest.fixture(scope="package")
def parties(way):
    """Warm teams by their size: with a core for each, and with less."""
    made = {size: Team(size) for size in (1, 2, 4)}
    yield made
    for team in made.values():
        team.close()


@pytest.fixture(scope="package", params=[1, 2, 4])
def party(parties, request):
    return parties[request.param]


@pytest.fixture(scope="package")
def four(parties):
    return parties[4]


@pytest.fixture(scope="package")
def pair(parties):
    return parties[2]
