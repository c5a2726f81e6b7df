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
from api.services.portfolio import Holding, Total, holdings_of, totals
from projections.duckdb.store import Snapshot
from projections.read_models.portfolio_history import check_currency, daily_values

DAYS_MAX = 3_650
CURRENCY_MAX = 64

Days = Annotated[int, QueryParameter(ge=1, le=DAYS_MAX, description="of the last days with a value, so many")]
Currency = Annotated[
    str | None,
    QueryParameter(
        max_length=CURRENCY_MAX,
        description="one that an instrument is quoted in, whose totals are told; else that of most running sessions",
    ),
]


class Position(msgspec.Struct, frozen=True):
    """What one session holds of a symbol; prices and profit in quote currency, before fees."""

    symbol: str
    side: Annotated[str, Meta(description="long or short")]
    quantity: Annotated[float, Meta(description="base units, above 0")]
    entry_price: float
    current_price: Annotated[float, Meta(description="the newest that its session has read, or that its source has")]
    price_time: Annotated[str | None, Meta(description="of `current_price`, event time")]
    pnl: float
    pnl_pct: Annotated[float, Meta(description="percent of what it cost")]
    opened_at: str | None
    session_id: str
    strategy: str
    reason: Annotated[str | None, Meta(description="why `current_price` is older than it could be; else null")]


class Sums(msgspec.Struct, frozen=True, kw_only=True):
    """All running paper and live sessions of one currency as one account; percents are 0 where nothing is there."""

    currency: Annotated[str, Meta(description="quote currency of the sessions' instruments")]
    total_value: Annotated[float, Meta(description="what the sessions are worth: cash, and what they hold")]
    cash: float
    positions: list[Position]
    daily_pnl: Annotated[float, Meta(description="since midnight UTC of each session's event time")]
    daily_pnl_pct: float
    total_pnl: Annotated[float, Meta(description="since the sessions began")]
    total_pnl_pct: float


class Portfolio(Sums, frozen=True, kw_only=True):
    """What the sessions of one currency come to. Different currencies are never added up."""

    others: Annotated[list[Sums], Meta(description="the same of each other currency")]


class Worth(msgspec.Struct, frozen=True):
    """Value at the end of a day, or so far."""

    date: str
    value: float
    currency: str


@get("/portfolio")
async def portfolio(
    house: NamedDependency[House], at: NamedDependency[Moment], currency: Currency = None
) -> Response[Portfolio]:
    """What all running sessions are worth, hold and earned, by currency, each at the newest prices it has read."""
    if currency is not None:
        await house.reader.run(lambda snapshot: check_currency(snapshot, currency), at)
    found = await holdings_of(house, at)
    first, *others = (_sums(one) for one in totals(found.accounts, currency))
    body = Portfolio(others=others, **msgspec.structs.asdict(first))
    return answered(body, found.sequence, found.epoch)


@get("/portfolio/history")
async def portfolio_history(
    house: NamedDependency[House], at: NamedDependency[Moment], days: Days = 30, currency: Currency = None
) -> Response[list[Worth]]:
    """Worth of all sessions of a currency at the end of each day (UTC, event time) on which one was marked.

    Oldest first. A session that has ended counts on the days on which it ran.
    """

    def work(snapshot: Snapshot) -> list[Worth]:
        if currency is not None:
            check_currency(snapshot, currency)
        chosen, values = daily_values(snapshot, days, currency)
        return [Worth(instant_of(one.day_ns), one.value, chosen) for one in values]

    return await house.reader.one(work, at)


def _sums(one: Total) -> Sums:
    return Sums(
        currency=one.currency,
        total_value=one.worth,
        cash=one.cash,
        positions=[_position(each) for each in one.holdings],
        daily_pnl=one.worth - one.day,
        daily_pnl_pct=_percent(one.worth - one.day, one.day),
        total_pnl=one.worth - one.brought,
        total_pnl_pct=_percent(one.worth - one.brought, one.brought),
    )


def _position(one: Holding) -> Position:
    held = one.held
    return Position(
        symbol=held.symbol,
        side="long" if held.quantity > 0 else "short",
        quantity=abs(held.quantity),
        entry_price=held.entry_price,
        current_price=one.price.value,
        price_time=instant(one.price.ts_event_ns),
        pnl=one.pnl,
        pnl_pct=_percent(one.pnl, abs(held.quantity) * held.entry_price),
        opened_at=instant(held.entry_ns),
        session_id=one.session,
        strategy=held.strategy,
        reason=one.price.reason,
    )


def _percent(part: float, whole: float) -> float:
    return 100.0 * part / whole if whole else 0.0


HANDLERS = [portfolio, portfolio_history]
