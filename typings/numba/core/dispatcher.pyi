from collections.abc import Callable
from typing import Any

from numba.core.caching import FunctionCache
from numba.core.types import Type

class Dispatcher:
    _cache: FunctionCache
    _can_compile: bool
    py_func: Callable[..., Any]
    __name__: str
    __qualname__: str
    def __call__(self, *args: Any, **kwargs: Any) -> Any: ...
    def compile(self, sig: tuple[Type, ...]) -> None: ...
    def disable_compile(self, val: bool = True) -> None: ...
