"""The shapes of sessions and what they decided, as the API words them.

Money is in the session's quote currency, quantities in base units, ratios are shares of one, times ISO 8601 UTC.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from api.reading.reader import Listing
from api.reading.wording import Wording
from projections.read_models.denials import DenialRow
from projections.read_models.equity import MarkRow
from projections.read_models.fills import FillRow
from projections.read_models.orders import OrderRow
from projections.read_models.positions import PositionRow
from projections.read_models.sessions import SessionRow
from projections.read_models.signals import SignalRow
from projections.read_models.trades import TradeRow

Sequence = Annotated[int, Meta(description="of the message on the tape that says so")]
Index = Annotated[int, Meta(description="of the row within that message's section")]
Ordinal = Annotated[int, Meta(description="place among all rows of its kind in the session, 0 is the first")]
Input = Annotated[int, Meta(description="ordinal of the market row that caused it, 0 is the first")]
EventTime = Annotated[str | None, Meta(description="time of the market, not of the clock on the wall")]


class SessionBody(msgspec.Struct, frozen=True):
    """One session."""

    session: str
    name: str
    mode: Annotated[str, Meta(description="live, paper, backtest or collect")]
    state: Annotated[str, Meta(description="started, running, suspended, completed, stopped or failed")]
    user: str
    research: Annotated[bool, Meta(description="backtests and forks; lists leave them out unless asked for")]
    parent: Annotated[str | None, Meta(description="the session this one forks")]
    source: str
    recording: Annotated[str | None, Meta(description="null: the tail of the source")]
    symbols: list[str]
    strategies: list[str]
    cash: Annotated[float, Meta(description="at the start")]
    equity: Annotated[float | None, Meta(description="at the newest mark")]
    final_equity: float | None
    fills: int
    trades: Annotated[int, Meta(description="ended ones")]
    inputs: Annotated[int, Meta(description="market rows read so far, as far as it was written down")]
    engine: str
    claim: Annotated[int, Meta(description="how often an engine took it over")]
    code_hash: str
    decision_hash: Annotated[str, Meta(description="over everything it decided; empty until it has ended")]
    reason: Annotated[str, Meta(description="why it ended: completed, stopped or replaced")]
    error_code: str
    error_message: str
    started_time: str | None
    ended_time: str | None
    sequence: Annotated[int, Meta(description="of the session's start on the tape")]
    changed_at: Annotated[int, Meta(description="sequence of the last fact of its life")]


class SignalBody(msgspec.Struct, frozen=True):
    """What a strategy said."""

    session: str
    strategy: str
    symbol: str
    lane: int
    ordinal: Ordinal
    sequence: Sequence
    index: Index
    input: Input
    time: EventTime
    kind: str
    side: str
    price: float
    strength: Annotated[float, Meta(description="the strategy's own measure")]
    code: str


class OrderBody(msgspec.Struct, frozen=True):
    """The newest step of an order."""

    session: str
    strategy: str
    symbol: str
    lane: int
    order: Annotated[int, Meta(description="number within the session, 1 is the first")]
    kind: str
    side: str
    status: str
    time_in_force: str
    price: Annotated[float, Meta(description="limit; 0 where the kind has none")]
    stop_price: Annotated[float, Meta(description="stop, or distance of a trailing stop; 0 where the kind has none")]
    quantity: float
    filled: float
    code: str
    time: EventTime
    active_time: Annotated[str | None, Meta(description="from when it may be filled")]
    ordinal: Ordinal
    sequence: Sequence
    index: Index
    input: Input
    ended_at: Annotated[int | None, Meta(description="sequence of the step after this one")]


class FillBody(msgspec.Struct, frozen=True):
    """One execution of part of an order."""

    session: str
    strategy: str
    symbol: str
    lane: int
    order: int
    side: str
    price: float
    quantity: float
    fee: float
    realized: Annotated[float, Meta(description="profit of the part it closed, before fees")]
    position: Annotated[float, Meta(description="of the lane after it, signed")]
    cash: Annotated[float, Meta(description="of the account after it")]
    maker: bool
    code: str
    time: EventTime
    ordinal: Ordinal
    sequence: Sequence
    index: Index
    input: Input


class TradeBody(msgspec.Struct, frozen=True):
    """From the entry of a flat lane to its exit."""

    session: str
    strategy: str
    symbol: str
    lane: int
    side: str
    entry_time: str | None
    exit_time: str | None
    entry_price: float
    exit_price: float
    quantity: float
    fees: float
    pnl: Annotated[float, Meta(description="after fees")]
    return_ratio: float
    fills: int
    entry_order: int
    exit_order: int
    entry_code: str
    exit_code: str
    entry_sequence: int
    sequence: Sequence
    ordinal: Annotated[int, Meta(description="of the fill that ended it")]


class PositionBody(msgspec.Struct, frozen=True):
    """What one lane holds."""

    session: str
    strategy: str
    symbol: str
    lane: int
    side: Annotated[str, Meta(description="buy: long, sell: short, none: flat")]
    quantity: Annotated[float, Meta(description="signed")]
    entry_price: float
    entry_time: str | None
    last_price: Annotated[float, Meta(description="of the last fill")]
    last_time: str | None
    realized: float
    fees: float
    fills: int
    trades: int
    entry_sequence: int
    sequence: Sequence


class MarkBody(msgspec.Struct, frozen=True):
    """What the account was worth at one moment."""

    time: EventTime
    equity: Annotated[float, Meta(description="cash and positions at last prices")]
    cash: float
    exposure: float
    realized: float
    unrealized: float
    fees: float
    ordinal: Ordinal
    sequence: Sequence
    index: Index
    input: Input


class DenialBody(msgspec.Struct, frozen=True):
    """An order that our own risk check refused."""

    session: str
    strategy: str
    symbol: str
    lane: int
    kind: str
    side: str
    price: float
    quantity: float
    limit: Annotated[float, Meta(description="what was exceeded, in the unit of the limit")]
    code: str
    time: EventTime
    ordinal: Ordinal
    sequence: Sequence
    index: Index
    input: Input


SESSION = Wording(SessionRow, SessionBody, sequence=lambda row: row.started_at)
SIGNAL = Wording(SignalRow, SignalBody)
ORDER = Wording(OrderRow, OrderBody)
FILL = Wording(FillRow, FillBody)
TRADE = Wording(TradeRow, TradeBody)
POSITION = Wording(PositionRow, PositionBody)
MARK = Wording(MarkRow, MarkBody)
DENIAL = Wording(DenialRow, DenialBody)

SessionPage = Listing[SessionBody]
SignalPage = Listing[SignalBody]
OrderPage = Listing[OrderBody]
FillPage = Listing[FillBody]
TradePage = Listing[TradeBody]
PositionPage = Listing[PositionBody]
MarkPage = Listing[MarkBody]
DenialPage = Listing[DenialBody]
