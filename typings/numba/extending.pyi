from collections.abc import Callable

from llvmlite import ir
from numba.core.base import BaseContext
from numba.core.typing import Signature

def intrinsic(
    function: Callable[
        ...,
        tuple[
            Signature,
            Callable[[BaseContext, ir.IRBuilder, Signature, tuple[ir.Value, ...]], ir.Value],
        ],
    ],
) -> Callable[..., int]: ...
