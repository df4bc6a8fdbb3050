"""HDF5's scaleoffset, lossy for floats.

References
----------
``H5Zscaleoffset.c`` of HDF5.
"""

from __future__ import annotations

import struct

from h5py import h5z

from sharedcompute.hdf5.filters.codec import Codec, Values

SCALEOFFSET: int = h5z.FILTER_SCALEOFFSET


def _options(stored: Values) -> Values | None:
    """Return scale type and factor. What follows is the chunk's size, the dtype, the fill value.

    A number of bits that was chosen for the chunks of one dataset may be too small for larger
    ones, and numbers would be cut: 0 lets HDF5 take as many as each chunk needs.
    """
    if len(stored) < 2:
        return None
    return (stored[0], 0 if stored[0] == h5z.SO_INT else stored[1])


def _is_lossy(options: Values) -> bool:
    return options[:1] != (h5z.SO_INT,)


def _tolerance(options: Values) -> float | None:
    # The factor is the number of decimals, a signed number; and within that of the fill value a
    # number becomes the fill value.
    digits = struct.unpack("i", struct.pack("I", options[1]))[0]
    return 10.0**-digits if options[0] == h5z.SO_FLOAT_DSCALE else None


CODEC = Codec(
    "scaleoffset", SCALEOFFSET, _options, portable=False, lossy=_is_lossy, tolerance=_tolerance
)
