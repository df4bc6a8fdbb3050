"""The journal of a job, a line for each thing that is done, so that another run can go on.

A line is a CRC-32 in hexadecimal, a space, and JSON. The checksum is of all JSON up to the line's
end, so that a line counts only where it stands. Lines are appended by one process and never
changed. The first one that is cut short, or whose checksum does not fit, is where the journal ends:
a process can be killed in the middle of a line.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import deflate

from sharedcompute.hdf5.safety.ownership import create_own, open_own, open_to_read
from sharedcompute.system import faults

Record = dict[str, Any]


class Journal:
    """A journal that is being written.

    Parameters
    ----------
    path : Path
    goes_on : bool
        In the file of an older one, whose torn end is cut off; else a new file takes its place.
    """

    def __init__(self, path: Path, *, goes_on: bool = False) -> None:
        flags = os.O_WRONLY | os.O_APPEND
        if goes_on:
            _, length, self._crc = _read(path)
            self._fd = open_own(path, flags)
            os.ftruncate(self._fd, length)
        else:
            self._crc = 0
            self._fd = create_own(path, flags)

    def append(self, record: Record) -> None:
        """Write a record; it is safe from the death of this process from here on.

        Raises
        ------
        OSError
            The disk is full, or worse. What was written of the line will not count.
        """
        faults.point("journal.append")
        text = json.dumps(record, separators=(",", ":")).encode()
        self._crc = deflate.crc32(text, self._crc)
        line = b"%08x %b\n" % (self._crc, text)
        while line:
            line = line[os.write(self._fd, line) :]

    def close(self) -> None:
        """Close the file."""
        os.close(self._fd)


def read(path: Path) -> list[Record]:
    """Read a journal up to the first record that is damaged; nothing where there is no journal."""
    return _read(path)[0]


def _read(path: Path) -> tuple[list[Record], int, int]:
    """Read the whole records, the bytes that they take, and their checksum."""
    records: list[Record] = []
    length = crc = 0
    file = open_to_read(path)
    if file is None:
        return records, length, crc
    with file:
        data = file.read()
    for line in data.splitlines(keepends=True):
        noted, _, text = line.rstrip(b"\n").partition(b" ")
        after = deflate.crc32(text, crc)
        record = _record(text) if line.endswith(b"\n") and noted == b"%08x" % after else None
        if record is None:
            break
        records.append(record)
        length += len(line)
        crc = after
    return records, length, crc


def _record(text: bytes) -> Record | None:
    try:
        record = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) else None
