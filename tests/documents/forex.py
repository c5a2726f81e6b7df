"""A recording of EURUSD that is longer than the windows of the documented walk-forward."""

from __future__ import annotations

import msgspec
import numpy as np

from engine import catalogue
from engine.recordings.importing import Importer
from events.clock import SystemClock
from events.rows import MARKET_DTYPE, MarketKind, Rows
from tests.api.worlds import World
from tests.documents.cases_002_backtests import FOREX, SYMBOL
from tests.engine.sessions.memory_house import ArrayFeed

DAYS = 400
TRADES_PER_DAY = 96
DAY_NS = 86_400 * 1_000_000_000
START_NS = 1_700_000_000_000_000_000 // DAY_NS * DAY_NS
STEPS = (0.00001, 1.0)


def trades() -> Rows:
    """A random walk around 1.08, a trade every quarter of an hour."""
    chance = np.random.Generator(np.random.Philox(21))
    rows = np.zeros(DAYS * TRADES_PER_DAY, MARKET_DTYPE)
    rows["ts_event_ns"] = START_NS + np.arange(len(rows)) * (DAY_NS // TRADES_PER_DAY)
    rows["ts_received_ns"] = rows["ts_event_ns"]
    rows["price"] = np.round(1.08 * np.exp(np.cumsum(chance.normal(0, 0.0005, len(rows)))), 5)
    rows["quantity"], rows["kind"] = 100_000.0, MarketKind.TRADE
    rows["side"] = chance.choice([-1, 1], len(rows))
    return rows


async def recorded(made: World) -> str:
    """Import it; its id. The same again appends nothing."""
    await catalogue.register(made.tape, [msgspec.structs.replace(FOREX, venue="TEST")])
    feed = ArrayFeed(trades(), STEPS, (SYMBOL,))
    imported = await Importer(made.tape, SystemClock()).run(feed, "d" * 32, "a walk around 1.08", "file")
    await made.house.lookups.current(made.tape)
    return imported.recording.id
