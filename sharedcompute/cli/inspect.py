"""The commands that inspect: info, ops, verify, shm."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

import click

from sharedcompute.cli.options import EXTERNAL, Group
from sharedcompute.cli.stopped import print_stopped

if TYPE_CHECKING:
    from sharedcompute.hdf5.inspection.listing import DatasetInfo
    from sharedcompute.operations.declarations import Operation
    from sharedcompute.operations.fits.declaration import Iterative

JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON on stdout.")


@click.command()
@click.argument("address")
@EXTERNAL
@JSON
def info(address: str, allow_external: bool, as_json: bool) -> None:
    """List the datasets of a file: shape, dtype, chunks, filters, size, ratio, read path."""
    from sharedcompute.cli.tables import show, table  # noqa: PLC0415
    from sharedcompute.hdf5.address import Address  # noqa: PLC0415
    from sharedcompute.hdf5.inspection.listing import describe  # noqa: PLC0415
    from sharedcompute.report.arrays import shape  # noqa: PLC0415
    from sharedcompute.system.machine import format_size  # noqa: PLC0415

    where = Address.parse(address)
    if print_stopped(where.file, as_json):
        return
    found = describe(where, allow_external)
    if as_json:
        click.echo(json.dumps([_record(d) for d in found]))
        return
    right = ("size", "ratio")
    made = table(
        "dataset", "shape", "dtype", "chunks", "filters", "size", "ratio", "read path", right=right
    )
    for d in found:
        made.add_row(
            d.path,
            "-" if d.shape is None else shape(d.shape),
            d.dtype,
            shape(d.chunks) if d.chunks else "-",
            ", ".join(d.filters) or "-",
            format_size(d.nbytes),
            f"{d.ratio:.2f}" if d.ratio else "-",
            f"{d.read_path}: {d.reason}" if d.read_path else f"not usable: {d.reason}",
        )
    show(made)


def _record(d: DatasetInfo) -> dict[str, object]:
    return {
        "path": d.path,
        "shape": None if d.shape is None else list(d.shape),
        "dtype": d.dtype,
        "chunks": list(d.chunks) if d.chunks else None,
        "filters": list(d.filters),
        "nbytes": d.nbytes,
        "stored_nbytes": d.stored_nbytes,
        "ratio": d.ratio,
        "read_path": d.read_path,
        "reason": d.reason,
    }


@click.command()
@click.argument("op", required=False)
@JSON
def ops(op: str | None, as_json: bool) -> None:
    """List the operations by kind, or the parameters of one."""
    from sharedcompute.cli.tables import show, table  # noqa: PLC0415
    from sharedcompute.operations.catalogue import everything, find_any  # noqa: PLC0415

    chosen = [find_any(op)] if op else everything()
    if as_json:
        click.echo(json.dumps([_operation(o) for o in chosen]))
        return
    if op is None:
        made = table("kind", "operation", "what it does")
        for o in chosen:
            made.add_row(o.kind, o.name, o.summary)
        show(made)
        return
    (one,) = chosen
    click.echo(f"{one.name} ({one.kind}): {one.summary}")
    click.echo(_shapes(one))
    made = table("parameter", "type", "default", "meaning")
    for p in one.parameters:
        default = "from the data" if p.default is None else str(p.default)
        made.add_row(p.name, p.type, default, p.doc)
    if one.parameters:
        show(made)
    for text in (one.description, *one.references):
        click.echo(click.wrap_text(text, 96))


def _shapes(op: Operation | Iterative) -> str:
    from sharedcompute.operations.fits.declaration import Iterative  # noqa: PLC0415

    if op.kind == "reduce":
        return "shape: (rows, ...) -> (...), or without any axes that --axis names"
    if isinstance(op, Iterative):
        return f"gives: {', '.join(op.gives)}; watches {', '.join(op.watched)}"
    neighbours = ", from neighbouring rows too" if op.kind == "stencil" else ""
    return f"shape: (rows, ...) -> (rows, ...){neighbours}"


def _operation(op: Operation | Iterative) -> dict[str, object]:
    return {
        "name": op.name,
        "kind": op.kind,
        "summary": op.summary,
        "description": op.description,
        "references": list(op.references),
        "shape": _shapes(op).partition(": ")[2],
        "parameters": [
            {
                "name": p.name,
                "type": p.type,
                "default": None if p.default is None else str(p.default),
                "doc": p.doc,
            }
            for p in op.parameters
        ],
    }


@click.command()
@click.argument("output")
@JSON
def verify(output: str, as_json: bool) -> None:
    """Verify that an output is complete and intact, and show what made it."""
    from sharedcompute.hdf5.address import Address  # noqa: PLC0415
    from sharedcompute.hdf5.inspection.verify import verify as check  # noqa: PLC0415

    if print_stopped(Address.parse(output).file, as_json):
        raise SystemExit(1)
    found = check(output)
    if as_json:
        click.echo(json.dumps({**dataclasses.asdict(found), "ok": found.ok}))
    else:
        state = "complete" if found.complete else "NOT complete: the job that wrote it did not end"
        click.echo(f"{found.file}: {state}")
        for d in found.datasets:
            click.echo(
                f"{d.path}: {d.message}; made by sharedcompute {d.version} from {_made(d.job)}"
            )
    if not found.ok:
        raise SystemExit(1)


def _made(job: Mapping[str, object]) -> str:
    """Render what made a dataset: its input and the steps."""
    listed: object = job.get("steps", [])
    steps = []
    for step in listed if isinstance(listed, list) else []:
        given = ", ".join(
            f"{k}={v}" for k, v in step.items() if k not in ("operation", "expression")
        )
        steps.append(step.get("expression") or f"{step['operation']}({given})")
    decoded = " --decode-cf" if job.get("decode_cf") else ""
    read = job.get("input")
    if isinstance(read, dict):
        read = ", ".join(f"{name} = {address}" for name, address in read.items())
    return f"{read}{decoded}: {' | '.join(steps)}"


@click.group(cls=Group)
def shm() -> None:
    """List or clean the shared blocks of this user."""


_STATES = {
    True: "in use",
    False: "left over",
    None: "of another PID namespace, not judged",
}


@shm.command("list")
@JSON
def shm_list(as_json: bool) -> None:
    """List shared blocks, and whether their owner still runs."""
    from sharedcompute.cli.tables import show, table  # noqa: PLC0415
    from sharedcompute.shm.segments import list_blocks  # noqa: PLC0415
    from sharedcompute.system.machine import format_size  # noqa: PLC0415

    blocks = list_blocks()
    if as_json:
        click.echo(json.dumps([b._asdict() for b in blocks]))
        return
    made = table("block", "size", "owner", "state", right=("size", "owner"))
    for b in blocks:
        made.add_row(b.name, format_size(b.nbytes), str(b.pid), _STATES[b.alive])
    if blocks:
        show(made)
    else:
        click.echo("no shared blocks")


@shm.command("clean")
def shm_clean() -> None:
    """Remove blocks whose owner is gone; those of other PID namespaces stay."""
    from sharedcompute.shm.segments import clean  # noqa: PLC0415

    removed = clean()
    click.echo(f"removed {len(removed)} shared block(s)")
