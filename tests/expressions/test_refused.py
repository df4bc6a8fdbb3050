"""What is no expression is refused: in one line, with the place and with what to write instead."""

from __future__ import annotations

import os
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from sharedcompute.errors import InputError
from sharedcompute.expressions import names_in, parse, several

FUNCTIONS = {"sqrt": np.sqrt, "where": np.where, "mean": np.mean, "hypot": np.hypot}
ARRAYS = {
    "u": np.linspace(0, 1, 6).reshape(2, 3),
    "v": np.ones((2, 3)),
    "k": np.arange(3, dtype="u1"),
}


def refused(text: str) -> tuple[str, str]:
    """Return the line that refuses a text, and the part of the text that is underlined."""
    with pytest.raises(InputError) as caught:
        parse(text, ARRAYS, FUNCTIONS)
    said, shown, marks = caught.value.text.split("\n")
    first = marks.index("^")
    assert set(marks.strip()) == {"^"}
    return said, shown[first : len(marks)]


@pytest.mark.parametrize(
    ("text", "place", "said"),
    [
        # What Python has for single truths.
        ("u > 0 and v > 0", None, "got and; write (u > 0) & (v > 0)"),
        ("u + (u or v)", "u or v", "got or; write u | v"),
        ("not u", None, "got not; write ~u"),
        ("not u > 1", None, "write ~(u > 1)"),
        ("u > 0 and v > 0 or not u", None, "write ((u > 0) & (v > 0)) | ~u"),
        ("u and (not v or k)", None, "write u & (~v | k)"),
        ("not 0 < u < 1", None, "write ~((0 < u) & (u < 1))"),
        ("0 < u < 1", None, "write (0 < u) & (u < 1)"),
        ("0 < u <= v < 3", None, "write (0 < u) & (u <= v) & (v < 3)"),
        ("u > 0 & v > 0", None, "in parentheses around &; write (u > 0) & (v > 0)"),
        ("u in v", None, "got in or is; write =="),
        ("u is not v", None, "got in or is"),
        ("1 + (u if u > 0 else v)", "u if u > 0 else v", "write where(u > 0, u, v)"),
        # Names.
        ("sqr(u)", "sqr", "unknown function 'sqr': did you mean 'sqrt'?"),
        ("q(u)", "q", "unknown function 'q': known: hypot, mean, sqrt, where"),
        ("1 + w", "w", "unknown name 'w': known: k, u, v"),
        ("uu + 1", "uu", "unknown name 'uu': did you mean 'u'?"),
        ("u * PI", "PI", "did you mean 'pi'?"),
        ("true", "true", "did you mean 'True'?"),
        ("sqrt + 1", "sqrt", "got the function sqrt; write sqrt(...)"),
        ("u(v + 1)", "u", "got the array u; write u * (...) to multiply"),
        ("2(u + 1)", None, "write 2 * (...) to multiply"),
        ("float32(u)", "float32", "write x.astype(float32)"),
        ("np.sqrt(u)", "np.sqrt", "write sqrt(...)"),
        ("np.pi * u", "np.pi", "write pi"),
        # Assignments.
        ("s = u + 1", "u + 1", "got s = ...; a comparison is written =="),
        ("(u = 1)", "u = 1", "a comparison is written =="),
        ("u += 1", None, "got another assignment; write ="),
        ("u[0] = 1", "u[0]", "expected a name before ="),
        ("(s := u) + s", "s := u", "write s = u; ..."),
        # Python.
        ("lambda x: x", None, "got lambda"),
        ("[a for a in u]", None, "got a loop"),
        ("sqrt(a for a in u)", "(a for a in u)", "got a loop"),
        ("import os", None, "got a statement of Python"),
        ("u.T", None, "got .T"),
        ("u.real", None, "write real(u)"),
        ("u.mean", None, "write u.mean()"),
        ("u.tofile('x')", "u.tofile", "got .tofile"),
        ("u.__class__", None, "got .__class__"),
        ("__import__('os')", "__import__", "got one of Python's"),
        ("sqrt(__debug__)", "__debug__", "got one of Python's"),
        ("u @ v", None, "got @; write (a * b).sum(axis=-1)"),
        ("u, v", None, "got several; write a = ...; b = ..."),
        ("[u]", None, "got several"),
        ("{1: 2}", None, "got {1: 2}"),
        ("f'{u}'", None, "got f'{u}'"),
        ("'x'", None, "got 'x'"),
        ("u + None", "None", "got None"),
        ("u + ...", "...", "got ..."),
        ("sqrt(b'x')", "b'x'", "got b'x'"),
        # Arguments.
        ("sqrt(*u)", "*u", "got *"),
        ("sqrt(**u)", "**u", "got **"),
        ("sqrt(u, out=v)", "out=v", "expected no out"),
        ("sqrt(u, v)", None, "expected at most 1 arguments of sqrt by position, got 2"),
        ("u.mean(0, 'f8', v)", None, "expected at most 1 arguments of .mean"),
        ("mean(u, 0, None, v)", None, "changes no array; use keywords"),
        ("mean(u, axes=0)", None, "unexpected keyword argument 'axes'"),
        ("u.astype('O')", "'O'", "expected the name of a numeric dtype"),
        ("u.astype('S8')", "'S8'", "expected the name of a numeric dtype"),
        ("u.astype('f4, f8')", "'f4, f8'", "expected the name of a numeric dtype"),
        ("(2).mean()", None, "expected an array before .mean, got a number"),
        # Windows.
        ("u[v > 0]", "v > 0", "write where(condition, x, nan) to select"),
        ("u[k]", "k", "expected whole numbers and slices"),
        ("u[[0, 1]]", "[0, 1]", "expected whole numbers and slices"),
        ("u['a']", "'a'", "expected whole numbers and slices"),
        ("u[1.5:]", "1.5", "expected whole numbers and slices"),
        ("u[10]", None, "out of bounds"),
        ("u[::0]", None, "slice step cannot be zero"),
        ("2[0]", None, "expected an array before ["),
        # Operands that do not fit.
        ("u + k[:2]", None, "shapes (2,3) (2,)"),
        ("k + 300", None, "300 out of bounds for uint8"),
        ("1 + u^2", "1 + u^2", "a power is written **"),
        ("u & v", None, "as in (u > 0) & (v > 0)"),
        ("1 / 0", None, "division by zero"),
        ("10.0**1000", None, "** failed: Numerical result out of range"),
        # Spelling.
        ("u\N{SUPERSCRIPT TWO}", "\N{SUPERSCRIPT TWO}", "write **2"),
        ("u \N{MULTIPLICATION SIGN} v", "\N{MULTIPLICATION SIGN}", "write *"),
        ("u \N{LESS-THAN OR EQUAL TO} v", "\N{LESS-THAN OR EQUAL TO}", "write <="),
        ("u && v", "&&", "write &"),
        ("u || v", "||", "write |"),
        ("!u", "!", "not is written ~"),
        ("2u", "2", "write an operator after the number"),
        ("sqrt(u", "(", "'(' was never closed"),
        ("for", "", "as in NumPy"),
        ("u +", "", "as in NumPy"),
        ("u\n  + v", " ", "put parentheses around what takes several lines"),
        ("u\0", "\0", "expected printable characters, got '\\x00'"),
        ("u\ud800", "\ud800", "expected printable characters"),
        # Numbers.
        ("9**9**9", None, "at most 64 bits, got 9 ** 387420489; write 9.0 ** 387420489"),
        ("u + 1 << 10**9", None, "<<"),
        ("1 << 10**9", None, "at most 64 bits"),
        ("2**63 * 2", None, "got a result beyond"),
        ("18446744073709551616", None, "at most 64 bits"),
        ("0x" + "f" * 300, None, "at most 64 bits"),
    ],
)  # fmt: skip
def test_it_shows_the_place_and_says_what_to_write(text: str, place: str | None, said: str) -> None:
    line, shown = refused(text)
    assert said in line
    if place != "":
        assert shown.strip() == (text if place is None else place).strip()[:100]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "got none"),
        (" \n ", "got none"),
        ("# nothing", "got none"),
        ("-" * 5000 + "1", "levels"),
        ("-" * 9000 + "1", "levels"),
        ("(" * 1000 + "1" + ")" * 1000, "levels"),
        ("u[" * 150 + "0" + "]" * 150, "whole numbers and slices"),
        ("sqrt(" * 199 + "u" + ")" * 199, "levels"),
        ("+".join(["u"] * 1000), "levels"),
        ("u**" * 2000 + "u", "levels"),
        ("u < " * 2000 + "u", "one comparison at a time"),
        ("9" * 5000, "5000 digits"),
        ("1" + "0" * 4299, "4300 digits"),
        ("u+" * 20000 + "u", "at most 10000 characters, got 40001"),
        (3, "as text, got 3"),
        (None, "as text, got None"),
    ],
    ids=lambda value: str(value)[:12],
)
def test_texts_beyond_all_bounds_are_refused_in_our_words(text: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        parse(text, ARRAYS, FUNCTIONS)
    with pytest.raises(InputError):
        names_in(text)


def test_no_constant_fills_the_memory() -> None:
    tracemalloc.start()
    try:
        for text in (
            "9**9**9",
            "9**9**9**9",
            "1 << 2**40",
            "(-9)**9**9",
            "2**63 << 63",
            "8**8 ** 8",
        ):
            with pytest.raises(InputError):
                parse(text, {}, {})
        assert tracemalloc.get_traced_memory()[1] < 1e6
    finally:
        tracemalloc.stop()


ATTACKS = [
    "().__class__.__bases__[0].__subclasses__()",
    "u.__array_interface__",
    "u.dump('{path}')",
    "u.tofile('{path}')",
    "u.mean.__func__",
    "sqrt.__self__",
    "sqrt.at(u, 0)",
    "(lambda: open('{path}', 'w'))()",
    "__builtins__",
    "open('{path}', 'w')",
    "eval('1')",
    "exec('1')",
    "getattr(u, 'T')",
    "[*open('{path}', 'w')]",
    "mean(u, out=v)",
    "(yield)",
    "await u",
    "print(u)",
    "'%s' % u",
    "'a' * 10**9",
    "(1, 2) * 10**9",
    "mean((1, 2) * 10**9)",
    "u.astype(object)",
    "u.astype('object')",
    "\N{FULLWIDTH LOW LINE}_import__('os')",
    "import os; os.system('touch {path}')",
    "a = __import__('os')",
    "def f(): pass",
    "class A: pass",
    "u.base",
    "u.data",
    "u.ctypes",
]


@pytest.mark.parametrize("attack", ATTACKS)
def test_nothing_of_python_can_be_reached(attack: str, tmp_path: Path) -> None:
    text = attack.format(path=tmp_path / "made") if "{path}" in attack else attack
    before = {name: array.copy() for name, array in ARRAYS.items()}
    for evaluate in (parse, several):
        with pytest.raises(InputError):
            evaluate(text, ARRAYS, FUNCTIONS)
    assert os.listdir(tmp_path) == []  # noqa: PTH208 - a list says what is there
    for name, array in before.items():
        np.testing.assert_array_equal(ARRAYS[name], array)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("u + 1", "write name = expression"),
        ("u; v", "write name = u"),
        ("a = u; v", "write name = v"),
        ("a = u; a = v", "got a again"),
        ("a = b; b = u", "unknown name 'b'"),
        ("a = b = u", "got a statement"),
        ("a, b = u", "expected a name before ="),
        ("a = u\n  b = v", "parentheses"),
        ("a == u", "write name = expression"),
        ("a: int = 3", "got another assignment"),
    ],
)
def test_several_expressions_need_a_name_each(text: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        several(text, ARRAYS, FUNCTIONS)


def test_the_line_of_a_mistake_is_shown_among_several() -> None:
    with pytest.raises(InputError) as caught:
        several("größe = u\nb = größe + sqr(u)", ARRAYS, FUNCTIONS)
    assert caught.value.text.split("\n")[1:] == [
        "    b = größe + sqr(u)",
        "                ^^^",
    ]


def test_only_the_part_of_a_long_line_around_the_place_is_shown() -> None:
    text = " + ".join(["u"] * 60) + " + wrong + " + " + ".join(["u"] * 60)
    line, shown = refused(text)
    assert "unknown name 'wrong'" in line
    assert shown == "wrong"


def test_errors_of_arrays_say_where_they_arose_once() -> None:
    class Lazy:
        def __add__(self, other: object) -> object:
            raise InputError("expected shapes that broadcast, got (2,) and (3,)")

    with pytest.raises(InputError) as caught:
        parse("1 * (a + 1)", {"a": Lazy()}, {})
    assert caught.value.text == (
        "expected shapes that broadcast, got (2,) and (3,)\n    1 * (a + 1)\n         ^^^^^"
    )


def test_names_are_known_before_anything_is_computed() -> None:
    calls: list[object] = []
    with pytest.raises(InputError, match="unknown name 'w'"):
        several("a = f(u); b = w", ARRAYS, {"f": calls.append})
    assert calls == []


def test_deep_texts_are_refused_with_little_of_the_stack_left() -> None:
    limit = sys.getrecursionlimit()

    def deep(left: int) -> None:
        if left:
            deep(left - 1)
        else:
            parse("(" * 190 + "u" + ")" * 190 + "+ 1" * 190, ARRAYS, {})

    with pytest.raises(InputError, match="levels"):
        deep(limit - 150)
