"""The portfolio: what all running sessions hold and are worth, each at the newest prices that it has read."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from api.house import House
from api.reading.reader import Moment
from api.services.portfolio_prices import Price, Pricing
from projections.read_models.portfolio import Account, accounts, usual
from projections.read_models.positions import PositionRow


class Holding(NamedTuple):
    """An open position at its current price, quote currency."""

    session: str
    held: PositionRow
    price: Price
    currency: str  # of its instrument

    @property
    def value(self) -> float:
        """Below 0 for a short one."""
        return self.held.quantity * self.price.value

    @property
    def pnl(self) -> float:
        """Before fees."""
        return self.held.quantity * (self.price.value - self.held.entry_price)


class Priced(NamedTuple):
    """A running session's account, what it is worth, and what it holds at current prices."""

    account: Account
    worth: float
    holdings: list[Holding]


class Total(msgspec.Struct, frozen=True):
    """All accounts of one currency as one."""

    currency: str
    cash: float
    worth: float  # of each session by its newest mark, or by newer prices of the source that it tails
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
    """What all running sessions hold and are worth."""
    found = await house.reader.run(accounts, at)
    pricing = Pricing(house.market, at.sequence)
    return Held([await _priced(one, pricing) for one in found.value], found.sequence, found.epoch)


def totals(accounts: Iterable[Priced], chosen: str | None = None) -> list[Total]:
    """Accounts by currency, one sum each: different currencies are never added up.

    The first is the chosen one, also where no session has it; else that of most sessions. There is always a first.
    """
    found = list(accounts)
    first = usual(one.account.currency for one in found) if chosen is None else chosen
    names = dict.fromkeys([first, *(one.account.currency for one in found)])
    return [_total(name, [one for one in found if one.account.currency == name]) for name in names]


def _total(currency: str, found: list[Priced]) -> Total:
    return Total(
        currency=currency,
        cash=sum((one.account.mark.cash for one in found), 0.0),
        worth=sum((one.worth for one in found), 0.0),
        day=sum((one.account.day_equity for one in found), 0.0),
        brought=sum((one.account.session.cash for one in found), 0.0),
        holdings=[one for each in found for one in each.holdings],
    )


async def _priced(account: Account, pricing: Pricing) -> Priced:
    valued = await pricing.of(account)
    name, currency = account.session.session, account.currency
    holdings = [
        Holding(name, lot.held, price, currency) for lot, price in zip(account.lots, valued.prices, strict=True)
    ]
    return Priced(account, valued.worth, holdings)
