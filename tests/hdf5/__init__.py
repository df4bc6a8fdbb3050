"""HDF5 in and out."""
