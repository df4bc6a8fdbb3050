"""Names of attributes that the CF conventions, netCDF and HDF5 give a meaning.

References
----------
CF conventions 1.11, sections 3.5 (flags), 5 (coordinate systems), 7 (cell boundaries), 8.1 (packed
data).
"""

from __future__ import annotations

STRUCTURAL = frozenset(
    {
        "DIMENSION_LIST",
        "DIMENSION_LABELS",
        "REFERENCE_LIST",
        "CLASS",
        "NAME",
        "_Netcdf4Dimid",
        "_Netcdf4Coordinates",
        "_nc3_strict",
        "_NCProperties",
    }
)
"""Attributes that the HDF5 and netCDF libraries keep for themselves: they point into one file."""


OF_THE_DTYPE = frozenset({"_FillValue", "missing_value", "valid_min", "valid_max", "valid_range"})
"""Attributes that netCDF requires in the dtype of their variable."""


OF_THE_VALUES = frozenset({"actual_range", "dtype"})
"""Attributes that describe the very values: no operation leaves them true.

By ``dtype`` xarray means that the stored integers are booleans.
"""


FLAGS = frozenset({"flag_values", "flag_masks", "flag_meanings"})
"""CF attributes that give single values a meaning, section 3.5."""


PACKING = OF_THE_DTYPE | {"scale_factor", "add_offset", "_Unsigned"}
"""CF attributes by which a reader unpacks stored numbers, section 8.1."""


UNPACKING = ("scale_factor", "add_offset", "_FillValue", "missing_value", "_Unsigned")
"""Those of them that change what a number means."""


UNITS = frozenset({"units", "standard_name"})
"""CF attributes that say what the unpacked numbers are."""


AXIS_ATTRIBUTES = ("bounds", "climatology")
"""CF attributes of a coordinate that name the variable with its cells' edges."""


COMPANIONS = ("coordinates", "grid_mapping")
"""CF attributes of a variable that name others which it cannot be understood without."""
