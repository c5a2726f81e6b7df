"""What the holdings of running sessions are priced at, and of when those prices are.

A session over a recording is somewhere in it: it and its holdings are worth what its newest mark says. One that tails a
source is worth its cash and its holdings at the source's newest prices, where the market store knows newer ones than
the mark; else what its newest mark says as well.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import structlog

from engine.loop.bars import expand_bars
from events.errors import InvalidInput, ReadModelUnavailable
from events.rows import BAR_DTYPE, Rows
from projections.market_store import COUNTS_NOT, PRICE_ROW, Answer, MarketQuery, MarketStore, Span
from projections.read_models.portfolio import DAY_NS, Account, Lot

log = structlog.get_logger(__name__)

SOURCES_MAX = 32  # asked for newest prices in one answer
INSTRUMENTS_MAX = 64  # looked up one by one in one answer
BEFORE_FILL_NS = 7 * DAY_NS  # a bar in which something was filled opened no longer before
ROWS_LOOKED = 16  # the newest of an instrument, of which one counts
DIGITS = 14  # of a price that is worked out of a mark: what is behind is rounding


class Price(NamedTuple):
    """In quote currency, of a moment of event time."""

    value: float
    ts_event_ns: int
    reason: str | None = None  # why it is an older one than there may be


class Valued(NamedTuple):
    """What an account is worth, and the price of each of its lots."""

    worth: float
    prices: list[Price]


class Pricing:
    """Prices of one answer. `as_of` bounds what a source's newest prices are."""

    def __init__(self, market: MarketStore, as_of: int | None) -> None:
        self._market = market
        self._as_of = as_of
        self._newest: dict[str, Answer] = {}
        self._instruments = 0
        self._away = ""  # why nothing more is asked

    async def of(self, account: Account) -> Valued:
        """The account at its newest mark, or at newer prices of the source that it tails."""
        mark = account.mark
        if not account.lots:
            return Valued(mark.equity, [])
        if account.session.recording is not None:
            return Valued(mark.equity, await self._marked(account))
        newest = await self._tailed(account)
        if newest is None:
            return Valued(mark.equity, await self._marked(account))
        held = sum(lot.held.quantity * price.value for lot, price in zip(account.lots, newest, strict=True))
        return Valued(mark.cash + held, newest)

    async def _tailed(self, account: Account) -> list[Price] | None:
        """The source's newest prices; None where the store does not know them all, or the mark is newer."""
        source = account.session.source
        if source not in self._newest:
            self._newest[source] = await self._ask(source)
        answer = self._newest[source]
        known = {int(row["instrument"]): Price(float(row["price"]), int(row["ts_event_ns"])) for row in answer.rows}
        if answer.sequence < account.mark.sequence or any(lot.instrument not in known for lot in account.lots):
            return None
        return [known[lot.instrument] for lot in account.lots]

    async def _ask(self, source: str) -> Answer:
        nothing = Answer(np.zeros(0, PRICE_ROW), 0)
        if self._away or self._as_of == 0:
            return nothing
        if len(self._newest) >= SOURCES_MAX:
            self._away = f"More than {SOURCES_MAX} sources are not asked at once."
            return nothing
        try:
            return await self._market.prices(source, self._as_of)
        except (ReadModelUnavailable, InvalidInput) as error:
            self._note(source, error)
            return nothing

    def _note(self, source: str, error: ReadModelUnavailable | InvalidInput) -> None:
        log.warning("prices_unavailable", source=source, error=str(error), code=error.code)
        self._away = f"The market store gave no answer: {error.message}"

    async def _marked(self, account: Account) -> list[Price]:
        """The prices at the newest mark.

        A mark tells what all is worth, so of one instrument it tells the price. Of several it is the newest row of the
        recording up to the mark; where that is not known, the price of the last fill.
        """
        mark, lots = account.mark, account.lots
        reason = (self._away or None) if account.session.recording is None else None
        if len({lot.instrument for lot in lots}) == 1:
            price = mark.exposure / sum(abs(lot.held.quantity) for lot in lots)
            return [Price(float(f"{price:.{DIGITS}g}"), mark.ts_event_ns, reason)] * len(lots)
        found = [await self._looked_up(account, lot) for lot in lots]
        why = self._away or "The session trades several instruments, and no newer price of this one is known."
        return [
            price or Price(lot.held.last_price, lot.held.last_ns, why) for lot, price in zip(lots, found, strict=True)
        ]

    async def _looked_up(self, account: Account, lot: Lot) -> Price | None:
        """The newest price of a recording at an account's newest mark."""
        row = account.session
        if row.recording is None or self._away:
            return None
        if self._instruments >= INSTRUMENTS_MAX:
            self._away = f"More than {INSTRUMENTS_MAX} instruments are not looked up at once."
            return None
        self._instruments += 1
        span = Span(lot.held.last_ns - BEFORE_FILL_NS, account.mark.ts_event_ns + 1, ROWS_LOOKED)
        query = MarketQuery(row.source, lot.instrument, span, row.started_at)
        try:
            path = trades_of((await self._market.ticks(query)).rows)
            if not len(path):
                path = path_of((await self._market.bars(query)).rows, account.mark.ts_event_ns)
        except (ReadModelUnavailable, InvalidInput) as error:
            self._note(row.source, error)
            return None
        return Price(float(path["price"][-1]), int(path["ts_event_ns"][-1])) if len(path) else None


def trades_of(rows: Rows) -> Rows:
    """Those trades of TICK_ROW[n] that have a price."""
    return rows[(rows["price"] > 0) & (rows["flags"] & COUNTS_NOT == 0)]


def path_of(rows: Rows, until_ns: int) -> Rows:
    """BAR_ROW[n] as a session reads them, up to a moment: MARKET_DTYPE[m]."""
    bars = np.zeros(len(rows), BAR_DTYPE)
    for name in BAR_DTYPE.names or ():
        bars[name] = rows[name]
    path = expand_bars(bars)
    return path[path["ts_event_ns"] <= until_ns]
