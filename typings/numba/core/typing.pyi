from numba.core.types import Type

class Signature:
    return_type: Type
    args: tuple[Type, ...]
