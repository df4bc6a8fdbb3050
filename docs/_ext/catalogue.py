"""Write the reference of all operations from the catalogue, before Sphinx reads the pages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gallery import ORDER, SOURCES
from sphinx.application import Sphinx

from sharedcompute.operations.catalogue import CATALOGUE, FITS

PAGE = Path("reference/generated/operations.md")

KINDS = {
    "map": "One row out for each row in, from that row alone.",
    "stencil": "One row out for each row in, from that row and its neighbours.",
    "reduce": "All rows to one, or all elements to one number.",
    "scan": "Cumulative along the rows.",
    "fit": "Iterate over all rows until a model has converged.",
    "solve": "Iterate on a matrix or a grid until the solution has converged.",
}
COMMANDS = {"stencil": "map"}
FULL = {"b": "booleans", "i": "integers", "u": "unsigned integers", "f": "reals", "c": "complex"}


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the extension."""
    app.connect("builder-inited", _write)
    app.connect("autodoc-skip-member", _skip)
    return {"parallel_read_safe": True}


def _write(app: Sphinx) -> None:
    page = Path(app.srcdir) / PAGE
    text = "\n".join(_page())
    page.parent.mkdir(exist_ok=True)
    if not page.exists() or page.read_text() != text:
        page.write_text(text)


def _skip(app: Sphinx, what: str, name: str, member: Any, skip: bool, options: Any) -> bool | None:
    """Leave out members that NumPy, scikit-learn and Python have declared."""
    del app, what, name, skip, options
    owner = getattr(member, "__objclass__", None) or getattr(member, "fget", None) or member
    home = getattr(owner, "__module__", None) or "sharedcompute"
    return True if not home.startswith("sharedcompute") else None


def _page() -> Iterator[str]:
    yield "# Operations"
    yield ""
    yield "From the catalogue, as `sharedcompute ops` prints it. {doc}`/guide/own-operations` adds"
    yield "your own; {doc}`/guide/edges` says what they give for NaN, overflow and few rows."
    operations: list[Any] = [*CATALOGUE.values(), *FITS.values()]
    for kind, what in KINDS.items():
        these = [op for op in operations if op.kind == kind]
        if these:
            yield f"\n## {kind}\n\n{what}\n"
            for op in these:
                yield from _operation(op)


def _operation(op: Any) -> Iterator[str]:
    yield f"(op-{op.name})=\n### {op.name}\n\n{_sentence(op.summary)}\n"
    yield f"Takes {', '.join(FULL[kind] for kind in op.kinds)}."
    if hasattr(op, "gives"):
        yield f"Gives `{'`, `'.join(op.gives)}`; each round records `{'`, `'.join(op.watched)}`."
    yield f"\n```text\n{_command(op)}\n{_call(op)}\n```\n"
    if op.parameters:
        yield "| parameter | default | meaning |\n| --- | --- | --- |"
        for p in op.parameters:
            yield f"| `{p.name}` | {_default(p)} | {p.doc} |"
        yield ""
    found = [name for name in ORDER if _uses(SOURCES / name, op.name)]
    if found:
        pages = ", ".join(f"{{doc}}`/gallery/{Path(name).stem}`" for name in found)
        yield f"Examples: {pages}\n"


def _sentence(text: str) -> str:
    if text[:2].isalpha():  # not a formula
        text = text[:1].upper() + text[1:]
    return text if text.endswith(".") else f"{text}."


def _required(op: Any) -> list[str]:
    return [p.name for p in op.parameters if str(p.default) == "required"]


def _command(op: Any) -> str:
    params = "".join(f" -p {name}={name.upper()}" for name in _required(op))
    return f"sharedcompute {COMMANDS.get(op.kind, op.kind)} {op.name} INPUT OUTPUT{params}"


def _call(op: Any) -> str:
    params = "".join(f", {name}={name}" for name in _required(op))
    return f'sc.{COMMANDS.get(op.kind, op.kind)}("{op.name}", input{params})'


def _default(parameter: Any) -> str:
    if str(parameter.default) == "required":
        return "required"
    return "from the data" if parameter.default is None else f"`{parameter.default}`"


def _uses(file: Path, name: str) -> bool:
    return re.search(rf'"{name}"', file.read_text()) is not None
