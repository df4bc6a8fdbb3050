"""Expressions have the values that Python gives them with NumPy, to the bit and in dtype."""

from __future__ import annotations

import random
import threading
from typing import Any

import numpy as np
import pytest
import xarray as xr

from sharedcompute.expressions import names_in, outputs_in, parse, several

UFUNCS = (np.abs, np.arctan2, np.cos, np.exp, np.floor, np.hypot, np.isnan, np.log, np.maximum)
FUNCTIONS: dict[str, Any] = {
    **{f.__name__: f for f in (*UFUNCS, np.minimum, np.sin, np.sqrt)},
    **{f.__name__: f for f in (np.clip, np.mean, np.real, np.round, np.stack, np.sum, np.where)},
    "abs": np.abs,
}

ARRAYS = {
    "u": np.linspace(-3, 3, 12).reshape(3, 4),
    "v": np.linspace(0.1, 5, 12, dtype="f4").reshape(3, 4),
    "k": np.arange(12, dtype="u1").reshape(3, 4),
    "n": np.arange(-5, 7, dtype="i2").reshape(3, 4),
    "row": np.array([1.5, -2, 0, 7], "f4"),
    "t": np.arange(12).reshape(3, 4) % 3 == 0,
    "z": np.array([1 + 2j, -1j, 0.5, 3], "c8"),
}

DTYPES = {"float32": np.float32, "int16": np.int16, "complex": complex}
CONSTANTS = {"pi": np.pi, "e": np.e, "nan": np.nan, "inf": np.inf, **DTYPES}


def by_python(text: str) -> object:
    """Evaluate a text of this module as Python does."""
    return eval(text, {**CONSTANTS, **FUNCTIONS, **ARRAYS})


def same(ours: object, theirs: object) -> None:
    assert type(ours) is type(theirs)
    assert getattr(ours, "dtype", None) == getattr(theirs, "dtype", None)
    np.testing.assert_array_equal(ours, theirs)


