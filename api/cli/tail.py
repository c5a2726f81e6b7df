"""`tapedeck tail`: the tape as it grows, one line a message."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import click

from api.cli.telling import json_option
from api.settings import Settings

if TYPE_CHECKING:
    from api.cli.running import Reached
    from api.streams.wording import Filter
    from events.tape import Message

BEFORE = 10  # messages shown before it follows
BODY_CHARACTERS = 160
QUEUE_MAX = 1_000  # messages waiting to be printed


@click.command("tail", epilog="Example: `tapedeck tail --session exec_20251118_150123_xyz789 --kind fill --json`")
@click.option("--session", help="Only this session: its facts, decisions and commands.")
@click.option("--kind", "kinds", multiple=True, help="Only this fact type or row kind (fill, SessionEnded, market).")
@click.option("--symbol", help="Only messages with rows of this instrument.")
@click.option(
    "--from",
    "first",
    type=click.IntRange(min=1),
    metavar="SEQUENCE",
    help="Begin here, at most at the next one.",
)
@click.option("-n", "--count", type=click.IntRange(min=1), help="End after so many messages.")
@click.option("--no-follow", is_flag=True, help="End at the end of the tape.")
@json_option
@click.pass_obj
def tail(settings: Settings, /, first: int | None, count: int | None, as_json: bool, **options: Any) -> None:
    """Print what is on the tape and follow it.

    Begins shortly before the end. With --json a JSON document a line, as the API's event stream has it.
    """
    from api.cli.running import run

    run(_tail(settings, first, count, as_json, options))


async def _tail(
    settings: Settings, first: int | None, count: int | None, as_json: bool, options: dict[str, Any]
) -> None:
    from api.cli.running import reached

    async with reached(settings) as line:
        wanted = await _filter(line, options)
        begin = _begin(first, (await line.tape.info()).last)
        printer = _Printer(wanted, count, as_json)
        if options["no_follow"]:
            async for message in line.tape.read(begin, subjects=wanted.subjects()):
                if not printer.show(message):
                    return
            return
        await _follow(line, begin, printer)


def _begin(first: int | None, last: int) -> int:
    """Where to begin. Raises InvalidInput: behind the next message, where nothing may come for ever."""
    from events.errors import InvalidInput

    if first is not None and first > last + 1:
        hint = f"Begin at {last + 1} to wait for the next message."
        raise InvalidInput(f"The tape ends at sequence {last}; {first} is beyond it.", field="from", hint=hint)
    return first or max(1, last - BEFORE + 1)


async def _follow(line: Reached, begin: int, printer: _Printer) -> None:
    queue: asyncio.Queue[Message] = asyncio.Queue(QUEUE_MAX)
    tail = await line.tape.tail(begin, queue.put, subjects=printer.wanted.subjects())
    ending = asyncio.ensure_future(tail.ended())
    try:
        while True:
            getting = asyncio.ensure_future(queue.get())
            await asyncio.wait([getting, ending], return_when=asyncio.FIRST_COMPLETED)
            if not getting.done():
                getting.cancel()
                ending.result()
                return
            if not printer.show(getting.result()):
                return
    finally:
        ending.cancel()
        await tail.close()


async def _filter(line: Reached, options: dict[str, Any]) -> Filter:
    """Raises Unknown: no such session or instrument. InvalidInput: no such kind."""
    from api.streams.wording import Filter
    from engine import catalogue
    from engine.sessions import history as histories
    from events.errors import InvalidInput

    unknown = sorted(set(options["kinds"]) - known_kinds())
    if unknown:
        raise InvalidInput(f"There is no kind {unknown[0]!r}. Kinds: {', '.join(sorted(known_kinds()))}.", field="kind")
    if options["session"]:
        await histories.find(line.tape, options["session"])
    number = None
    if options["symbol"]:
        number = (await catalogue.load(line.tape)).find(options["symbol"]).number
    return Filter(options["session"], frozenset(options["kinds"]), number, private=True)


def known_kinds() -> set[str]:
    """Fact and command types, kinds of rows, and `market` and `decision`."""
    from events.facts import COMMANDS, FACTS, users
    from events.rows import SectionKind

    hidden = users.FACTS  # on the vault, which is never shown
    types = {kind.__name__ for kind in (*COMMANDS, *FACTS) if kind not in hidden}
    return types | {kind.name.lower() for kind in SectionKind} | {"market", "decision"}


class _Printer:
    """Prints wanted messages, so many at most."""

    def __init__(self, wanted: Filter, count: int | None, as_json: bool) -> None:
        self.wanted = wanted
        self._left = count
        self._as_json = as_json

    def show(self, message: Message) -> bool:
        """One message; whether more may follow."""
        from api.streams.wording import word

        worded = word(message)
        if self.wanted.wants(worded):
            click.echo(worded.data.decode() if self._as_json else _line(worded.data))
            if self._left is not None:
                self._left -= 1
        return self._left is None or self._left > 0


def _line(data: bytes) -> str:
    import msgspec

    from api.streams.wording import Event

    event = msgspec.json.decode(data, type=Event)
    body = msgspec.json.encode(event.body).decode()
    if event.type in ("decision", "market"):
        body = _rows(event.body)
    cut = body if len(body) <= BODY_CHARACTERS else f"{body[:BODY_CHARACTERS]} ..."
    return f"{event.sequence:>8}  {event.appended_at[11:23]}  {event.subject}  {event.type}  {cut}"


def _rows(body: dict[str, Any]) -> str:
    parts = [f"{kind['rows_total']:,} {name}" for name, kind in body.items() if isinstance(kind, dict)]
    for name in ("fill", "signal", "order"):
        for row in (body.get(name) or {}).get("rows", [])[:2]:
            shown = {field: row[field] for field in ("side", "quantity", "price", "code") if field in row}
            parts.append(f"{name} {shown}")
    return ", ".join(parts)
