"""Recordings for tests of the API: real market rows on the tape, whole and of a live source."""

from __future__ import annotations

from engine import catalogue
from engine.catalogue import InstrumentForm
from engine.feeds.simulated import SimulatedFeed, SimulatedInstrument, SimulatedMarket, SimulatedPump
from engine.recordings.importing import Importer
from events import codec, frames, subjects
from events.clock import SystemClock
from events.facts import RecordingOpened
from events.frames import Section
from events.memory_tape import MemoryTape
from events.rows import Rows, SectionKind
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
    """Import an hour of a simulated market; the id of its recording."""
    importer = Importer(tape, SystemClock())
    imported = await importer.run(SimulatedFeed(market), content, "an hour of the simulated market", "simulated")
    return imported.recording.id


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
