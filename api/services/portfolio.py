"""The portfolio with its current prices: what all running sessions hold, at the newest price of their sources."""

from __future__ import annotations

from typing import NamedTuple

import structlog

from api.house import House
from api.reading.reader import Moment
from events.errors import InvalidInput, ReadModelUnavailable
from projections.duckdb.store import Snapshot
from projections.market_store import MarketStore
from projections.read_models.instruments import every
from projections.read_models.portfolio import Account, accounts
from projections.read_models.positions import PositionRow
from projections.read_models.sessions import SessionRow

log = structlog.get_logger(__name__)

SOURCES_MAX = 32  # asked for prices in one answer; positions of others have the price of their last fill

Prices = dict[tuple[str, str], float]  # by session and symbol, quote currency


class Holding(NamedTuple):
    """An open position at its current price, quote currency."""

    session: str
    held: PositionRow
    price: float

    @property
    def pnl(self) -> float:
        """Before fees."""
        return self.held.quantity * (self.price - self.held.entry_price)


class Held(NamedTuple):
    """All accounts and what they hold, as of a sequence."""

    accounts: list[Account]
    holdings: list[Holding]
    sequence: int
    epoch: str


async def holdings_of(house: House, at: Moment) -> Held:
    """What all running sessions hold. A price that is not known is that of the position's last fill."""
    found = await house.reader.run(_read, at)
    made, numbers = found.value
    prices = await prices_of(house.market, made, numbers, at.sequence)
    holdings = [
        Holding(name, held, prices.get((name, held.symbol), held.last_price))
        for account in made
        for name in [account.session.session]
        for held in account.positions
    ]
    return Held(made, holdings, found.sequence, found.epoch)


def _read(snapshot: Snapshot) -> tuple[list[Account], dict[str, int]]:
    made = accounts(snapshot)
    return made, {row.symbol: row.number for row in every(snapshot)} if made else {}


async def prices_of(market: MarketStore, accounts: list[Account], numbers: dict[str, int], as_of: int | None) -> Prices:
    """The newest price of what is held, as far as its session has read; what is not known is left out.

    `numbers` are those of the instruments by symbol.
    """
    found: Prices = {}
    asked: dict[tuple[str, int | None], dict[int, float]] = {}
    for account in accounts:
        if not account.positions:
            continue
        asking = (account.session.source, _as_of(account.session, as_of))
        if asking not in asked and len(asked) < SOURCES_MAX:
            asked[asking] = await _newest(market, *asking)
        known = asked.get(asking, {})
        for held in account.positions:
            price = known.get(numbers.get(held.symbol, -1))
            if price is not None:
                found[account.session.session, held.symbol] = price
    return found


def _as_of(row: SessionRow, as_of: int | None) -> int | None:
    """A session over a recording is somewhere in it: what lies behind has not happened to it yet."""
    if row.recording is None:
        return as_of
    return row.place.sequence if as_of is None else min(row.place.sequence, as_of)


async def _newest(market: MarketStore, source: str, as_of: int | None) -> dict[int, float]:
    if as_of == 0:
        return {}
    try:
        answer = await market.prices(source, as_of)
    except (ReadModelUnavailable, InvalidInput) as error:
        log.warning("prices_unavailable", source=source, error=str(error), code=error.code)
        return {}
    return {int(row["instrument"]): float(row["price"]) for row in answer.rows}
