"""Signals: what strategies said."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from events.errors import Unknown
from events.rows import Rows, SectionKind
from projections.duckdb.store import Snapshot
from projections.read_models.answers import (
    CODES,
    SIDES,
    SIGNAL_KINDS,
    Cursor,
    Listed,
    Listing,
    Page,
    Scope,
    Walked,
    Where,
    number_of,
)
from projections.read_models.row_tables import RowTable


class Signals(RowTable):
    """Applies SIGNAL sections."""

    def __init__(self) -> None:
        super().__init__("signals", SectionKind.SIGNAL)


# --- queries ------------------------------------------------------------------------------------------------------


class SignalRow(msgspec.Struct, frozen=True, kw_only=True):
    """One signal. Prices in quote currency, times in ns UTC."""

    session: str
    strategy: str
    symbol: str
    lane: int
    ordinal: int
    sequence: int
    index: int
    input: int
    ts_event_ns: int
    price: float
    strength: float
    kind: str
    side: str
    code: str


_LISTING = Listing(
    "signals",
    SignalRow,
    ("lane", "ordinal", "sequence", "row_index", "input", "ts_event_ns", "price", "strength", "kind", "side", "code"),
    ("sequence", "ordinal"),
    {"kind": SIGNAL_KINDS, "side": SIDES, "code": CODES},
)


def signals(snapshot: Snapshot, scope: Scope | None = None, page: Page | None = None) -> Listed[SignalRow]:
    """Signals in the order of the tape. Raises Unknown."""
    where = Where(snapshot.made("signals"))
    (scope or Scope()).narrow(snapshot, where, "signals")
    return _LISTING.page(snapshot, where, page or Page())


class SignalFilter(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which signals of live and paper sessions."""

    symbol: str | None = None
    confidence_min: float = 0.0  # the score without its sign: see `score_of`
    since_ns: int | None = None  # event time, inclusive


def row_of(one: Rows, session: str, strategy: str, symbol: str, place: tuple[int, int, int]) -> SignalRow:
    """A row of a SIGNAL section as the table gives it. `place` is its ordinal, sequence and index."""
    return SignalRow(
        session=session,
        strategy=strategy,
        symbol=symbol,
        lane=int(one["lane"]),
        ordinal=place[0],
        sequence=place[1],
        index=place[2],
        input=int(one["input"]),
        ts_event_ns=int(one["ts_event_ns"]),
        price=float(one["price"]),
        strength=float(one["strength"]),
        kind=SIGNAL_KINDS[int(one["kind"])],
        side=SIDES[int(one["side"])],
        code=CODES[int(one["code"])],
    )


# The strength that scores a half, by strategy, in the unit of the strategy's strengths; of one not named it is 1.
Typical = Mapping[str, float]


def score_of(row: SignalRow, typical: Typical) -> float:
    """From -1 (sell) over 0 (no side) to 1 (buy): the side, times s / (1 + s); s: strength over the typical one."""
    sign = {"buy": 1.0, "sell": -1.0}.get(row.side, 0.0)
    ratio = abs(row.strength) / typical.get(row.strategy, 1.0)
    return sign * (ratio / (1.0 + ratio))


def _scoring(where: Where, least: float, typical: Typical) -> None:
    """Only signals whose score without its sign is `least` or more: `score_of` in SQL, rounded alike."""
    cases = " ".join("WHEN ? THEN CAST(? AS DOUBLE)" for _ in typical)
    unit = f"CASE lanes.strategy {cases} ELSE 1.0::DOUBLE END" if typical else "1.0::DOUBLE"
    ratio = f"(abs(signals.strength) / {unit})"
    values = [value for pair in typical.items() for value in pair]
    where.add(
        "side <> 0 AND EXISTS (FROM lanes WHERE lanes.session = signals.session AND lanes.lane = signals.lane"
        f" AND {ratio} / (1.0::DOUBLE + {ratio}) >= ?)",
        *values,
        *values,
        least,
    )


def newest_signals(
    snapshot: Snapshot, wanted: SignalFilter, typical: Typical, cursor: Cursor | None, limit: int
) -> Walked[SignalRow]:
    """Signals of live and paper sessions, the newest on the tape first."""
    where = Where(snapshot.made("signals"))
    Scope(symbol=wanted.symbol, from_ns=wanted.since_ns).narrow(snapshot, where, "signals")
    if wanted.confidence_min > 0.0:
        _scoring(where, wanted.confidence_min, typical)
    return _LISTING.walk(snapshot, where, cursor, limit)


def signal(snapshot: Snapshot, session: str, ordinal: int) -> SignalRow:
    """One signal of a session, research or not. Raises Unknown."""
    where = Where(snapshot.made("signals"))
    where.add("session = ?", number_of(snapshot, session))
    where.add("ordinal = ?", ordinal)
    found = _LISTING.page(snapshot, where, Page(limit=1)).rows
    if not found:
        raise Unknown(f"Session {session[:64]!r} has no signal {ordinal} as of {snapshot.sequence}.", field="id")
    return found[0]


def signal_rows(snapshot: Snapshot, session: str, scope: Scope | None = None) -> Rows:
    """SIGNAL_DTYPE[n] of a session, in ordinal order. Raises Unknown, LimitReached."""
    return Signals().export(snapshot, session, scope)
