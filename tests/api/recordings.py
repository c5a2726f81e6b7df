"""Recordings for tests of the API: real market rows on the tape, whole and of a live source."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import numpy as np

from engine import catalogue
from engine.catalogue import InstrumentForm
from engine.feeds.feed import CHUNK_ROWS_MAX, Feed, NumberOf, cut, in_order
from engine.feeds.simulated import SimulatedFeed, SimulatedInstrument, SimulatedMarket, SimulatedPump
from engine.recordings.importing import Importer
from events import codec, frames, subjects
from events.clock import SystemClock
from events.facts import RecordingOpened
from events.frames import Section
from events.memory_tape import MemoryTape
from events.rows import MARKET_DTYPE, MarketKind, Rows, SectionKind
from events.tape import Append, Tape

LIVE = "live"
MARKET = SimulatedMarket(
    instruments=(
        SimulatedInstrument(symbol="BTC_USDT", price=50_000.0, trades_per_second=2.0),
        SimulatedInstrument(symbol="ETH_USDT", price=3_000.0, trades_per_second=2.0),
    ),
    seed=7,
    duration_s=3_600,
    pumps=(SimulatedPump(symbol="ETH_USDT", start_s=1_500.0),),
)


async def simulated_recording(tape: Tape, market: SimulatedMarket = MARKET, content: str = "a" * 32) -> str:
    """Import a simulated market; the id of its recording."""
    return await _imported(tape, SimulatedFeed(market), content)


async def month_recorded(tape: Tape, market: SimulatedMarket, content: str) -> str:
    """Import a long and quiet simulated market; the id of its recording. Its rows are made once a process."""
    return await _imported(tape, Joined(market), content)


async def _imported(tape: Tape, feed: Feed, content: str) -> str:
    imported = await Importer(tape, SystemClock()).run(feed, content, "the simulated market", "simulated")
    return imported.recording.id


class Joined(SimulatedFeed):
    """The rows of a market that has few, at once: in thousands of frames of a few rows they take seconds to read."""

    def chunks(self, number: NumberOf) -> Iterator[Rows]:
        """See `Feed.chunks`."""
        numbers = np.array([0, *(number(form) for form in self.survey().instruments)], np.int32)
        rows = _rows(self.market).copy()
        rows["instrument"] = numbers[rows["instrument"]]
        return cut(rows, CHUNK_ROWS_MAX)


@cache
def _rows(market: SimulatedMarket) -> Rows:
    return np.concatenate(list(SimulatedFeed(market).chunks(in_order())))


class LiveSource:
    """A source whose recording is open: sessions may tail it, and the test says what comes."""

    def __init__(
        self,
        tape: MemoryTape,
        symbols: tuple[str, ...] = ("BTC_USDT", "ETH_USDT"),
        name: str = LIVE,
        venue: str = "SIM",
    ) -> None:
        self._tape = tape
        self._name = name
        self._venue = venue
        self._symbols = symbols
        self._messages = 0

    async def open(self) -> None:
        """Begin the recording."""
        forms = [InstrumentForm(symbol=one, venue=self._venue, quote="USDT") for one in self._symbols]
        _, numbers = await catalogue.register(self._tape, forms)
        fact = RecordingOpened(
            recording=f"rec-{self._name}",
            source=self._name,
            origin="live",
            description="a source of the test",
            instruments=tuple(numbers),
            symbols=self._symbols,
            kinds=("trade",),
            opened_ns=1,
        )
        await self._tape.append(codec.to_append(fact, subjects.recording(fact.recording), f"{fact.recording}:opened"))

    async def give(self, rows: Rows) -> int:
        """Append rows as one frame."""
        self._messages += 1
        body = frames.encode([Section(SectionKind.MARKET, rows)])
        return await self._tape.append(Append(subjects.market(self._name), body, f"{self._name}:{self._messages}"))


def ticks(count: int, start: int = 0) -> Rows:
    """Trades of both symbols, a millisecond apart."""
    rows = np.zeros(2 * count, MARKET_DTYPE)
    rows["ts_event_ns"] = rows["ts_received_ns"] = (
        1_700_000_000_000_000_000 + (start + np.arange(2 * count)) * 1_000_000
    )
    rows["instrument"] = np.tile([1, 2], count)
    rows["price"] = np.tile([50_000.0, 3_000.0], count)
    rows["quantity"], rows["kind"], rows["side"] = 10.0, int(MarketKind.TRADE), 1
    return rows
