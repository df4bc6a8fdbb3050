"""Write the reference of operations and options from their declarations, before pages are read."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent, indent
from typing import Any

from gallery import ORDER, SOURCES
from sphinx.application import Sphinx

from sharedcompute.operations.catalogue import everything
from sharedcompute.operations.documentation import returned
from sharedcompute.options.declaration import options_of
from sharedcompute.options.groups import ReadOptions, RunOptions, StorageOptions

KINDS = {
    "map": "One row out for each row in, from that row alone.",
    "stencil": "One row out for each row in, from that row and its neighbours.",
    "reduce": "All rows to one, or all elements to one number.",
    "scan": "Cumulative along the rows.",
    "fit": "Iterate over all rows until a model has converged.",
    "solve": "Iterate on a matrix or a grid until the solution has converged.",
}
GROUPS = {
    "How a job runs": RunOptions,
    "How results are stored": StorageOptions,
    "How inputs are read": ReadOptions,
}
COMMANDS = {"stencil": "map"}
FULL = {"b": "booleans", "i": "integers", "u": "unsigned integers", "f": "reals", "c": "complex"}


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the extension."""
    app.connect("builder-inited", _write)
    app.connect("autodoc-skip-member", _skip)
    return {"parallel_read_safe": True}


def _write(app: Sphinx) -> None:
    folder = Path(app.srcdir) / "reference" / "generated"
    folder.mkdir(exist_ok=True)
    for name, lines in (("operations", _operations()), ("options", _options())):
        page, text = folder / f"{name}.md", "\n".join(lines)
        if not page.exists() or page.read_text() != text:
            page.write_text(text)


def _skip(app: Sphinx, what: str, name: str, member: Any, skip: bool, options: Any) -> bool | None:
    """Leave out members that NumPy, scikit-learn and Python have declared."""
    del app, what, name, skip, options
    owner = getattr(member, "__objclass__", None) or getattr(member, "fget", None) or member
    home = getattr(owner, "__module__", None) or "sharedcompute"
    wrapped = getattr(member, "__qualname__", "").startswith("ndarray.")
    return True if wrapped or not home.startswith("sharedcompute") else None


def _operations() -> Iterator[str]:
    yield "# Operations\n"
    yield "From the catalogue, as `sharedcompute ops` prints it. `sc.ops` has each as a function"
    yield "with its own signature and help: `sc.ops.gaussian(x, sigma=2)`. How a job runs and how"
    yield "results are stored are {doc}`options` of all jobs. {doc}`/guide/own-operations` adds"
    yield "your own; {doc}`/guide/edges` lists results for NaN, overflow and few rows."
    for kind, what in KINDS.items():
        yield f"\n## {kind}\n\n{what}\n"
        for op in everything():
            if op.kind == kind:
                yield from _operation(op)


def _operation(op: Any) -> Iterator[str]:
    yield f"(op-{op.name})=\n### {op.name}\n\n{_sentence(op.summary)}\n"
    yield "```{eval-rst}"
    yield f"{_rst(op.description)}\n" if op.description else ""
    yield f"Takes {', '.join(FULL[kind] for kind in op.kinds)}.\n"
    yield f"Returns: {_rst(returned(op).partition(chr(10))[2])}\n"
    yield f".. code-block:: text\n\n   {_command(op)}\n   {_call(op)}\n"
    for p in op.parameters:
        yield f"**{p.name}** : {p.type}{_default(p)}\n   {_rst(_sentence(p.doc))}\n"
    if op.example:
        yield "Example:\n"
        yield f".. code-block:: pycon\n\n{indent(op.example, '   ')}\n"
    for source in op.references:
        yield f"- {_rst(source)}"
    yield "```\n"
    found = [name for name in ORDER if _uses(SOURCES / name, op.name)]
    if found:
        pages = ", ".join(f"{{doc}}`/gallery/{Path(name).stem}`" for name in found)
        yield f"In the gallery: {pages}\n"


def _options() -> Iterator[str]:
    yield "# Options of all jobs\n"
    yield "Each is an option of the command line, a keyword in Python and a key of a job file."
    for title, group in GROUPS.items():
        yield f"\n## {title}\n\n| Python, job file | command line | default | meaning |"
        yield "| --- | --- | --- | --- |"
        for o in options_of(group):
            flag = f"`{o.short}`, `{o.flag}`" if o.short else f"`{o.flag}`"
            default = "" if o.default is None else f"`{o.default}`"
            if o.batch != o.default:
                default += f" (command line: `{o.batch}`)"
            choices = f" One of {', '.join(f'`{c}`' for c in o.choices)}." if o.choices else ""
            yield f"| `{o.name}` | {flag} | {default} | {o.help}{choices} |"


def _sentence(text: str) -> str:
    if text[:2].isalpha():  # not a formula
        text = text[:1].upper() + text[1:]
    return text if text.endswith(".") else f"{text}."


def _rst(text: str) -> str:
    """Escape names that end in an underscore, which are links there."""
    return re.sub(r"(?<!`)\b(\w+)_(?![\w`])", r"\1\\_", dedent(text)).strip()


def _required(op: Any) -> list[str]:
    return [p.name for p in op.parameters if p.required]


def _command(op: Any) -> str:
    params = "".join(f" -p {name}={name.upper()}" for name in _required(op))
    return f"sharedcompute {COMMANDS.get(op.kind, op.kind)} {op.name} INPUT OUTPUT{params}"


def _call(op: Any) -> str:
    params = "".join(f", {name}={name}" for name in _required(op))
    return f'sc.{COMMANDS.get(op.kind, op.kind)}("{op.name}", input{params})'


def _default(parameter: Any) -> str:
    if parameter.required:
        return ""
    return ", optional" if parameter.default is None else f", default: ``{parameter.default!r}``"


def _uses(file: Path, name: str) -> bool:
    return re.search(rf'"{name}"', file.read_text()) is not None
