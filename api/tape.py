"""The tape itself: what it is, its events page by page, and as a stream."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import Request, get
from litestar.params import Parameter
from litestar.response import Stream

from api.house import House
from api.streams.wording import Filter, word
from events import subjects
from events.clock import iso
from events.errors import InvalidInput

SCAN_MESSAGES_MAX = 20_000  # messages looked at for one filtered page

Kinds = Annotated[str, Parameter(description="fact types or frame kinds, comma-separated", max_length=512)]
After = Annotated[int, Parameter(ge=0, description="a sequence; events behind it")]


class TapeInfoBody(msgspec.Struct):
    """What the log says of itself."""

    epoch: str
    first_sequence: int
    last_sequence: int
    messages: int
    size_bytes: int
    created_at: str
    stream_clients: int


class EventPage(msgspec.Struct):
    """Events in order. `next_cursor` is the `after` of the next page, null at the end of the tape."""

    events: list[msgspec.Raw]
    next_cursor: int | None
    last_sequence: int
    epoch: str


@get("/api/tape/info")
async def info(house: House) -> TapeInfoBody:
    """Epoch, sequences and size of the tape."""
    found = await house.tape.info()
    return TapeInfoBody(
        found.epoch,
        found.first,
        found.last,
        found.messages,
        found.size_bytes,
        iso(found.created_ns),
        house.hub.clients,
    )


def _filter(session: str | None, kind: str, instrument: int | None) -> Filter:
    if session is not None:
        subjects.token(session, "session")
    return Filter(session, frozenset(part for part in kind.split(",") if part), instrument)


def _subjects(session: str | None) -> tuple[str, ...]:
    if session is None:
        return (subjects.TAPE,)
    roots = (f"tape.session.{session}.>", f"tape.research.{session}.>")
    return (*roots, subjects.session_commands(session))


@get("/api/tape/events")
async def events(
    house: House,
    session: str | None = None,
    kind: Kinds = "",
    instrument: int | None = None,
    after: After = 0,
    until: Annotated[int | None, Parameter(ge=0, description="last sequence of the range")] = None,
    limit: Annotated[int, Parameter(ge=1, le=1_000)] = 100,
) -> EventPage:
    """A page of events: filters by session, kind, instrument and range; the cursor is a sequence."""
    wanted = _filter(session, kind, instrument)
    found = await house.tape.info()
    end = min(found.last, until) if until is not None else found.last
    listed: list[msgspec.Raw] = []
    at, seen, more = after, 0, False
    if after < end:
        async for message in house.tape.read(after + 1, subjects=_subjects(session), end=end):
            event = word(message)
            seen += 1
            at = message.sequence
            if wanted.wants(event):
                listed.append(msgspec.Raw(event.data))
            if len(listed) >= limit or seen >= SCAN_MESSAGES_MAX:
                more = at < end
                break
    return EventPage(listed, at if more else None, found.last, found.epoch)


@get("/api/tape/stream", media_type="text/event-stream")
async def stream(
    request: Request[Any, Any, Any],
    house: House,
    session: str | None = None,
    kind: Kinds = "",
    instrument: int | None = None,
    after: Annotated[int | None, Parameter(ge=0, description="begin behind this sequence; none: from now on")] = None,
) -> Stream:
    """Server-sent events of the tape; `Last-Event-ID` resumes without a gap."""
    wanted = _filter(session, kind, instrument)
    last = request.headers.get("last-event-id")
    if last is not None:
        if not last.isdecimal() or len(last) > 18:
            raise InvalidInput("Last-Event-ID is a sequence.", field="Last-Event-ID")
        after = int(last)
    if after is not None and after > (await house.tape.info()).last:
        raise InvalidInput(f"Sequence {after} is beyond the tape's end.", field="after")
    house.hub.check_room()
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return Stream(house.hub.events(wanted, after), media_type="text/event-stream", headers=headers)


HANDLERS = [info, events, stream]
