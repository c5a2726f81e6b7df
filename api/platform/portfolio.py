"""Contract 001: the portfolio now and its history."""

from __future__ import annotations

from typing import Annotated

import msgspec
from litestar import Response, get
from litestar.di import NamedDependency
from litestar.params import QueryParameter
from msgspec import Meta

from api.house import House
from api.reading.reader import Moment, answered
from api.reading.wording import instant, instant_of
from api.services.portfolio import Holding, holdings_of
from projections.duckdb.store import Snapshot
from projections.read_models.portfolio import daily_values, total

DAYS_MAX = 3_650

Days = Annotated[int, QueryParameter(ge=1, le=DAYS_MAX, description="of the last days with a value, so many")]


class Position(msgspec.Struct, frozen=True):
    """What one session holds of a symbol; prices and profit in quote currency, before fees."""

    symbol: str
    side: Annotated[str, Meta(description="long or short")]
    quantity: Annotated[float, Meta(description="base units, above 0")]
    entry_price: float
    current_price: Annotated[float, Meta(description="the newest of its source; else that of its last fill")]
    pnl: float
    pnl_pct: Annotated[float, Meta(description="percent of what it cost")]
    opened_at: str | None
    session_id: str
    strategy: str


class Portfolio(msgspec.Struct, frozen=True):
    """All running paper and live sessions as one account, quote currency; percents are 0 where nothing is there."""

    total_value: float
    cash: float
    positions: list[Position]
    daily_pnl: Annotated[float, Meta(description="since midnight UTC of each session's event time")]
    daily_pnl_pct: float
    total_pnl: Annotated[float, Meta(description="since the sessions began")]
    total_pnl_pct: float


class Worth(msgspec.Struct, frozen=True):
    """Value at the end of a day, or so far."""

    date: str
    value: float


@get("/portfolio")
async def portfolio(house: NamedDependency[House], at: NamedDependency[Moment]) -> Response[Portfolio]:
    """What all running sessions are worth, hold and earned. Marked at fills and intervals; positions priced anew."""
    found = await holdings_of(house, at)
    worth, cash, day, brought = total(found.accounts)
    body = Portfolio(
        total_value=worth,
        cash=cash,
        positions=[_position(one) for one in found.holdings],
        daily_pnl=worth - day,
        daily_pnl_pct=_percent(worth - day, day),
        total_pnl=worth - brought,
        total_pnl_pct=_percent(worth - brought, brought),
    )
    return answered(body, found.sequence, found.epoch)


@get("/portfolio/history")
async def portfolio_history(
    house: NamedDependency[House], at: NamedDependency[Moment], days: Days = 30
) -> Response[list[Worth]]:
    """Worth of all running sessions at the end of each day (UTC, event time) on which one was marked; oldest first."""

    def work(snapshot: Snapshot) -> list[Worth]:
        return [Worth(instant_of(one.day_ns), one.value) for one in daily_values(snapshot, days)]

    return await house.reader.one(work, at)


def _position(one: Holding) -> Position:
    held = one.held
    return Position(
        symbol=held.symbol,
        side="long" if held.quantity > 0 else "short",
        quantity=abs(held.quantity),
        entry_price=held.entry_price,
        current_price=one.price,
        pnl=one.pnl,
        pnl_pct=_percent(one.pnl, abs(held.quantity) * held.entry_price),
        opened_at=instant(held.entry_ns),
        session_id=one.session,
        strategy=held.strategy,
    )


def _percent(part: float, whole: float) -> float:
    return 100.0 * part / whole if whole else 0.0


HANDLERS = [portfolio, portfolio_history]
