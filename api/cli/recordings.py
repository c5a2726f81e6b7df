"""`tapedeck recordings`: what was recorded, newest first, or one of it in full."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from api.cli.telling import json_option, say, say_json, say_table
from api.settings import Settings

if TYPE_CHECKING:
    from engine.recordings.shelf import Recording

LISTED = 50


@click.command("recordings", epilog="Example: `tapedeck recordings --symbol BTC-USD --json`")
@click.argument("recording", required=False)
@click.option("--symbol", help="Only recordings of this symbol.")
@click.option("-n", "--count", type=click.IntRange(1, 100_000), default=LISTED, show_default=True, help="At most.")
@json_option
@click.pass_obj
def recordings(settings: Settings, recording: str | None, symbol: str | None, count: int, as_json: bool) -> None:
    """List recordings, or show one.

    RECORDING is its id, or the beginning of it.
    """
    from api.cli.running import run

    found = run(_found(settings, recording))
    if symbol:
        found = [one for one in found if symbol in one.opened.symbols]
    found = found[:count]
    if as_json:
        say_json([_body(one) for one in found])
    elif recording:
        for name, value in _body(found[0]).items():
            say(f"{name + ':':<16}{', '.join(map(str, value)) if isinstance(value, list | tuple) else value}")
    elif found:
        say_table(("recording", "state", "rows>", "symbols", "from", "to", "description"), [_row(one) for one in found])
    elif symbol:
        say(f"No recording has {symbol}.")
    else:
        say("No recordings yet. `tapedeck import FILE` or `tapedeck record SOURCE` makes one.")


async def _found(settings: Settings, recording: str | None) -> list[Recording]:
    from api.cli.running import reached
    from engine.recordings import shelf

    async with reached(settings) as line:
        known = await shelf.load(line.tape)
    return [known.find(recording)] if recording is not None else list(reversed(known.recordings.values()))


def _row(one: Recording) -> tuple[str, ...]:
    body = _body(one)
    symbols = one.opened.symbols
    shown = ", ".join(symbols[:4]) + (f" +{len(symbols) - 4}" if len(symbols) > 4 else "")
    rows = f"{body['rows']:,}" if body["rows"] is not None else ""
    return (one.id, one.state, rows, shown, body["first"][:19], body["last"][:19], one.opened.description)


def _body(one: Recording) -> dict[str, Any]:
    from events.clock import iso

    opened, whole = one.opened, one.completed
    return {
        "recording": one.id,
        "state": one.state.value,
        "source": opened.source,
        "origin": opened.origin,
        "description": opened.description,
        "symbols": opened.symbols,
        "kinds": opened.kinds,
        "section": opened.section,
        "rows": whole.rows if whole else None,
        "first": iso(whole.first_event_ns) if whole else "",
        "last": iso(whole.last_event_ns) if whole else "",
        "content_hash": whole.content_hash if whole else "",
        "findings": whole.findings if whole else (),
        "opened": iso(opened.opened_ns),
    }
