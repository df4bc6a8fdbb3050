"""The part of numba that the package uses: it publishes no types.

A compiled function has the type of the function it was made of.
"""

from collections.abc import Callable
from typing import TypeVar, overload

from numba.core import types
from numba.core.config import config as config

F = TypeVar("F", bound=Callable[..., object])

__version__: str

class TypingError(Exception):
    def __init__(self, msg: str) -> None: ...

@overload
def njit(function: F) -> F: ...
@overload
def njit(
    *,
    nogil: bool = False,
    cache: bool = False,
    parallel: bool = False,
    inline: str = "never",
    forceinline: bool = False,
    error_model: str = "python",
    boundscheck: bool | None = None,
) -> Callable[[F], F]: ...

int32: types.Integer
int64: types.Integer
float32: types.Type
float64: types.Type

def typeof(value: object) -> types.Type: ...