class Texts:
    """Random expressions."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def expression(self, depth: int) -> str:
        pick = self.random.choice
        if depth == 0:
            return pick([*ARRAYS, "2", "0.5", "1e-3", "3j", "True", "pi", "300", "-1", "k[1:]"])
        a, b, c = (self.expression(self.random.randrange(depth)) for _ in range(3))
        return pick(
            [
                f"({a}) {pick(['+', '-', '*', '/', '//', '%'])} ({b})",
                f"({a}) {pick(['&', '|', '^', '<<', '>>'])} {pick('kn')}",
                f"({a}) ** {pick(['2', '0.5', '-1', 'row', '3'])}",
                f"({a}) {pick(['<', '<=', '>', '>=', '==', '!='])} ({b})",
                f"{a} + {b} * {c}",
                f"-({a})",
                f"~({pick(['k', 't', 'n', 't & (u > 0)'])})",
                f"where(({a}) != 0, {b}, {c})",
                f"{pick(['sqrt', 'exp', 'sin', 'abs', 'floor', 'isnan', 'real'])}({a})",
                f"{pick(['hypot', 'arctan2', 'maximum', 'minimum'])}({a}, {b})",
                f"{pick(['mean', 'sum'])}({a}, axis={pick(['0', '-1', 'None'])}, keepdims=True)",
                f"({pick('uvk')} + {a}).{pick(['mean', 'std', 'max'])}(axis=(0, 1))",
                f"{pick('uvkn')}[{pick(['1:', '::2', '-1', ':, 1:3', '..., 0', 'None, 0'])}]",
                f"({pick('uvkn')}).astype({pick(['float32', 'int16', 'complex'])}) - {a}",
                f"clip({a}, -1, {b})",
            ]
        )


@pytest.mark.parametrize("seed", range(20))
def test_random_expressions_equal_those_of_python(seed: int) -> None:
    texts, equal = Texts(seed), 0
    with np.errstate(all="ignore"):
        for _ in range(60):
            text = texts.expression(4)
            try:
                expected = by_python(text)
            except (TypeError, ValueError, ArithmeticError, IndexError):
                with pytest.raises(ValueError, match="\n"):
                    parse(text, ARRAYS, FUNCTIONS)
            else:
                same(parse(text, ARRAYS, FUNCTIONS), expected)
                equal += 1
    assert equal > 10


@pytest.mark.parametrize(
    "text",
    [
        "sqrt(u**2 + v**2)",
        "where(u > 0, u, -u) * 1e-3",
        "(0 < u) & (u < 1) | ~t",
        "2 * pi * row - e",
        "(u - u.mean(axis=0)).std(axis=1, ddof=1)",
        "u[1:, ::2] - u[:2, 1::2]",
        "u[-1]",
        "stack((u, v), axis=1)",
        "stack([u, v])",
        "k * 2",
        "v * (1 / 3)",
        "-2**2 + 2**-1",
        "row.clip(0, 2)",
        "  u + 1",
        "(u\n + v)",
        "u  # the wind",
        "abs(-3)",
        "7 // 2 % 2 << 3 >> 1 ^ 5",
    ],
)
def test_an_expression_is_what_python_makes_of_it(text: str) -> None:
    same(parse(text, ARRAYS, FUNCTIONS), by_python(text.strip()))


def test_numbers_take_the_dtype_of_the_array_beside_them() -> None:
    for text, dtype in (
        ("k * 2", "u1"),
        ("v * 2.5", "f4"),
        ("v * (1 / 3)", "f4"),
        ("v + 1j", "c8"),
    ):
        assert parse(text, ARRAYS, {}).dtype == dtype  # type: ignore[attr-defined]


def test_dtypes_are_given_by_name_or_as_text() -> None:
    for text in ("u.astype(float32)", "u.astype('f4')", "mean(u, axis=0, dtype=float32)"):
        assert parse(text, ARRAYS, FUNCTIONS).dtype == "f4"  # type: ignore[attr-defined]


def test_a_name_goes_before_a_constant() -> None:
    assert parse("e + pi", {"e": 1, "pi": 2}, {}) == 3
    assert parse("mean(mean)", {"mean": np.arange(3.0)}, {"mean": np.mean}) == 1


def test_names_outside_of_ascii_are_found_as_they_are_written() -> None:
    assert parse("\N{MICRO SIGN} * 2 + größe", {"\N{MICRO SIGN}": 2, "größe": 1}, {}) == 5


def test_not_of_a_truth_is_a_truth() -> None:
    assert parse("~True", {}, {}) is False


def test_the_names_that_are_needed_are_told_in_order() -> None:
    assert names_in("v * u - v.mean(axis=0) + pi") == ("v", "u")
    assert names_in("mean(mean)") == ("mean",)
    assert names_in("x[1:, newaxis].astype(float32)") == ("x",)
    assert names_in("2 * pi") == ()
    assert names_in("s = u + v; d = s - w") == ("u", "v", "w")
    assert names_in("u = u - 1; d = u") == ("u",)


def test_the_names_that_are_given_are_told_in_order() -> None:
    assert outputs_in("u + v") == ()
    assert outputs_in("speed = u\ndirection = v") == ("speed", "direction")


def test_several_expressions_have_names_and_use_earlier_ones() -> None:
    text = "speed = sqrt(u**2 + v**2); slow = speed < 3\n\n  \n"
    made = several(text, ARRAYS, FUNCTIONS)
    assert list(made) == ["speed", "slow"]
    same(made["speed"], by_python("sqrt(u**2 + v**2)"))
    same(made["slow"], by_python("sqrt(u**2 + v**2) < 3"))


def test_several_expressions_may_stand_on_indented_lines() -> None:
    text = "\n    a = (u +\n      1)\n    # then\n    b = a * 2\n    "
    made = several(text, {"u": 1}, {})
    assert made == {"a": 2, "b": 4}


def test_an_output_may_have_the_name_of_an_input() -> None:
    assert several("t = t - 1; w = t", {"t": 3}, {}) == {"t": 2, "w": 2}


def test_names_given_are_not_changed() -> None:
    names = {"u": np.arange(3.0)}
    several("v = u + 1; u = v", names, {})
    assert list(names) == ["u"]
    assert names["u"].tolist() == [0, 1, 2]


def test_texts_are_evaluated_in_threads_too() -> None:
    """Their stacks are smaller."""
    found: list[object] = []
    text = "(" * 150 + "1" + ")" * 150 + " + 1" * 150

    thread = threading.Thread(target=lambda: found.append(parse(text, {}, {})))
    thread.start()
    thread.join()
    assert found == [151]


def test_arrays_of_others_stay_what_they_are() -> None:
    u = xr.DataArray(ARRAYS["u"], dims=("time", "lat"))
    made = parse("sqrt(abs(u[1:, ::2] - u.mean(axis=0)[::2])) * 2", {"u": u}, FUNCTIONS)
    assert isinstance(made, xr.DataArray)
    assert made.dims == ("time", "lat")
    same(made.values, by_python("sqrt(abs(u[1:, ::2] - u.mean(axis=0)[::2])) * 2"))
