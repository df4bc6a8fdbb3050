from __future__ import annotations

import h5py
import numpy as np
import pytest

from sharedcompute.errors import InputError
from sharedcompute.hdf5.filters.selection import parse_filter
from sharedcompute.hdf5.format.marks import BLOCK_ROWS, CRC32, ENTRIES, block_crc
from sharedcompute.hdf5.inspection.verify import verify
from sharedcompute.hdf5.writing import stamps
from sharedcompute.hdf5.writing.output import OutputFile
from sharedcompute.hdf5.writing.sink import DatasetSink, create

JOB = {"operation": "scale", "parameters": {"factor": 2.0}, "input": "in.h5::/x"}


def made(path, values, *, block_rows=4, **layout):
    """A file with one result, checksums and all."""
    with OutputFile(str(path)) as output:
        created = create(DatasetSink("/y", values.shape, values.dtype, **layout), output)
        created.write(values)
        blocks = range(0, len(values), block_rows)
        crcs = [block_crc(values[at : at + block_rows], created.sink.stored_dtype) for at in blocks]
        stamps.record_crcs(created.dataset, block_rows, crcs)
        stamps.stamp(created.dataset, JOB)
        offset = created.dataset.id.get_offset()
        output.commit()
    return offset


def flip(path, place):
    with path.open("r+b") as file:
        file.seek(place)
        byte = file.read(1)
        file.seek(place)
        file.write(bytes([byte[0] ^ 1]))


@pytest.mark.parametrize("stored", ["<f8", ">f8"])
def test_a_whole_file_is_intact_and_says_what_made_it(tmp_path, stored):
    path = tmp_path / "o.h5"
    made(path, np.arange(66.0).reshape(22, 3), stored_dtype=np.dtype(stored))
    found = verify(str(path))
    assert found.ok
    assert found.complete
    (check,) = found.datasets
    assert (check.path, check.ok, check.message, check.job) == ("/y", True, "intact", JOB)
    assert check.version


def test_a_flipped_byte_is_found_with_its_rows(tmp_path):
    path = tmp_path / "o.h5"
    offset = made(path, np.arange(66.0).reshape(22, 3))
    flip(path, offset + 9 * 24 + 5)
    found = verify(f"{path}::/y")
    assert not found.ok
    assert found.datasets[0].damaged == ((8, 12),)
    assert "8:12" in found.datasets[0].message


def test_a_chunk_that_cannot_be_decoded_is_damage(tmp_path):
    path = tmp_path / "o.h5"
    made(path, np.arange(66.0).reshape(22, 3), chunks=(4, 3), filters=parse_filter("gzip:4"))
    with h5py.File(path, "r") as file:
        info = file["y"].id.get_chunk_info_by_coord((4, 0))
    with path.open("r+b") as file:
        file.seek(info.byte_offset)
        file.write(b"\xff" * info.size)
    assert verify(str(path)).datasets[0].damaged == ((4, 8),)


def test_many_blocks_share_entries(tmp_path):
    path = tmp_path / "o.h5"
    values = np.arange(30_000, dtype="u2")
    offset = made(path, values, block_rows=3)
    with h5py.File(path, "r") as file:
        assert len(file["y"].attrs[CRC32]) <= ENTRIES
        assert file["y"].attrs[BLOCK_ROWS].tolist() == [3, 3]
    assert verify(str(path)).ok
    flip(path, offset + 2 * 29_999)
    assert verify(str(path)).datasets[0].damaged == ((29_997, 30_000),)


@pytest.mark.sample(1)
@pytest.mark.parametrize("shape", [(), (0, 3), (5, 0), (5,), (4, 3)])
@pytest.mark.parametrize("dtype", ["f4", "?", "c8", "i8"])
def test_a_small_result_has_one_checksum(tmp_path, shape, dtype):
    path = tmp_path / "o.h5"
    values = np.ones(shape, dtype)
    with OutputFile(str(path)) as output:
        created = create(DatasetSink("/y", shape, np.dtype(dtype)), output)
        created.write(values)
        stamps.record_whole(created.dataset, values)
        stamps.stamp(created.dataset, JOB)
        output.commit()
    assert verify(str(path)).ok


def test_a_file_that_was_not_finished_is_not_ok(tmp_path):
    path = tmp_path / "o.h5"
    made(path, np.zeros((5, 2)))
    with h5py.File(path, "a") as file:
        file.attrs["sharedcompute_complete"] = False
    found = verify(str(path))
    assert (found.ok, found.complete) == (False, False)


def test_a_file_that_others_made_is_refused(tmp_path):
    with h5py.File(tmp_path / "o.h5", "w") as file:
        file["x"] = 1
    with pytest.raises(InputError, match="found none"):
        verify(str(tmp_path / "o.h5"))
