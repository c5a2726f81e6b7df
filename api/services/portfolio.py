"""The portfolio with its current prices: what all running sessions hold, at the newest price of their sources."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import msgspec
import structlog

from api.house import House
from api.reading.reader import Moment
from events.errors import InvalidInput, ReadModelUnavailable
from projections.market_store import MarketStore
from projections.read_models.portfolio import Account, accounts, usual
from projections.read_models.positions import PositionRow
from projections.read_models.sessions import SessionRow

log = structlog.get_logger(__name__)

SOURCES_MAX = 32  # asked for prices in one answer; positions of others have the price of their last fill

Prices = dict[tuple[str, int | None], dict[int, float]]  # by source and sequence, then by instrument; quote currency


class Holding(NamedTuple):
    """An open position at its current price, quote currency."""

    session: str
    held: PositionRow
    price: float
    currency: str  # of its instrument

    @property
    def value(self) -> float:
        """Below 0 for a short one."""
        return self.held.quantity * self.price

    @property
    def pnl(self) -> float:
        """Before fees."""
        return self.held.quantity * (self.price - self.held.entry_price)


class Priced(NamedTuple):
    """A running session's account and what it holds at current prices."""

    account: Account
    holdings: list[Holding]


class Total(msgspec.Struct, frozen=True):
    """All accounts of one currency as one."""

    currency: str
    cash: float
    worth: float  # cash, and positions at their current prices
    day: float  # worth at the start of the day
    brought: float  # the cash that they began with
    holdings: list[Holding]


class Held(NamedTuple):
    """All accounts and what they hold, as of a sequence."""

    accounts: list[Priced]
    sequence: int
    epoch: str

    @property
    def holdings(self) -> list[Holding]:
        """Of all accounts."""
        return [one for account in self.accounts for one in account.holdings]


async def holdings_of(house: House, at: Moment) -> Held:
    """What all running sessions hold. A price that is not known is that of the position's last fill."""
    found = await house.reader.run(accounts, at)
    prices = await _prices(house.market, found.value, at.sequence)
    return Held([_priced(one, prices, at.sequence) for one in found.value], found.sequence, found.epoch)


def totals(accounts: Iterable[Priced], chosen: str | None = None) -> list[Total]:
    """Accounts by currency, one sum each: different currencies are never added up.

    The first is the chosen one, also where no session has it; else that of most sessions. There is always a first.
    """
    found = list(accounts)
    first = usual(one.account.currency for one in found) if chosen is None else chosen
    names = dict.fromkeys([first, *(one.account.currency for one in found)])
    return [_total(name, [one for one in found if one.account.currency == name]) for name in names]


def _total(currency: str, found: list[Priced]) -> Total:
    holdings = [one for each in found for one in each.holdings]
    cash = sum(one.account.cash for one in found)
    return Total(
        currency=currency,
        cash=cash,
        worth=cash + sum(one.value for one in holdings),
        day=sum(one.account.day_equity for one in found),
        brought=sum(one.account.session.cash for one in found),
        holdings=holdings,
    )


def _priced(account: Account, prices: Prices, as_of: int | None) -> Priced:
    known = prices.get(_asking(account.session, as_of), {})
    name = account.session.session
    holdings = [
        Holding(name, lot.held, known.get(lot.instrument, lot.held.last_price), account.currency)
        for lot in account.lots
    ]
    return Priced(account, holdings)


async def _prices(market: MarketStore, accounts: list[Account], as_of: int | None) -> Prices:
    """The newest prices of the sources of what is held, as far as its session has read."""
    asked: Prices = {}
    for account in accounts:
        asking = _asking(account.session, as_of)
        if account.lots and asking not in asked and len(asked) < SOURCES_MAX:
            asked[asking] = await _newest(market, *asking)
    return asked


def _asking(row: SessionRow, as_of: int | None) -> tuple[str, int | None]:
    """A session over a recording is somewhere in it: what lies behind has not happened to it yet."""
    if row.recording is None:
        return row.source, as_of
    return row.source, row.place.sequence if as_of is None else min(row.place.sequence, as_of)


async def _newest(market: MarketStore, source: str, as_of: int | None) -> dict[int, float]:
    if as_of == 0:
        return {}
    try:
        answer = await market.prices(source, as_of)
    except (ReadModelUnavailable, InvalidInput) as error:
        log.warning("prices_unavailable", source=source, error=str(error), code=error.code)
        return {}
    return {int(row["instrument"]): float(row["price"]) for row in answer.rows}
