from collections.abc import Sequence

from llvmlite import ir
from numba.core.base import ArrayStruct, BaseContext
from numba.core.types import Type

def get_item_pointer(
    context: BaseContext,
    builder: ir.IRBuilder,
    aryty: Type,
    ary: ArrayStruct,
    inds: Sequence[ir.Value],
) -> ir.Value: ...
def get_or_insert_function(module: ir.Module, fnty: ir.FunctionType, name: str) -> ir.Function: ...
def alloca_once_value(builder: ir.IRBuilder, value: ir.Value) -> ir.Value: ...
