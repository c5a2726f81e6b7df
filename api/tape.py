"""The tape itself: what it is, its events page by page, and as a stream."""

from __future__ import annotations

from contextlib import suppress
from typing import Annotated, Any

import msgspec
from litestar import Request, Response, get
from litestar.di import NamedDependency, Provide
from litestar.params import HeaderParameter, QueryParameter
from msgspec import Meta

from api.access import caller_of, still_the_same
from api.auth.users import Role
from api.front import extend
from api.house import House
from api.reading.asking import TEXT_MAX, AsOf, MinSequence
from api.reading.reader import Moment, TapeMoment, answered, tape_moment
from api.streams.response import EventStream
from api.streams.wording import Filter, kinds_in, word
from events import subjects
from events.clock import iso
from events.errors import InvalidInput, ReadModelUnavailable
from projections.read_models.instruments import instrument as known_instrument

STALLED_SECONDS_MAX = 10.0  # how long a client that fell behind may take nothing
SCAN_MESSAGES_MAX = 20_000  # messages looked at for one filtered page
SCAN_BYTES_MAX = 64 * 1024 * 1024  # of them
SEQUENCE_MAX = 2**62
KINDS_MAX = 512
LAST_EVENT_ID = "Last-Event-ID"

After = Annotated[int, QueryParameter(ge=0, le=SEQUENCE_MAX, description="a sequence; events behind it")]
Kinds = Annotated[
    str,
    QueryParameter(
        description="fact types, frame kinds, `market` or `decision`, comma-separated", max_length=KINDS_MAX
    ),
]


class TapeInfoBody(msgspec.Struct, frozen=True):
    """What the log says of itself."""

    epoch: Annotated[str, Meta(description="id of this tape; another one means another log")]
    first_sequence: int
    last_sequence: int
    messages: int
    size_bytes: int
    created_at: str
    stream_clients: Annotated[int, Meta(description="event streams that this process serves")]


class EventPage(msgspec.Struct, frozen=True):
    """Events in order. `next_cursor` is the `after` of the next page, null at the end."""

    events: list[dict[str, Any]]
    next_cursor: int | None
    last_sequence: int
    epoch: str


@get("/api/tape/info")
async def info(house: NamedDependency[House]) -> Response[TapeInfoBody]:
    """Epoch, sequences and size of the tape."""
    found = await house.tape.info()
    body = TapeInfoBody(
        found.epoch,
        found.first,
        found.last,
        found.messages,
        found.size_bytes,
        iso(found.created_ns),
        house.hub.clients,
    )
    return answered(body, found.last, found.epoch)


@get("/api/tape/events")
async def events(
    house: NamedDependency[House],
    wanted: NamedDependency[Filter],
    stretch: NamedDependency[TapeMoment],
    after: After = 0,
    limit: Annotated[int, QueryParameter(ge=1, le=1_000, description="events of the page")] = 100,
) -> Response[EventPage]:
    """A page of events: filters by session, kind, instrument and range; the cursor is a sequence.

    A page looks at 20,000 messages and 64 MiB at most: with a narrow filter it may be short and still have a cursor.
    """
    end = stretch.sequence
    listed: list[Any] = []
    at, seen, size, more = after, 0, 0, False
    if after < end:
        async for message in house.tape.read(after + 1, subjects=wanted.subjects(), end=end):
            event = word(message)
            seen, size = seen + 1, size + len(message.body)
            at = message.sequence
            if wanted.wants(event):
                listed.append(msgspec.Raw(event.data))
            if len(listed) >= limit or seen >= SCAN_MESSAGES_MAX or size >= SCAN_BYTES_MAX:
                more = at < end
                break
    page = EventPage(listed, at if more else None, stretch.last, stretch.epoch)
    return answered(page, end, stretch.epoch)


@get("/api/tape/stream", media_type="text/event-stream")
async def stream(
    request: Request[Any, Any, Any],
    house: NamedDependency[House],
    wanted: NamedDependency[Filter],
    after: Annotated[
        int | None, QueryParameter(ge=0, le=SEQUENCE_MAX, description="begin behind it; without: from now on")
    ] = None,
    last: Annotated[
        str | None,
        HeaderParameter(name=LAST_EVENT_ID, description="resume behind this event; no gap, no repeat", max_length=64),
    ] = None,
) -> EventStream:
    """Server-sent events of the tape, each with its sequence as `id`; comments as heartbeats.

    A client that does not keep up is sent `dropped` and let go: it comes back with `Last-Event-ID` and misses nothing.
    """
    field = "after" if last is None else LAST_EVENT_ID
    if last is not None:
        if not (last.isascii() and last.isdecimal()) or len(last) > 18:
            raise InvalidInput(f"{LAST_EVENT_ID} is a sequence.", field=LAST_EVENT_ID)
        after = int(last)
    found = await house.tape.info()
    if after is not None and after > found.last:
        raise InvalidInput(f"Sequence {after} is beyond the tape's end, {found.last}.", field=field)
    house.hub.check_room()
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no", "Tape-Epoch": found.epoch}
    events = house.hub.events(wanted, after, lambda: extend(request.scope, STALLED_SECONDS_MAX))
    return EventStream(events, headers, still_the_same(request, house))


async def provide_filter(
    request: Request[Any, Any, Any],
    house: NamedDependency[House],
    session: Annotated[
        str | None, QueryParameter(description="only of this session, its commands included", max_length=TEXT_MAX)
    ] = None,
    kind: Kinds = "",
    instrument: Annotated[
        int | None, QueryParameter(ge=0, le=2**31 - 1, description="frames with rows of this instrument number")
    ] = None,
) -> Filter:
    """Which events: of a session, kinds and an instrument that there are.

    Who did what, and jobs, which are each user's own, are shown to admins only.
    """
    kinds = kinds_in(kind)
    if session is not None:
        subjects.token(session, "session")
    with suppress(ReadModelUnavailable):  # the tape is read without it
        if session is not None:
            await house.reader.check_session(session)
        if instrument is not None:
            await house.reader.run(lambda snapshot: known_instrument(snapshot, instrument), Moment())
    identity = caller_of(request).identity
    admin = identity is not None and identity.role.includes(Role.ADMIN)
    return Filter(session, kinds, instrument, admin)


async def provide_until(
    house: NamedDependency[House],
    until: Annotated[
        int | None, QueryParameter(ge=0, le=SEQUENCE_MAX, description="last sequence of the range")
    ] = None,
    as_of: AsOf = None,
    min_sequence: MinSequence = None,
) -> TapeMoment:
    """Where the range ends."""
    found = await tape_moment(house.tape, as_of, min_sequence)
    return found if until is None else found._replace(sequence=min(found.sequence, until))


DEPENDENCIES = {"wanted": Provide(provide_filter), "stretch": Provide(provide_until)}
HANDLERS = [info, events, stream]
