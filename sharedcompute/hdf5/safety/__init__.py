"""Access to files: which may be opened, and where a crash of HDF5 does no harm."""
