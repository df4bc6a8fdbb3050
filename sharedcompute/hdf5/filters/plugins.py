"""hdf5plugin's codecs called directly, without the HDF5 library and its lock.

A filter of HDF5 is a C function, and a plug-in's shared object gives it out with
``H5PLget_plugin_info``. What remains of HDF5 is the convention: a buffer from `malloc` that the
function may replace by its own.

References
----------
HDF5's ``H5Zpublic.h`` (``H5Z_class2_t``) and "HDF5 Dynamically Loaded Filters".
"""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from sharedcompute.errors import DecodeError
from sharedcompute.hdf5.filters.codec import Bytes, DecodeStep, Decoding, Values, wrong_length

Check = Callable[[Values, int, Bytes], bool]
"""A check, (values, room, data), that lengths stored with the data stay inside of them."""

_REVERSE = 0x0100
_FUNCTION = ctypes.CFUNCTYPE(
    ctypes.c_size_t,
    ctypes.c_uint,
    ctypes.c_size_t,
    ctypes.POINTER(ctypes.c_uint),
    ctypes.c_size_t,
    ctypes.POINTER(ctypes.c_size_t),
    ctypes.POINTER(ctypes.c_void_p),
)


class _FilterClass(ctypes.Structure):
    """``H5Z_class2_t``."""

    id: int
    name: bytes
    filter: Callable[..., int]

    _fields_ = (
        ("version", ctypes.c_int),
        ("id", ctypes.c_int),
        ("encoder_present", ctypes.c_uint),
        ("decoder_present", ctypes.c_uint),
        ("name", ctypes.c_char_p),
        ("can_apply", ctypes.c_void_p),
        ("set_local", ctypes.c_void_p),
        ("filter", _FUNCTION),
    )


# HDF5 hands a plug-in a buffer from malloc, and gets back one that it frees.
_libc = ctypes.CDLL(None)
_malloc, _free = _libc.malloc, _libc.free
_malloc.restype, _malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
_free.restype, _free.argtypes = None, [ctypes.c_void_p]


@functools.cache
def find_plugin(code: int) -> Plugin | None:
    """Return the filter function of filter `code`; None where hdf5plugin has none.

    hdf5plugin is imported, 100 ms: some plug-ins call HDF5 functions that it binds.
    """
    import hdf5plugin  # noqa: PLC0415

    # A name with another file, or "unknown", was registered by someone else.
    names = {number: name for name, number in hdf5plugin.FILTERS.items()}
    file = hdf5plugin.get_config().registered_filters.get(names.get(code, ""), "unknown")
    return Plugin(code, file) if Path(file).is_file() else None


class Plugin:
    """The filter function of one plug-in.

    Parameters
    ----------
    code : int
        The filter's number.
    file : str
        The plug-in's shared object, which hdf5plugin has loaded.
    """

    def __init__(self, code: int, file: str) -> None:
        self._library = ctypes.CDLL(file)
        self._library.H5PLget_plugin_info.restype = ctypes.POINTER(_FilterClass)
        found: _FilterClass = self._library.H5PLget_plugin_info().contents
        assert found.id == code
        self._class = found
        self._filter = found.filter
        self._name = found.name.split(b";")[0].decode("utf-8", "replace").strip()

    def decode(
        self, is_inside: Check, values: Values, room: int, data: Bytes, out: Bytes | None
    ) -> Bytes:
        """Undo the filter.

        Parameters
        ----------
        is_inside : callable
        values : tuple of int
            The filter's values as stored in the file.
        room : int
            The most bytes that there can be.
        data : ndarray of uint8
        out : ndarray of uint8, optional
            Where the bytes go; of the exact size. None makes an array.

        Raises
        ------
        DecodeError
            The plug-in refuses the data, or gives bytes of another number.
        """
        if not is_inside(values, room, data):
            raise DecodeError(f"its {self._name} data are damaged")
        stored = (ctypes.c_uint * len(values))(*values)
        size, place = ctypes.c_size_t(data.size), ctypes.c_void_p(_malloc(data.size))
        try:
            ctypes.memmove(place, data.ctypes.data, data.size)
            count = self._filter(
                _REVERSE, len(values), stored, data.size, ctypes.byref(size), ctypes.byref(place)
            )
            # Zstd's gives the library's error numbers for a size: negative, so huge here.
            if count == 0 or count > room:
                raise DecodeError(f"its {self._name} data are damaged")
            if out is None:
                out = np.empty(count, np.uint8)
            elif out.size != count:
                raise wrong_length(count, out.size)
            ctypes.memmove(out.ctypes.data, place, count)
        finally:
            _free(place)
        return out


def _unchecked(values: Values, room: int, data: Bytes) -> bool:
    del values, room, data
    return True


def plugin_decoding(code: int, is_inside: Check = _unchecked) -> Decoding:
    """Return how hdf5plugin's codec of filter `code` decodes.

    For lossless codecs, tested against h5py; lossy ones are left to HDF5.

    Parameters
    ----------
    is_inside : callable
        The plug-ins do not check lengths (hdf5plugin 7.1): they read past their buffer, and one
        flipped byte ended the process (SIGSEGV in bitshuffle).
    """

    def step(values: Values, itemsize: int, room: int) -> DecodeStep:
        del itemsize
        plugin = find_plugin(code)
        if plugin is None:
            raise ValueError(f"expected a filter that can be decoded here, got number {code}")
        return partial(plugin.decode, is_inside, values, room)

    return Decoding(
        "hdf5plugin's codec", step, guarded=False, available=lambda: find_plugin(code) is not None
    )
