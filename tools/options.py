"""Write the options of `sharedcompute/options` into the functions of `sharedcompute/api`.

Editors and type checkers read text, so each function has each option in its signature, in its
docstring and in the call that collects them. `make stubs` writes these parts anew, and leaves
all others as they are.

``python -m tools.options --check`` only says what is out of date, and exits with 1.
"""

from __future__ import annotations

import ast
import re
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

from sharedcompute.options.declaration import Option, OptionGroup
from sharedcompute.options.groups import (
    ARGUMENTS,
    GROUPS,
    OF_A_TEAM,
    OF_REDUCTIONS,
    OPTIONS,
    RunOptions,
    StorageOptions,
    names_of,
)

ROOT = Path(__file__).parent.parent
WIDTH = 100
OWN = {*ARGUMENTS, *OF_REDUCTIONS, "check"}
"""Keyword-only arguments that are no options."""

OF_LAZY_ARRAYS: dict[str, tuple[type[OptionGroup], ...]] = {
    "compute": (RunOptions,),
    "store": (RunOptions, StorageOptions),
}
"""What is done with lazy arrays, which say themselves how they are read."""


def written(source: str) -> str:
    """Return a module with the options of its functions as they are declared."""
    for place in range(len(_targets(source))):
        # Parsed again after each, as lines move; from the last one up they would not.
        source = _with_options(source, _targets(source)[place])
    return _with_imports(source)


def _with_imports(source: str) -> str:
    """Return a module that imports the functions by which it converts options, and no others."""
    converts = {o.convert.__name__ for o in OPTIONS if o.convert}
    calls = (n for n in ast.walk(ast.parse(source)) if isinstance(n, ast.Call))
    called = {n.func.id for n in calls if isinstance(n.func, ast.Name)}
    for node in ast.parse(source).body:
        if isinstance(node, ast.ImportFrom) and node.module == "sharedcompute.options.groups":
            names = {a.name for a in node.names} - converts | (converts & called)
            lines = source.splitlines(keepends=True)
            text = f"from {node.module} import {', '.join(sorted(names, key=_import_order))}\n"
            lines[node.lineno - 1 : node.end_lineno] = [text]
            return "".join(lines)
    return source


def _import_order(name: str) -> tuple[int, str]:
    """Order names as ruff does: constants, classes, functions."""
    return (0 if name.isupper() else 1 if name[0].isupper() else 2, name)


def _targets(source: str) -> list[tuple[str, ast.FunctionDef]]:
    """Return the functions that take options: those that take a team, and methods of teams."""
    tree = ast.parse(source)
    found = []
    owners: list[ast.Module | ast.ClassDef] = [tree]
    owners += [node for node in tree.body if isinstance(node, ast.ClassDef)]
    for owner in owners:
        prefix = f"{owner.name}." if isinstance(owner, ast.ClassDef) else ""
        for node in owner.body:
            if isinstance(node, ast.FunctionDef):
                names = {a.arg for a in node.args.kwonlyargs}
                if "team" in names or (prefix == "Team." and "listen" in names):
                    found.append((prefix + node.name, node))
    return found


def options_for(function: str) -> list[Option]:
    """Return the options that a function takes."""
    if function == "repack":
        return [o for o in OPTIONS if o.repack]
    kind = function.rpartition(".")[2] if not function.startswith("Team.") else ""
    if kind in OF_LAZY_ARRAYS:
        return [o for o in OPTIONS if o.name in names_of(*OF_LAZY_ARRAYS[kind])]
    return [o for o in OPTIONS if not function.startswith("Team.") or o.name not in OF_A_TEAM]


def is_open(function: str) -> bool:
    """Return whether None stands for each option that is not given."""
    return function in ("run", "plan")


def keyword(option: Option, unset: bool) -> str:
    """Return an option as a signature has it."""
    if not unset:
        return f"{option.name}: {option.accepts} = {option.default!r}".replace("'", '"')
    kind = option.accepts.removesuffix(" | None")
    return f"{option.name}: {kind} | None = None"


def entry(option: Option, unset: bool) -> str:
    """Return an option as the parameters of a docstring have it."""
    kinds = option.accepts.removesuffix(" | None").replace("Sequence[int]", "sequence of int")
    kind = f"{{{', '.join(map(repr, option.choices))}}}" if option.choices else kinds
    given = ", optional" if unset or option.default is None else f", default: {option.default!r}"
    text = textwrap.fill(option.help, WIDTH - 8)
    return f"{option.name} : {kind.replace(' | ', ' or ')}{given}\n{textwrap.indent(text, '    ')}"


