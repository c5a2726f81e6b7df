"""What plans are looked up in: instruments, recordings, running sources, strategies; folded from the tape."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from api.settings import Settings
from engine.catalogue import Catalogue
from engine.recordings.shelf import RecordingState, Shelf
from engine.sessions.plan import Library, Params, Sources
from engine.strategies.registry import Registry
from events import codec, subjects
from events.facts import InstrumentRegistered, RecordingAbandoned, RecordingCompleted, RecordingOpened
from events.tape import Message, Tail, Tape

FOLDED = (subjects.CATALOGUE, subjects.RECORDINGS)


class Lookups:
    """Keeps catalogue and shelf current; `library()` is what `plan` reads."""

    def __init__(self, settings: Settings, registry: Registry, code_hash: Callable[[tuple[str, ...]], str]) -> None:
        self.catalogue = Catalogue()
        self.shelf = Shelf()
        self.registry = registry
        self._settings = settings
        self._code_hash = code_hash
        self.tail: Tail | None = None

    async def start(self, tape: Tape) -> None:
        """Fold what is there, then follow."""
        async for message in tape.read(1, subjects=FOLDED):
            await self._note(message)
        after = max(self.catalogue.last, self.shelf.last)
        self.tail = await tape.tail(after + 1, self._note, subjects=FOLDED)

    async def close(self) -> None:
        """Stop following."""
        if self.tail is not None:
            await self.tail.close()

    async def _note(self, message: Message) -> None:
        fact = codec.decode(message.body, message.sequence)
        match fact:
            case InstrumentRegistered():
                self.catalogue.evolve(fact, message.sequence)
            case RecordingOpened() | RecordingCompleted() | RecordingAbandoned():
                self.shelf.evolve(fact, message.sequence)
            case _:
                pass

    def sources(self) -> Sources:
        """Sources that can be tailed: those whose recording is open, then those that the settings name."""
        found: dict[str, tuple[str, ...]] = {}
        for recording in reversed(self.shelf.recordings.values()):
            if recording.state is RecordingState.OPEN and recording.opened.origin != "import":
                found.setdefault(recording.opened.source, recording.opened.symbols)
        for source in self._settings.sources:
            found.setdefault(source.id, source.symbols)
        return Sources(found)

    def library(self) -> Library:
        """For `engine.sessions.plan.plan`."""
        return Library(self.catalogue, self.shelf, self.sources(), self._resolve, self._code_hash)

    def _resolve(self, strategy: str, params: Mapping[str, object]) -> Params:
        return self.registry[strategy].resolve(params)
