version: str
version_tuple: tuple[int, ...]
hdf5_version: str
hdf5_version_tuple: tuple[int, int, int]
info: str
