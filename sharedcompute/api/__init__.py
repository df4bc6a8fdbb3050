"""What a user imports: jobs over arrays and HDF5 files."""
