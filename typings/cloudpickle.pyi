"""The part of cloudpickle that the package uses: it publishes no types."""

import pickle
from collections.abc import Callable
from types import ModuleType
from typing import BinaryIO

class Pickler(pickle.Pickler):
    def __init__(
        self,
        file: BinaryIO,
        protocol: int | None = None,
        buffer_callback: Callable[[pickle.PickleBuffer], object] | None = None,
    ) -> None: ...

def dumps(
    obj: object,
    protocol: int | None = None,
    buffer_callback: Callable[[pickle.PickleBuffer], object] | None = None,
) -> bytes: ...
def register_pickle_by_value(module: ModuleType) -> None: ...
