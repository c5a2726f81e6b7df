"""Contracts 003 and 004: signals of live and paper sessions, newest first, and what led to each."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import Response, get, post
from litestar.di import NamedDependency, Provide
from litestar.params import JSONBody, PathParameter, QueryParameter
from msgspec import UNSET, Meta, UnsetType

from api.house import House
from api.reading.asking import TEXT_MAX, Symbol, ns_of
from api.reading.reader import Moment, answered
from api.reading.signals import Signal, signal_of
from api.services.signal_causes import Cause, cause_of
from events.errors import Unknown
from events.facts import SessionSpec
from projections.duckdb.store import Snapshot
from projections.read_models.answers import cursor_of
from projections.read_models.sessions import spec as spec_of
from projections.read_models.signals import SignalFilter, SignalRow, newest_signals
from projections.read_models.signals import signal as signal_row

LIMIT_MAX = 500
SignalId = Annotated[str, PathParameter(description="session and ordinal of a signal", max_length=TEXT_MAX)]
Limit = Annotated[int, QueryParameter(ge=1, le=LIMIT_MAX, description="signals of the page")]
CursorText = Annotated[str | None, QueryParameter(description="nextCursor of the page before", max_length=TEXT_MAX)]
MinScore = Annotated[float | None, QueryParameter(ge=-1, le=1, description="least confidence: the score without sign")]
Since = Annotated[str | None, QueryParameter(description="from this event time on, ISO 8601", max_length=TEXT_MAX)]


class Signals(msgspec.Struct, frozen=True):
    """A page of signals, the newest on the tape first. `nextCursor` is not there on the last page."""

    signals: list[Signal]
    total: Annotated[int, Meta(description="signals of all pages")]
    nextCursor: str | UnsetType = UNSET  # noqa: N815 - the contract's name


class SignalDetail(msgspec.Struct, frozen=True):
    """One signal with what led to it."""

    id: str
    symbol: str
    time: str | None
    score: float
    side: str
    pattern: str
    meta: dict[str, Any]
    session: Annotated[dict[str, Any], Meta(description="mode, user, and the strategy's parameters")]
    cause: Annotated[Cause | None, Meta(description="the market row; null where it lies too far back to be searched")]


class Wanted(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """Which signals, as the query parameters of `GET /api/signals`."""

    symbol: Annotated[str, Meta(max_length=TEXT_MAX)] | None = None
    min_score: Annotated[float, Meta(ge=-1, le=1)] | None = None
    since: Annotated[str, Meta(max_length=TEXT_MAX)] | None = None
    limit: Annotated[int, Meta(ge=1, le=LIMIT_MAX)] = 50
    cursor: Annotated[str, Meta(max_length=TEXT_MAX)] | None = None


def provide_wanted(
    limit: Limit = 50,
    cursor: CursorText = None,
    symbol: Symbol = None,
    minScore: MinScore = None,  # noqa: N803 - the contract's name
    since: Since = None,
) -> Wanted:
    """Which signals a query asks for."""
    return Wanted(symbol, minScore, since, limit, cursor)


@get("/api/signals")
async def list_signals(
    house: NamedDependency[House], at: NamedDependency[Moment], signals_wanted: NamedDependency[Wanted]
) -> Response[Signals]:
    """Signals of live and paper sessions; those of a backtest are its session's."""
    return await _page(house, at, signals_wanted)


@post("/api/signals/filter", status_code=200)
async def filter_signals(
    data: JSONBody[Wanted], house: NamedDependency[House], at: NamedDependency[Moment]
) -> Response[Signals]:
    """The same by a body. It changes nothing, so it needs no token on loopback."""
    return await _page(house, msgspec.structs.replace(at, key=None), data)


@get("/api/signals/{signal_id:str}")
async def one_signal(
    signal_id: SignalId, house: NamedDependency[House], at: NamedDependency[Moment]
) -> Response[SignalDetail]:
    """One signal, of a backtest too, with the market row that led to it."""
    session, _, ordinal = signal_id.rpartition("-")
    if not (session and ordinal.isdecimal() and ordinal.isascii() and len(ordinal) <= 18):
        raise Unknown(f"Signal not found: {signal_id[:64]!r}.", field="id")

    def work(snapshot: Snapshot) -> tuple[SignalRow, SessionSpec]:
        return signal_row(snapshot, session, int(ordinal)), spec_of(snapshot, session)

    try:
        found = await house.reader.run(work, at)
    except Unknown as error:
        raise error.at("id") from None
    row, spec = found.value
    cause = await cause_of(house.tape, spec, row)
    lane = next((one for one in spec.strategies if one.strategy == row.strategy), None)
    told = {"mode": spec.mode, "user": spec.user, "strategy": row.strategy, "params": lane.params if lane else {}}
    told["timeframe"] = lane.timeframe if lane else ""
    one = signal_of(row, house.lookups.registry.typical_strengths)
    body = SignalDetail(one.id, one.symbol, one.time, one.score, one.side, one.pattern, one.meta, told, cause)
    return answered(body, found.sequence, found.epoch)


async def _page(house: House, at: Moment, wanted: Wanted) -> Response[Signals]:
    cursor, since = cursor_of(wanted.cursor), ns_of(wanted.since, "since")
    which = SignalFilter(symbol=wanted.symbol, confidence_min=max(0.0, wanted.min_score or 0.0), since_ns=since)

    typical = house.lookups.registry.typical_strengths

    def work(snapshot: Snapshot) -> Signals:
        found = newest_signals(snapshot, which, typical, cursor, wanted.limit)
        following: str | UnsetType = UNSET if found.next is None else str(found.next)
        return Signals([signal_of(row, typical) for row in found.rows], found.total, following)

    return await house.reader.one(work, at)


DEPENDENCIES = {"signals_wanted": Provide(provide_wanted, sync_to_thread=False)}
HANDLERS = [list_signals, filter_signals, one_signal]
