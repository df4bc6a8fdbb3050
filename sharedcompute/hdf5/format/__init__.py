"""The HDF5 and CF formats as plain data: dtypes, chunks, storage, packing, calendars."""
