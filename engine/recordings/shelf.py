"""The shelf: all recordings, folded from their facts."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from events import codec, subjects
from events.errors import Conflict, Unknown
from events.facts import Fact, RecordingAbandoned, RecordingCompleted, RecordingOpened
from events.tape import Tape


class RecordingState(StrEnum):
    """Only a complete recording is replayed."""

    OPEN = "open"
    COMPLETE = "complete"
    ABANDONED = "abandoned"


class Recording(msgspec.Struct, frozen=True, kw_only=True):
    """A bounded, hashed stretch of a source."""

    opened: RecordingOpened
    opened_at: int  # sequence of `RecordingOpened`; its rows lie behind it, but of a collect session before it
    state: RecordingState = RecordingState.OPEN
    completed: RecordingCompleted | None = None
    last: int = 0  # sequence of its last fact

    @property
    def id(self) -> str:
        """Its name everywhere."""
        return self.opened.recording

    def whole(self) -> RecordingCompleted:
        """Its end. Raises Conflict where it is not complete."""
        if self.completed is None:
            raise Conflict(
                f"Recording {self.id} is {self.state}; only a complete recording can be replayed.",
                field="recording",
                hint="Wait for its source to end, or import the file again.",
            )
        return self.completed


class Shelf:
    """Fold of recording facts."""

    def __init__(self) -> None:
        self.recordings: dict[str, Recording] = {}
        self.by_content: dict[str, str] = {}
        self.last = 0

    def evolve(self, fact: Fact, sequence: int) -> None:
        """One more fact of a recording."""
        self.last = sequence
        match fact:
            case RecordingOpened():
                self.recordings[fact.recording] = Recording(opened=fact, opened_at=sequence, last=sequence)
                if fact.content_id:
                    self.by_content[fact.content_id] = fact.recording
            case RecordingCompleted():
                self._change(fact.recording, sequence, state=RecordingState.COMPLETE, completed=fact)
            case RecordingAbandoned():
                self._change(fact.recording, sequence, state=RecordingState.ABANDONED)

    def _change(self, name: str, sequence: int, **changes: object) -> None:
        self.recordings[name] = msgspec.structs.replace(self.recordings[name], last=sequence, **changes)

    def symbols(self) -> set[str]:
        """Symbols of complete recordings."""
        whole = (one.opened.symbols for one in self.recordings.values() if one.state is RecordingState.COMPLETE)
        return {symbol for symbols in whole for symbol in symbols}

    def find(self, name: str) -> Recording:
        """The recording of an id, or of the beginning of one. Raises Unknown."""
        if name in self.recordings:
            return self.recordings[name]
        near = [one for one in self.recordings if name and one.startswith(name)]
        if len(near) == 1:
            return self.recordings[near[0]]
        known = ", ".join(list(self.recordings)[-5:]) or "none yet"
        raise Unknown(f"There is no recording {name!r}. The newest: {known}.", field="recording")


async def load(tape: Tape, shelf: Shelf | None = None) -> Shelf:
    """The shelf as of now; what was folded before is kept."""
    shelf = shelf or Shelf()
    async for message in tape.read(shelf.last + 1, subjects=(subjects.RECORDINGS,)):
        fact = codec.decode(message.body, message.sequence)
        if isinstance(fact, RecordingOpened | RecordingCompleted | RecordingAbandoned):
            shelf.evolve(fact, message.sequence)
    return shelf
