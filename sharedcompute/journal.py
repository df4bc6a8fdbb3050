"""What a job has done, a line for each thing, so that another run can go on after it.

A line is the CRC-32 of the rest in hexadecimal, a space, and JSON. Lines are appended by one
process and never changed. The first one that is cut short, or whose checksum does not fit, is where
the journal ends: a process can be killed in the middle of a line.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import deflate

from sharedcompute import faults

Record = dict[str, Any]


class Journal:
    """A journal that is being written; what is torn at the end of an older one is cut off."""

    def __init__(self, path: Path) -> None:
        _, length = _read(path)
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)
        os.ftruncate(self._fd, length)

    def append(self, record: Record) -> None:
        """Write a record; it is safe from the death of this process from here on.

        Raises
        ------
        OSError
            The disk is full, or worse. What was written of the line will not count.
        """
        faults.point("journal.append")
        text = json.dumps(record, separators=(",", ":")).encode()
        line = b"%08x %b\n" % (deflate.crc32(text), text)
        while line:
            line = line[os.write(self._fd, line) :]

    def close(self) -> None:
        """Close the file."""
        os.close(self._fd)


def read(path: Path) -> list[Record]:
    """The records of a journal, up to the first that is damaged; none where there is no journal."""
    return _read(path)[0]


def _read(path: Path) -> tuple[list[Record], int]:
    """The whole records, and how many bytes they take."""
    records: list[Record] = []
    length = 0
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return records, length
    for line in data.splitlines(keepends=True):
        record = _record(line)
        if record is None:
            break
        records.append(record)
        length += len(line)
    return records, length


def _record(line: bytes) -> Record | None:
    crc, _, text = line.rstrip(b"\n").partition(b" ")
    if not line.endswith(b"\n") or crc != b"%08x" % deflate.crc32(text):
        return None
    try:
        record = json.loads(text)
    except ValueError:
        return None
    return record if isinstance(record, dict) else None
