"""Each codec of the registry against one kit: a new entry is tested by being there."""

from __future__ import annotations

import re
from pathlib import Path

import h5py
import pytest

from sharedcompute.hdf5.filters.decode import is_guarded
from sharedcompute.hdf5.filters.pipeline import Filter
from sharedcompute.hdf5.filters.registry import CODECS, codec_of
from sharedcompute.hdf5.filters.selection import known_filters, parse_filter
from tests.hdf5.codec_conformance import (
    DTYPES,
    SHAPES,
    can_encode,
    check_bytes,
    check_options,
    sample_options,
)

CASES = [
    pytest.param(codec, options, id=f"{codec.name}{list(options)}")
    for codec in CODECS
    for options in sample_options(codec)
]


@pytest.fixture
def memory(request):
    name = request.node.name
    with h5py.File(name, "w", driver="core", backing_store=False) as file:
        yield file


def test_numbers_and_names_are_unique():
    assert len({codec.code for codec in CODECS}) == len(CODECS)
    assert len({codec.name for codec in CODECS}) == len(CODECS)
    names = [choice.name for codec in CODECS for choice in codec.choices]
    assert len(set(names)) == len(names)
    assert [*dict.fromkeys(name.partition(":")[0] for name in known_filters())] == [*names, "none"]


def test_the_guide_names_each_filter():
    guide = Path(__file__).parent.parent.parent / "docs" / "guide" / "filters.md"
    first = {name.partition(":")[0] for name in re.findall(r"`([\w:-]+)`", guide.read_text())}
    assert {choice.name for codec in CODECS for choice in codec.choices} <= first


@pytest.mark.parametrize("codec", CODECS, ids=lambda codec: codec.name)
def test_an_entry_agrees_with_itself(codec):
    assert codec_of(codec.code) is codec
    if codec.options is None or any(map(codec.lossy, sample_options(codec))):
        assert not codec.portable
        assert codec.decoding is None
        assert codec.encoding is None
    assert Filter(codec.code, again=codec.options is not None).portable == codec.portable
    assert is_guarded((Filter(codec.code),)) == (
        codec.decoding is not None and codec.decoding.guarded
    )


@pytest.mark.parametrize("codec", CODECS, ids=lambda codec: codec.name)
def test_its_names_are_parsed_with_every_level(codec):
    for choice in codec.choices:
        low, high = choice.levels or (choice.default, choice.default)
        assert low <= choice.default <= high
        for level in range(low, high + 1) if choice.levels else [choice.default]:
            text = f"{choice.name}:{level}" if choice.levels else choice.name
            step = parse_filter(text)[-1]
            assert (step.code, step.options) == (codec.code, choice.options(level))
            assert step.name == text


@pytest.mark.parametrize(("codec", "options"), CASES)
def test_options_survive_the_file(memory, codec, options):
    if not can_encode(codec):
        pytest.skip(f"{codec.name} is not installed")
    check_options(memory, codec, options)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("codec", "options"), CASES)
def test_bytes_are_those_that_h5py_reads_and_writes(memory, codec, options, dtype):
    if not can_encode(codec):
        pytest.skip(f"{codec.name} is not installed")
    for number, (shape, chunks) in enumerate(SHAPES):
        check_bytes(memory.create_group(str(number)), codec, options, dtype, shape, chunks)
