from collections.abc import Callable

from numba.core.typing import Signature

class Type:
    # A type called with types is the signature of a function that returns it.
    def __call__(self, *args: Type) -> Signature: ...

class Integer(Type): ...
class Boolean(Type): ...

class Array(Type):
    def __init__(self, dtype: Type, ndim: int, layout: str, readonly: bool = False) -> None: ...

int32: Integer
int64: Integer
intp: Integer
uint32: Integer
uint64: Integer
boolean: Boolean
void: Type

def ExternalFunction(symbol: str, sig: Signature) -> Callable[..., int]: ...
