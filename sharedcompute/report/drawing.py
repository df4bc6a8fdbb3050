"""Plans as pictures: SVG, with a box for each value of each pass."""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sharedcompute.planning.plan import Plan
from sharedcompute.report.arrays import kept, place, shape
from sharedcompute.report.graph import DrawnPass, DrawnPlan, Value, draw
from sharedcompute.system.machine import format_size

WIDTH, HEIGHT = 230, 46
ACROSS, DOWN = 290, 62
MARGIN = 24
TITLE = 30
LETTERS = 34

COLOURS = {"read": "#dbe9f6", "step": "#f2f2f2", "keep": "#ddf0dd", "reduce": "#fbe6cf"}


@dataclass(frozen=True)
class Box:
    """A box of a picture.

    Parameters
    ----------
    kind : {"read", "step", "keep", "reduce"}
    name : str
        What edges begin at.
    lines : tuple of str
    inputs : tuple of str
        The names of the boxes whose edges end here.
    column, row : int
    """

    kind: str
    name: str
    lines: tuple[str, ...]
    inputs: tuple[str, ...]
    column: int
    row: int = 0


def as_svg(plan: Plan) -> str:
    """Render the passes of a plan as an SVG picture."""
    drawn = draw(plan)
    top = MARGIN
    pieces: list[str] = []
    wide = 0
    places: dict[str, tuple[int, int]] = {}
    for number, work in enumerate(drawn.passes, start=1):
        boxes = _placed(list(_boxes(work, drawn)))
        title = f"pass {number}: {work.purpose}"
        pieces.append(_text(MARGIN, top + 14, title, bold=True))
        pieces += _drawn(boxes, top + TITLE, places)
        top += TITLE + DOWN * (1 + max((box.row for box in boxes), default=0)) + MARGIN
        wide = max(wide, *(box.column for box in boxes), 0)
    for value in drawn.after:
        line = f"then {value.text} -> {shape(value.spec.shape)} {value.spec.dtype}"
        pieces.append(_text(MARGIN, top + 14, line))
        top += TITLE
    pieces.append(_text(MARGIN, top + 14, f"memory {format_size(plan.projection.memory)}"))
    width, height = 2 * MARGIN + wide * ACROSS + WIDTH, top + TITLE
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="12">'
        f"{''.join(pieces)}</svg>\n"
    )


def _boxes(work: DrawnPass, drawn: DrawnPlan) -> Iterator[Box]:
    """Yield the boxes of a pass, each with the column that follows those of its inputs."""
    sources = dict(drawn.inputs)
    columns: dict[str, int] = {}

    def column(inputs: Sequence[str]) -> int:
        return 1 + max((columns[name] for name in inputs if name in columns), default=0)

    for value in work.feeds:
        columns[value.name] = 0
        where = place(sources[value.name]) if value.name in sources else "computed before"
        yield Box("read", value.name, (f"{value.name} = {where}", _what(value)), (), 0)
    for value in work.steps:
        columns[value.name] = column(value.inputs)
        around = f", halo {value.halo} rows" if value.halo else ""
        lines = (f"{value.name} = {value.text}", f"{_what(value)}{around}")
        yield Box("step", value.name, lines, value.inputs, columns[value.name])
    for value in (*work.reduced, *work.gathered):
        lines = (f"{value.name} = {value.text}", _what(value))
        yield Box("reduce", value.name, lines, value.inputs, column(value.inputs))
    for store, value in work.kept:
        lines = (f"keep {value.name}", kept(store, value.spec).removeprefix("as "))
        yield Box("keep", "", lines, (value.name,), column((value.name,)))


def _what(value: Value) -> str:
    return f"{shape(value.spec.shape)} {value.spec.dtype}"


def _placed(boxes: Sequence[Box]) -> list[Box]:
    """Return boxes one below the other in their columns."""
    taken: dict[int, int] = {}
    found = []
    for box in boxes:
        row = taken.get(box.column, 0)
        taken[box.column] = row + 1
        found.append(Box(box.kind, box.name, box.lines, box.inputs, box.column, row))
    return found


def _drawn(boxes: Sequence[Box], top: int, places: dict[str, tuple[int, int]]) -> Iterator[str]:
    """Yield edges, and the boxes above them; results of earlier passes lead here dashed."""
    corners = [(MARGIN + box.column * ACROSS, top + box.row * DOWN) for box in boxes]
    here = {
        box.name: (x + WIDTH, y + HEIGHT // 2)
        for box, (x, y) in zip(boxes, corners, strict=True)
        if box.name
    }
    for box, (x, y) in zip(boxes, corners, strict=True):
        for name in box.inputs:
            begin = here.get(name) or places.get(name)
            if begin is not None:
                yield _edge(begin, (x, y + HEIGHT // 2), dashed=name not in here)
    for box, (x, y) in zip(boxes, corners, strict=True):
        yield (
            f'<rect x="{x}" y="{y}" width="{WIDTH}" height="{HEIGHT}" rx="5" '
            f'fill="{COLOURS[box.kind]}" stroke="#888"><title>{_escaped(box.lines)}</title></rect>'
        )
        for number, line in enumerate(box.lines):
            yield _text(x + 8, y + 19 + 17 * number, _short(line))
    places.update(here)


def _edge(begin: tuple[int, int], end: tuple[int, int], *, dashed: bool) -> str:
    """Return an edge; below the boxes, where it goes past some."""
    (a, b), (c, d) = begin, end
    half = (a + c) // 2
    way = f"{half} {b} {half} {d}"
    if not dashed and c - a > ACROSS:
        way = f"{a + ACROSS - WIDTH} {b + DOWN} {c - ACROSS + WIDTH} {d + DOWN}"
    dash = ' stroke-dasharray="5 4"' if dashed else ""
    return f'<path d="M{a} {b} C{way} {c} {d}" fill="none" stroke="#555"{dash}/>'


def _text(x: int, y: int, line: str, *, bold: bool = False) -> str:
    weight = ' font-weight="bold"' if bold else ""
    return f'<text x="{x}" y="{y}"{weight}>{html.escape(line)}</text>'


def _escaped(lines: Sequence[str]) -> str:
    return html.escape("\n".join(lines))


def _short(line: str) -> str:
    return line if len(line) <= LETTERS else f"{line[: LETTERS - 1]}…"
