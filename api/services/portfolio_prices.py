"""What the holdings of running sessions are priced at, and of when those prices are.

A session over a recording is somewhere in it: it and its holdings are worth what its newest mark says. One that tails a
source is worth its cash and its holdings at the source's newest prices, where the market store knows newer ones than
the mark; else what its newest mark says as well. Of several instruments a mark tells no price: right behind one, before
the store has read as far, the source's prices are taken all the same where they are not older than the last fill.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import structlog

from api.services.prices import BEHIND_EVENTS_MAX
from engine.loop.bars import ROWS_PER_BAR, expand_bars
from events.errors import InvalidInput, ReadModelUnavailable
from events.rows import BAR_DTYPE, Rows
from projections.market_store import COUNTS_NOT, PRICE_ROW, Answer, MarketQuery, MarketStore, Span
from projections.read_models.portfolio import DAY_NS, Account, Lot, Mark

log = structlog.get_logger(__name__)

SOURCES_MAX = 32  # asked for newest prices in one answer
INSTRUMENTS_MAX = 64  # looked up one by one in one answer
BEFORE_FILL_NS = 7 * DAY_NS  # a bar in which something was filled opened no longer before
ROWS_LOOKED = 16  # the newest of an instrument, of which one counts
PATH = np.dtype([("sequence", "<i8"), ("index", "<i8"), ("ts_event_ns", "<i8"), ("price", "<f8")])
OLDER = "The session trades several instruments, and no price of this one as new as its newest mark is known."
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
        known = [price for price in newest if price is not None]
        if len(known) < len(newest):
            marked = await self._marked(account)
            return Valued(mark.equity, [new or old for new, old in zip(newest, marked, strict=True)])
        held = sum(lot.held.quantity * price.value for lot, price in zip(account.lots, known, strict=True))
        return Valued(mark.cash + held, known)

    async def _tailed(self, account: Account) -> list[Price | None]:
        """The source's newest price of each lot; None where the store does not know it, or the mark's is newer."""
        source, lots = account.session.source, account.lots
        if source not in self._newest:
            self._newest[source] = await self._ask(source)
        answer = self._newest[source]
        known = {int(row["instrument"]): Price(float(row["price"]), int(row["ts_event_ns"])) for row in answer.rows}
        behind = account.mark.sequence - answer.sequence
        if behind <= 0:
            return [known.get(lot.instrument) for lot in lots]
        if not known or behind > BEHIND_EVENTS_MAX or len({lot.instrument for lot in lots}) == 1:
            return [None] * len(lots)
        return [_since_fill(account.mark, lot, known.get(lot.instrument)) for lot in lots]

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
        paths: dict[int, Rows] = {}
        for lot in lots:
            if lot.instrument not in paths and len(path := await self._path(account, lot)):
                paths[lot.instrument] = path
        found = at_mark(account, paths)
        why = self._away or OLDER
        return [found.get(lot.instrument) or Price(lot.held.last_price, lot.held.last_ns, why) for lot in lots]

    async def _path(self, account: Account, lot: Lot) -> Rows:
        """PATH[n]: the newest prices of a recording up to an account's newest mark; none where they are not known."""
        row, nothing = account.session, np.zeros(0, PATH)
        if row.recording is None or self._away:
            return nothing
        if self._instruments >= INSTRUMENTS_MAX:
            self._away = f"More than {INSTRUMENTS_MAX} instruments are not looked up at once."
            return nothing
        self._instruments += 1
        span = Span(lot.held.last_ns - BEFORE_FILL_NS, account.mark.ts_event_ns + 1, ROWS_LOOKED)
        query = MarketQuery(row.source, lot.instrument, span, row.started_at)
        try:
            path = path_of_trades((await self._market.ticks(query)).rows)
            return path if len(path) else path_of_bars((await self._market.bars(query)).rows)
        except (ReadModelUnavailable, InvalidInput) as error:
            self._note(row.source, error)
            return nothing


def _since_fill(mark: Mark, lot: Lot, known: Price | None) -> Price | None:
    """The price that is known of a lot, or of its last fill where that is newer and the mark's very own moment."""
    if known is not None and known.ts_event_ns >= lot.held.last_ns:
        return known
    return Price(lot.held.last_price, lot.held.last_ns) if lot.held.last_ns >= mark.ts_event_ns else None


def at_mark(account: Account, paths: dict[int, Rows]) -> dict[int, Price]:
    """The price of each instrument at an account's newest mark, of PATH[n] of each.

    Of the rows of the mark's very moment the session had read the first so many: those with which the holdings are
    worth what the mark says.
    """
    mark = account.mark
    at, moment = {}, []
    for number, path in paths.items():
        path = path[path["ts_event_ns"] <= mark.ts_event_ns]
        now = path["ts_event_ns"] == mark.ts_event_ns
        if len(path):
            first = path[~now][-1] if not now.all() else path[0]
            at[number] = Price(float(first["price"]), int(first["ts_event_ns"]))
        moment += [(int(row["sequence"]), int(row["index"]), number, float(row["price"])) for row in path[now]]
    if any(lot.instrument not in at for lot in account.lots):
        return at
    found, least = dict(at), _missed(account, at)
    for _, _, number, price in sorted(moment):
        at[number] = Price(price, mark.ts_event_ns)
        if (missed := _missed(account, at)) < least:
            found, least = dict(at), missed
    return found


def _missed(account: Account, at: dict[int, Price]) -> float:
    """How far the holdings at these prices are from what the mark says of them."""
    held = sum(lot.held.quantity * at[lot.instrument].value for lot in account.lots)
    return abs(held - (account.mark.equity - account.mark.cash))


def path_of_trades(rows: Rows) -> Rows:
    """PATH[m] of those trades of TICK_ROW[n] that have a price."""
    rows = rows[(rows["price"] > 0) & (rows["flags"] & COUNTS_NOT == 0)]
    return _path(rows, rows["ts_event_ns"], rows["price"])


def path_of_bars(rows: Rows) -> Rows:
    """PATH[4 n] of BAR_ROW[n], as a session reads bars."""
    bars = np.zeros(len(rows), BAR_DTYPE)
    for name in BAR_DTYPE.names or ():
        bars[name] = rows[name]
    read = expand_bars(bars)
    return _path(rows.repeat(ROWS_PER_BAR), read["ts_event_ns"], read["price"])


def _path(places: Rows, ts_event_ns: Rows, price: Rows) -> Rows:
    path = np.zeros(len(places), PATH)
    path["sequence"], path["index"] = places["sequence"], places["index"]
    path["ts_event_ns"], path["price"] = ts_event_ns, price
    return path