def call(function: str, last: str) -> str:
    """Return the expression that collects the options of a function."""
    names = {o.name for o in options_for(function)}
    if is_open(function):
        items = ", ".join(f'"{o.name}": {o.name}' for o in options_for(function))
        return f"{{{items},}}"
    groups = []
    for group in GROUPS:
        given = ", ".join(
            f"{o.name}={o.convert.__name__}({o.name})" if o.convert else f"{o.name}={o.name}"
            for o in OPTIONS
            if o.name in names and o.name in names_of(group)
        )
        groups.append(f"{group.__name__}({given}{',' * bool(given)})")
    return f"Settings({', '.join(groups)}, {last},)"


def _with_options(source: str, target: tuple[str, ast.FunctionDef]) -> str:
    name, node = target
    lines = source.splitlines(keepends=True)
    # From the end up, so that the places of what stands before stay true.
    if not any(isinstance(d, ast.Name) and d.id == "overload" for d in node.decorator_list):
        _write_call(lines, name, node)
        _write_docstring(lines, name, node)
    _write_signature(lines, name, node)
    return "".join(lines)


def _write_call(lines: list[str], name: str, node: ast.FunctionDef) -> None:
    for part in ast.walk(node):
        if isinstance(part, ast.Call) and getattr(part.func, "id", "") == "Settings":
            _replace(lines, part, call(name, ast.unparse(part.args[-1])))
            return
        if isinstance(part, ast.AnnAssign) and getattr(part.target, "id", "") == "given":
            assert part.value is not None
            _replace(lines, part.value, call(name, ""))
            return
    raise ValueError(f"{name}: expected Settings(...) or given = ..., found neither")


def _replace(lines: list[str], node: ast.expr, text: str) -> None:
    first, last = node.lineno - 1, (node.end_lineno or node.lineno) - 1
    head, tail = lines[first][: node.col_offset], lines[last][node.end_col_offset :]
    lines[first : last + 1] = (head + text + tail).splitlines(keepends=True)


def _write_docstring(lines: list[str], name: str, node: ast.FunctionDef) -> None:
    text = node.body[0]
    first, last = text.lineno - 1, text.end_lineno or text.lineno
    margin = " " * text.col_offset
    own = {a.arg for a in [*node.args.args, *node.args.posonlyargs]} | OWN
    kept: list[str] = []
    inside = keep = False
    for line in lines[first:last]:
        if line.rstrip() == f"{margin}Parameters":
            inside = keep = True
        elif inside and not line.strip():
            inside, keep = False, True
        head = re.match(rf"{margin}(\*{{0,2}}\w+)( : |$)", line) if inside else None
        if head is not None:
            named = head[1]
            keep = named.startswith("*") or named in own or named == "Parameters"
            if named == ("listen" if name.startswith("Team.") else "team"):
                entries = [entry(o, is_open(name)) for o in options_for(name)]
                kept += textwrap.indent("\n".join(entries) + "\n", margin).splitlines(keepends=True)
        if keep or not inside:
            kept.append(line)
    lines[first:last] = kept


def _write_signature(lines: list[str], name: str, node: ast.FunctionDef) -> None:
    before = "listen" if name.startswith("Team.") else "team"
    made = [f"{keyword(o, is_open(name))},\n" for o in options_for(name)]
    for argument in reversed(node.args.kwonlyargs):
        margin = " " * argument.col_offset
        at = argument.lineno - 1
        if argument.arg not in OWN:
            del lines[at]
        elif argument.arg == before:
            place = at
            new = [margin + line for line in made]
    removed = sum(a.arg not in OWN and a.lineno - 1 < place for a in node.args.kwonlyargs)
    lines[place - removed : place - removed] = new


def formatted(source: str) -> str:
    """Return a module as `ruff format` has it."""
    import subprocess  # noqa: PLC0415

    ruff = [
        sys.executable,
        "-m",
        "ruff",
        "format",
        "--stdin-filename",
        "sharedcompute/api/x.py",
        "-",
    ]
    done = subprocess.run(ruff, input=source, text=True, capture_output=True, check=True, cwd=ROOT)
    return done.stdout


def outdated(root: Path = ROOT) -> Iterator[tuple[Path, str]]:
    """Give each file that is not as declared, with the text that it should have."""
    for path in sorted((root / "sharedcompute" / "api").rglob("*.py")):
        old = path.read_text()
        if _targets(old) and (new := formatted(written(old))) != old:
            yield path, new


def main(words: list[str]) -> int:
    """Write all files, or say which are out of date."""
    found = list(outdated())
    for path, new in found:
        print(path.relative_to(ROOT), "is out of date" if "--check" in words else "written")
        if "--check" not in words:
            path.write_text(new)
    return int("--check" in words and bool(found))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
