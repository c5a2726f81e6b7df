"""Contract 000: session control. Strategies, symbols with prices, recorded sessions, start and stop.

Its bodies stand in an envelope `{type: "response", data}`, but for the list of recorded sessions.
"""

from __future__ import annotations

from typing import Annotated, Any, Generic, Literal, TypeVar

import msgspec
from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import HeaderParameter, JSONBody, QueryParameter
from msgspec import Meta

from api.access import user_of
from api.house import House
from api.raw_path import slashed
from api.reading.asking import TEXT_MAX
from api.reading.reader import Moment, answered, places
from api.reading.wording import instant, instant_of
from api.services.acting import IDEMPOTENCY_KEY, Done, Start, act, check_command, start
from api.services.configuration import current
from api.services.prices import SymbolPrice
from api.services.replaced import Replaced, replaced_by
from api.services.strategy_items import StrategyItem, items
from api.services.strategy_list import StrategyEntry, strategy_list
from api.services.symbols import symbols_of
from api.session_fields import in_contract
from api.session_request import StartRequest, hash_of, wish_of
from events.clock import NS_PER_SECOND
from events.errors import Conflict, InvalidInput, NotAvailable, Unknown
from events.facts import StopSession
from projections.duckdb.store import Snapshot
from projections.read_models.answers import Page
from projections.read_models.recorded import RecordedRow, recorded

T = TypeVar("T")

DATA_TYPES = {"trade": "tick_prices", "bid": "quotes", "ask": "quotes", "book_set": "orderbook"}
DATA_TYPES |= {"book_delete": "orderbook", "bar": "candles"}
STATUSES = {"open": "running", "complete": "completed", "abandoned": "failed"}
STEPS = ((86_400, "d"), (3_600, "h"), (60, "m"), (1, "s"))

Key = Annotated[
    str | None,
    HeaderParameter(
        name=IDEMPOTENCY_KEY,
        description="a key of your own: a repeat with it is answered as the first time, and nothing is done twice",
        max_length=TEXT_MAX,
    ),
]


class Enveloped(msgspec.Struct, Generic[T], frozen=True):
    """A success of contract 000."""

    data: T
    type: Literal["response"] = "response"


class Strategies(msgspec.Struct, frozen=True):
    """All strategies."""

    strategies: list[StrategyEntry]


class Symbols(msgspec.Struct, frozen=True):
    """Every registered symbol with its newest price."""

    symbols: list[SymbolPrice]


class RecordedSession(msgspec.Struct, frozen=True):
    """A recording or a collect session. Times are those of its rows; while it runs, of its opening."""

    session_id: str
    symbols: list[str]
    data_types: list[str]
    status: Annotated[str, Meta(description="running, completed or failed")]
    start_time: str | None
    end_time: str | None
    records_collected: Annotated[
        int,
        Meta(description="rows; while it runs those told last, at most every five seconds"),
    ]
    duration: str | None
    source: str
    description: str


class RecordedSessions(msgspec.Struct, frozen=True):
    """The newest recordings first."""

    sessions: list[RecordedSession]
    total_count: int
    limit: int


class StartedSession(msgspec.Struct, frozen=True):
    """A session that runs."""

    session_id: str
    session_type: str
    symbols: tuple[str, ...]
    replaced: Annotated[
        list[Replaced], Meta(description="sessions that this start ended, and what they still held")
    ] = []


class StoppedSession(msgspec.Struct, frozen=True):
    """A session that was told to stop."""

    session_id: str


class Outcome(msgspec.Struct, Generic[T], frozen=True):
    """What became of a command."""

    status: str
    data: T


class StopRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which session to stop."""

    session_id: Annotated[str, Meta(min_length=1, max_length=64)]


def done(body: Any, how: Done, house: House) -> Response[Any]:
    """The answer to a command: its sequence is what to read from on, its key what to repeat it with."""
    headers = {**places(how.sequence, house.reader.epoch), IDEMPOTENCY_KEY: how.key}
    return Response(body, headers=headers)


@get("/api/strategies", opt={"role": "viewer", "slash": "open"})
async def strategies(
    request: Request[Any, Any, Any], house: NamedDependency[House], at: NamedDependency[Moment]
) -> Response[Enveloped[Strategies] | list[StrategyItem]]:
    """All strategies: the kinds of this installation and those that are configured.

    With a trailing slash it is contract 001's list: configured strategies only, bare, without a token.
    """
    if slashed(request.scope):
        return await house.reader.one(items, at)
    registry = house.lookups.registry
    return await house.reader.one(lambda snapshot: Enveloped(Strategies(strategy_list(registry, snapshot))), at)


@get("/api/exchange/symbols")
async def exchange_symbols(house: NamedDependency[House], at: NamedDependency[Moment]) -> Response[Enveloped[Symbols]]:
    """Every registered symbol with its newest price and its last 24 hours; kept for five minutes.

    A symbol that was not traded yet is listed with zeros. `timestamp` is when the prices were fetched; while the market
    store is away that is the last time it answered, or prices are null with the reason. While prices are missing or the
    market store is far behind, the list is kept for five seconds only.
    """
    found = await house.prices.find(at)
    return answered(Enveloped(Symbols(found.symbols)), found.sequence, found.epoch)


@get("/api/data-collection/sessions")
async def recorded_sessions(
    house: NamedDependency[House],
    at: NamedDependency[Moment],
    limit: Annotated[int, QueryParameter(ge=1, le=1_000, description="sessions listed")] = 50,
) -> Response[RecordedSessions]:
    """Recordings, newest first; a collect session is listed by its id from its start. A completed one can be named in
    `config.session_id` of a backtest or a re-paced paper session.
    """

    def work(snapshot: Snapshot) -> RecordedSessions:
        found = recorded(snapshot, page=Page(limit=limit, newest_first=True))
        return RecordedSessions([_recorded(row) for row in found.rows], found.total, limit)

    return await house.reader.one(work, at)


@get("/symbols")
async def symbols(house: NamedDependency[House], at: NamedDependency[Moment]) -> Response[list[str]]:
    """Every registered symbol, as a bare list."""

    return await house.reader.one(lambda snapshot: symbols_of(snapshot, "all"), at)


@post("/sessions/start", status_code=200, opt={"role": "trader", "csrf": True})
async def start_session(
    data: JSONBody[StartRequest], request: Request[Any, Any, Any], house: NamedDependency[House], key: Key = None
) -> Response[Enveloped[Outcome[StartedSession]]]:
    """Start a session. The same user's running session of the same type is stopped first; with `idempotent` and the
    same body it is answered instead, but where it is suspended. `live` is refused: no venue is configured.
    """
    user = user_of(request).user
    configured = (await current(house, Moment())).value.whole
    wish = wish_of(data, house.lookups.shelf, configured)
    try:
        how = await start(house, wish, user, key, Start(True, data.idempotent, hash_of(data)))
    except (InvalidInput, Unknown, Conflict, NotAvailable) as error:
        raise in_contract(error, data) from None
    started = StartedSession(how.session, data.session_type, data.symbols, await replaced_by(house, how))
    return done(Enveloped(Outcome("session_started", started)), how, house)


@post("/sessions/stop", status_code=200, opt={"role": "trader", "csrf": True})
async def stop_session(
    data: JSONBody[StopRequest], request: Request[Any, Any, Any], house: NamedDependency[House], key: Key = None
) -> Response[Enveloped[Outcome[StoppedSession]]]:
    """Stop a session; one that is over already is answered the same."""
    user = user_of(request).user
    await check_command(house, user_of(request), data.session_id, "session_id")
    how = await act(house, user, key, lambda made: StopSession(key=made, user=user, session=data.session_id))
    return done(Enveloped(Outcome("session_stopped", StoppedSession(data.session_id))), how, house)


def _recorded(row: RecordedRow) -> RecordedSession:
    whole = row.state == "complete"
    seconds = (row.last_event_ns - row.first_event_ns) // NS_PER_SECOND
    return RecordedSession(
        session_id=row.name,
        symbols=row.symbols,
        data_types=list(dict.fromkeys(DATA_TYPES.get(kind, kind) for kind in row.kinds)),
        status=STATUSES[row.state],
        start_time=instant_of(row.first_event_ns) if whole else instant(row.opened_ns),
        end_time=instant_of(row.last_event_ns) if whole else None,
        records_collected=row.rows,
        duration=duration(seconds) if whole else None,
        source=row.source,
        description=row.description,
    )


def duration(seconds: int) -> str:
    """The two largest units, such as `1h` or `19d 3h`."""
    parts: list[str] = []
    for length, unit in STEPS:
        count, seconds = divmod(seconds, length)
        if count or parts:
            parts.append(f"{count}{unit}" if count else "")
        if len(parts) == 2:
            break
    return " ".join(part for part in parts if part) or "0s"


HANDLERS = [strategies, exchange_symbols, recorded_sessions, symbols, start_session, stop_session]
