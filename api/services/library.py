"""What plans are looked up in: instruments, recordings, running sources, strategies; folded from the tape."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import msgspec

from api.settings import Settings, SourceSettings
from engine.aggregates.strategies import Strategies
from engine.catalogue import Catalogue, InstrumentForm
from engine.recordings.shelf import RecordingState, Shelf
from engine.sessions.offers import Sources, offer_of
from engine.sessions.plan import CodeHash, Library, Params
from engine.strategies.registry import Registry
from events import codec, subjects
from events.errors import ReadModelUnavailable
from events.facts import Fact, InstrumentRegistered, RecordingAbandoned, RecordingCompleted, RecordingOpened
from events.facts.catalogue import InstrumentChanged, InstrumentRemoved
from events.tape import Message, Tail, Tape

FOLDED = (subjects.CATALOGUE, subjects.RECORDINGS, subjects.STRATEGIES)
CURRENT_SECONDS_MAX = 5.0  # how long a plan waits for what was appended before it


class Lookups:
    """Keeps catalogue, shelf and configured strategies current; `library()` is what `plan` reads."""

    def __init__(self, settings: Settings, registry: Registry, code_hash: CodeHash) -> None:
        self.catalogue = Catalogue()
        self.shelf = Shelf()
        self.registry = registry
        self.strategies = Strategies(registry)
        self._settings = settings
        self._code_hash = code_hash
        self._forms: dict[str, list[InstrumentForm]] = {}  # of simulated sources, once they were looked for
        self._folded = 0  # sequence of the last message folded
        self._changed = asyncio.Event()
        self.created_ns = 0  # when the tape was made
        self.tail: Tail | None = None

    async def start(self, tape: Tape) -> None:
        """Fold what is there, then follow."""
        self.created_ns = (await tape.info()).created_ns
        async for message in tape.read(1, subjects=FOLDED):
            await self._note(message)
        self.tail = await tape.tail(self._folded + 1, self._note, subjects=FOLDED)

    async def current(self, tape: Tape) -> None:
        """Wait until everything that is on the tape by now is folded. Raises ReadModelUnavailable: not in time."""
        lasts = [await tape.last(subject) for subject in FOLDED]
        wanted = max((message.sequence for message in lasts if message), default=0)
        try:
            async with asyncio.timeout(CURRENT_SECONDS_MAX):
                while self._folded < wanted:
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            raise ReadModelUnavailable(f"What plans read is at {self._folded}; {wanted} did not come.") from None

    async def ended(self) -> None:
        """Wait until it no longer follows; raises what ended it."""
        assert self.tail is not None, "started first"
        await self.tail.ended()

    async def close(self) -> None:
        """Stop following."""
        if self.tail is not None:
            await self.tail.close()

    async def _note(self, message: Message) -> None:
        fact = codec.decode(message.body, message.sequence)
        match fact:
            case InstrumentRegistered() | InstrumentChanged() | InstrumentRemoved():
                self.catalogue.evolve(fact, message.sequence)
            case RecordingOpened() | RecordingCompleted() | RecordingAbandoned():
                self.shelf.evolve(fact, message.sequence)
            case Fact():
                self.strategies.evolve(fact, message.sequence, message.appended_ns)
            case _:
                pass
        self._folded = message.sequence
        self._changed.set()

    def warm(self) -> None:
        """Make the texts of all loops, whose hashes a start needs: 0.3 s of work that no request should wait for."""
        names = tuple(self.registry)
        for each in (*((name,) for name in names), names):
            self._code_hash(each, False)
            self._code_hash(each, True)

    def sources(self) -> Sources:
        """Sources that can be tailed: those whose recording is open, then those that the settings name."""
        found: dict[str, tuple[str, ...]] = {}
        numbers: dict[str, Mapping[str, int]] = {}
        for recording in reversed(self.shelf.recordings.values()):
            opened = recording.opened
            if opened.origin in ("import", "collect"):
                continue
            numbers.setdefault(opened.source, offer_of(recording).numbers)
            if recording.state is RecordingState.OPEN:
                found.setdefault(opened.source, opened.symbols)
        for source in self._settings.sources:
            if source.id not in found:
                found[source.id] = source.symbols
                numbers[source.id] = {**numbers.get(source.id, {}), **self._simulated(source)}
        return Sources(found, numbers)

    def _simulated(self, source: SourceSettings) -> dict[str, int]:
        """Numbers of the instruments of a simulated source, which are known before it runs; of files none are."""
        if source.kind != "simulated":
            return {}
        if source.id not in self._forms:
            from engine.sources.source import Source, forms_of  # what makes markets is not read at a start

            self._forms[source.id] = forms_of(msgspec.convert(msgspec.structs.asdict(source), Source))
        known = ((form.symbol, self.catalogue.at(form.symbol, form.venue)) for form in self._forms[source.id])
        return {symbol: one.number for symbol, one in known if one is not None}

    def library(self) -> Library:
        """For `engine.sessions.plan.plan`."""
        configured = self.strategies.configured
        return Library(
            self.catalogue,
            self.shelf,
            self.sources(),
            self._resolve,
            self._code_hash,
            self._kinds,
            self._unseen,
            configured,
        )

    def _unseen(self, strategy: str, params: Params, bar_ns: int) -> str:
        unseen = self.registry[strategy].unseen
        return unseen(params, bar_ns) if unseen else ""

    def _kinds(self, strategy: str) -> int:
        return self.registry[strategy].kinds

    def _resolve(self, strategy: str, params: Mapping[str, object]) -> Params:
        return self.registry[strategy].resolve(params)
