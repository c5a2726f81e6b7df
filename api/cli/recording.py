"""`tapedeck record`: a source plays into a recording until it ends, or Ctrl-C."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from api.cli.telling import json_option, progress, say, say_json
from api.settings import Settings, SourceSettings

if TYPE_CHECKING:
    from engine.sources.run import SourceRun
    from events.facts import RecordingAbandoned, RecordingCompleted

LOOK_SECONDS = 0.2


@click.command("record", epilog="Example: `tapedeck record --simulated --symbol ETH_USDT --acceleration 0 --rows 5000`")
@click.argument("source", required=False)
@click.option("--simulated", is_flag=True, help="Ad hoc: a simulated market of --symbol, starting now.")
@click.option("--symbol", "symbols", multiple=True, help="Symbol of the simulated market. Repeatable.")
@click.option(
    "--seed", type=click.IntRange(0, 2**63 - 1), default=1, show_default=True, help="Of the simulated market."
)
@click.option("--file", "files", multiple=True, type=click.Path(path_type=Path), help="Ad hoc: play files. Repeatable.")
@click.option("--format", "format_", default="", metavar="NAME", help="Format of the files.")
@click.option("--id", "name", help="Id of the ad hoc source.")
@click.option("--acceleration", type=float, metavar="X", help="Pace against event time; 0: as fast as possible.")
@click.option("--seconds", type=click.FloatRange(min=0, min_open=True), help="End after so many seconds.")
@click.option("--rows", type=click.IntRange(min=1), help="End at the first pause behind so many rows.")
@json_option
@click.pass_obj
def record(settings: Settings, /, source: str | None, as_json: bool, **options: Any) -> None:
    """Record a source until it ends or Ctrl-C.

    SOURCE is one of the settings; instead --simulated or --file describe one. Ctrl-C ends the recording in order.
    """
    from api.cli.running import run

    chosen = _chosen(settings, source, options)
    ended = run(_record(settings, chosen, options))
    _tell(ended, as_json)


def _chosen(settings: Settings, source: str | None, options: dict[str, Any]) -> SourceSettings:
    """Raises InvalidInput, Unknown."""
    import math

    import msgspec

    from events.errors import InvalidInput, Unknown
    from events.subjects import token

    if [source is not None, options["simulated"], bool(options["files"])].count(True) != 1:
        raise InvalidInput("Name a SOURCE of the settings, or --simulated, or --file: one of them.", field="source")
    pace = options["acceleration"]
    if pace is not None and not (math.isfinite(pace) and pace >= 0):
        raise InvalidInput(f"--acceleration is {pace}; it is a number from 0.", field="--acceleration")
    if source is not None:
        known = {one.id: one for one in settings.sources}
        if source not in known:
            listed = ", ".join(known) or "none"
            raise Unknown(f"The settings have no source {source!r}; they have {listed}.", field="source")
        chosen = known[source]
    elif options["simulated"]:
        chosen = SourceSettings(
            id=options["name"] or "adhoc-simulated",
            kind="simulated",
            symbols=options["symbols"] or ("BTC_USDT",),
            seed=options["seed"],
        )
    else:
        files = tuple(str(path) for path in options["files"])
        chosen = SourceSettings(
            id=options["name"] or "adhoc-files", kind="files", files=files, format=options["format_"]
        )
    seconds = options["seconds"]
    if seconds is not None and not math.isfinite(seconds):
        raise InvalidInput(f"--seconds is {seconds}; it is a number above 0.", field="--seconds")
    token(chosen.id, "--id")
    return chosen if pace is None else msgspec.structs.replace(chosen, acceleration=pace)


async def _record(
    settings: Settings, chosen: SourceSettings, options: dict[str, Any]
) -> RecordingCompleted | RecordingAbandoned:
    import msgspec

    from api.cli.running import reached
    from engine.recordings.segments import Segments
    from engine.sources.lease import Lease, LeaseTimes
    from engine.sources.run import SourceRun
    from engine.sources.source import Source, feed_of
    from events.errors import Conflict
    from events.jetstream.keys import JetStreamKeys
    from events.jetstream.streams import LIVENESS

    source = msgspec.convert(msgspec.structs.asdict(chosen), Source)
    await asyncio.to_thread(lambda: feed_of(source, 0).survey())  # what cannot be played appends nothing
    async with reached(settings) as line:
        keys = await JetStreamKeys.open(line.link, LIVENESS, clock=line.clock)
        segments = Segments(line.places.segments, line.tape.epoch)
        played = SourceRun(line.tape, line.clock, source, segments)
        lease = Lease(keys, line.clock, source.id)
        if not await lease.take():
            raise Conflict(
                f"Source {source.id} runs already.",
                field="source",
                hint="A session holds it; its rows are being recorded.",
            )
        keeping = asyncio.create_task(lease.keep(LeaseTimes(), played.stop))
        try:
            return await _until_over(played, options["seconds"], options["rows"])
        finally:
            keeping.cancel()
            await lease.release()


async def _until_over(
    played: SourceRun, seconds: float | None, rows: int | None
) -> RecordingCompleted | RecordingAbandoned:
    running = asyncio.ensure_future(played.run())
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds if seconds else None
    with progress(f"recording {played.source.id}", "rows") as bar:
        try:
            while not running.done():
                await asyncio.wait({running}, timeout=LOOK_SECONDS)
                if played.rows:
                    bar(played.rows, rows)
                if (deadline and loop.time() >= deadline) or (rows and played.rows >= rows):
                    played.stop()
        except asyncio.CancelledError:  # Ctrl-C is how a recording is ended: it is completed in order
            played.stop()
    return await running


def _tell(ended: RecordingCompleted | RecordingAbandoned, as_json: bool) -> None:
    from events.clock import iso
    from events.facts import RecordingCompleted

    if as_json:
        import msgspec

        say_json(msgspec.structs.asdict(ended))
    elif isinstance(ended, RecordingCompleted):
        say(f"{ended.recording}  {ended.rows:,} rows, {iso(ended.first_event_ns)} to {iso(ended.last_event_ns)}")
    else:
        say(f"{ended.recording}  abandoned: {ended.reason}")
