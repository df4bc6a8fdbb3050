"""The part of hdf5plugin that the package uses: it publishes no types."""

from typing import NamedTuple

class HDF5PluginConfig(NamedTuple):
    build_config: tuple[object, ...]
    registered_filters: dict[str, str]

FILTERS: dict[str, int]

def register(filters: str | tuple[str, ...] = ..., force: bool = True) -> None: ...
def get_config() -> HDF5PluginConfig: ...
