"""Programs as data: equal ones are equal, they are read as they are written."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

from sharedcompute.ufuncs.processor import processor_text
from sharedcompute.ufuncs.program import Builder, Constant, Program

F4, F8 = np.dtype("f4"), np.dtype("f8")


def build(source: Any, *dtypes: Any) -> Program:
    """Return the program of ``source(call, *inputs)``, in which numbers are constants."""
    builder = Builder(dtypes)

    def call(name: str, *operands: Any, **attributes: Any) -> Value:
        numbers = [x.number if isinstance(x, Value) else builder.constant(x) for x in operands]
        return Value(builder.call(name, *numbers, attributes=tuple(attributes.items())))

    return builder.program(source(call, *map(Value, range(len(dtypes)))).number)


class Value:
    """The number of a value, which is no constant."""

    def __init__(self, number: int) -> None:
        self.number = number


@pytest.mark.parametrize(
    ("source", "text"),
    [
        (
            lambda f, x, y: f("multiply", f("sqrt", f("add", f("square", x), f("square", y))), 2.0),
            "sqrt(u**2 + v**2) * 2.0",
        ),
        (lambda f, x, y: f("subtract", x, f("subtract", x, y)), "u - (u - v)"),
        (lambda f, x, y: f("subtract", f("subtract", x, y), x), "u - v - u"),
        (lambda f, x, y: f("square", f("negative", x)), "(-u)**2"),
        (lambda f, x, y: f("negative", f("square", x)), "-u**2"),
        (lambda f, x, y: f("multiply", f("add", x, -1), -2), "(u + -1) * -2"),
        (
            lambda f, x, y: f("bitwise_and", f("less", x, y), f("less", y, 3)),
            "(u < v) & (v < 3)",
        ),
        (lambda f, x, y: f("equal", f("less", x, y), True), "(u < v) == True"),
        (lambda f, x, y: f("where", f("isnan", x), y, 0.0), "where(isnan(u), v, 0.0)"),
        (lambda f, x, y: f("astype", x, dtype=np.dtype("i4")), "astype(u, int32)"),
        (lambda f, x, y: f("add", x, np.float32(0.5)), "u + float32(0.5)"),
    ],
)
def test_the_text_is_what_one_would_write(source: Any, text: str) -> None:
    assert build(source, F4, F4).text(["u", "v"]) == text


def test_what_is_used_often_is_written_once() -> None:
    def doubled(f: Any, x: Value) -> Value:
        for _ in range(50):
            x = f("add", x, x)
        return x

    text = str(build(doubled, F4))
    assert text.startswith("t0 = x0 + x0; t1 = t0 + t0; ")
    assert len(text) < 1000


def test_a_program_is_equal_to_its_copy_in_another_process() -> None:
    program = build(lambda f, x: f("add", f("exp", x), 0.5), F4)
    assert pickle.loads(pickle.dumps(program)) == program
    assert hash(pickle.loads(pickle.dumps(program))) == hash(program)
    assert program != build(lambda f, x: f("add", f("exp", x), np.float64(0.5)), F4)


def test_constants_differ_by_type_and_bits() -> None:
    different = [1, 1.0, True, np.float32(1), np.float64(1), 0.0, -0.0, float("nan"), 1 + 0j]
    assert len({Constant(value) for value in different}) == len(different)
    assert Constant(float("nan")) == Constant(float("nan"))


def test_equal_calls_are_one_and_what_is_not_needed_is_left_out() -> None:
    builder = Builder([F4])
    unused = builder.call("exp", 0)
    first, second = builder.call("sqrt", 0), builder.call("sqrt", 0)
    program = builder.program(builder.call("add", first, second))
    assert (unused, first) == (1, second)
    assert [i.function for i in program.instructions] == ["sqrt", "add"]


@pytest.mark.parametrize(
    ("source", "dtype", "depends"),
    [
        (lambda f, x: f("sqrt", f("add", x, 1.0)), F8, False),
        (lambda f, x: f("exp", x), F8, True),
        (lambda f, x: f("power", x, 2.5), F4, True),
        (lambda f, x: f("multiply", x, x), np.dtype("c8"), True),
        (lambda f, x: f("multiply", x, 2), np.dtype("i8"), False),
    ],
)
def test_functions_of_libraries_depend_on_the_processor(
    source: Any, dtype: Any, depends: bool
) -> None:
    assert build(source, dtype).uses_dispatched_functions == depends
    assert np.__version__ in processor_text()


def test_an_unknown_function_and_no_function_are_refused() -> None:
    with pytest.raises(KeyError, match="no elementwise function is called sqr"):
        Builder([F4]).call("sqr", 0)
    with pytest.raises(ValueError, match="call positive for a copy"):
        Builder([F4]).program(0)
