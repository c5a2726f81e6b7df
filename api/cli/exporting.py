"""`tapedeck export`: rows of the tape for other programs."""

from __future__ import annotations

import sys
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from api.cli.telling import note, progress
from api.settings import Settings

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    import polars as pl

    from engine.recordings.exporting import Span

TABLES = ("ticks", "orders", "fills", "trades", "equity", "signals", "denials")


@click.command(
    "export",
    epilog="Example: `tapedeck export ticks rec_1ddc4b08 --since 2025-11-18 -o ticks.parquet`",
)
@click.argument("table", type=click.Choice(TABLES))
@click.argument("owner", metavar="RECORDING|SESSION")
@click.option(
    "-o", "--out", type=click.Path(path_type=Path), metavar="FILE", help="File; standard output where not given."
)
@click.option("--format", "kind", type=click.Choice(("csv", "parquet")), help="By the file's name where not given.")
@click.option("--since", metavar="TIME", help="First event time, ISO 8601, UTC.")
@click.option("--until", metavar="TIME", help="Event time behind the last one.")
@click.option("--symbol", "symbols", multiple=True, help="Only this symbol. Repeatable.")
@click.option("--force", is_flag=True, help="Replace the file.")
@click.pass_obj
def export(settings: Settings, /, table: str, owner: str, out: Path | None, force: bool, **options: Any) -> None:
    """Write ticks of a recording or rows of a session to a file.

    The owner of ticks is a recording, of everything else a session. Trades are chosen by their entry.
    """
    from api.cli.asking import instant_of
    from api.cli.running import run
    from engine.recordings.exporting import FileSink, Span, kind_of

    since, until = instant_of(options["since"], "--since"), instant_of(options["until"], "--until")
    span = Span(since, until, options["symbols"])
    if out is None:
        rows = run(_printed(settings, table, owner, span, options["kind"]))
        note(f"{rows:,} rows")
        return
    sink = FileSink(out, kind_of(out, options["kind"]), replace=force)
    run(_written(settings, table, owner, span, sink))
    note(f"{sink.rows:,} rows in {out}")


async def _printed(settings: Settings, table: str, owner: str, span: Span, kind: str | None) -> int:
    from engine.recordings.exporting import SINKS

    rows = 0
    sink = SINKS[kind or "csv"](sys.stdout.buffer)
    async with aclosing(_pieces(settings, table, owner, span)) as pieces:
        async for piece in pieces:
            sink.put(piece)
            rows += len(piece)
    sink.close()
    return rows


async def _written(settings: Settings, table: str, owner: str, span: Span, sink: Any) -> None:
    with progress(f"export {table}", "rows") as bar:
        async with aclosing(_pieces(settings, table, owner, span)) as pieces:
            piece = await anext(pieces, None)  # an unknown owner makes no file
            with sink:
                while piece is not None:
                    sink.put(piece)
                    bar(sink.rows, None)
                    piece = await anext(pieces, None)


async def _pieces(settings: Settings, table: str, owner: str, span: Span) -> AsyncGenerator[pl.DataFrame]:
    from api.cli.running import reached
    from engine.recordings import shelf
    from engine.recordings.exporting import session_table, ticks
    from engine.recordings.reading import RecordingReader
    from engine.recordings.segments import Segments
    from engine.sessions import history as histories

    async with reached(settings) as line:
        if table != "ticks":
            yield session_table(await histories.read(line.tape, owner), table, span)  # type: ignore[arg-type]
            return
        recording = (await shelf.load(line.tape)).find(owner)
        reader = RecordingReader(line.tape, Segments(line.places.segments, line.tape.epoch))
        async for piece in ticks(reader, recording, span):
            yield piece
