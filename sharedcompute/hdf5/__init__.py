"""HDF5 files in and out: addresses, sources, sinks, metadata, and what says that a file is whole.

Sources and sinks are plain data that pickle. An h5py object never crosses a process: workers open
files themselves, and only the parent writes through the HDF5 library.
"""
