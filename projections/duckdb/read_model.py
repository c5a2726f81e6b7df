"""The read model of one API process: every table of `projections.read_models`, in one transaction per batch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import numpy as np

from events import subjects
from events.errors import ReadModelUnavailable
from events.facts import (
    Fact,
    RecordingAbandoned,
    RecordingCompleted,
    RecordingOpened,
    RecordingProgressed,
    SessionStarted,
)
from events.rows import DECISION_KINDS, SectionKind
from events.stack import Layer, Stack
from projections.batch import Batch, Checkpoint, Decided, Event, TapeGap, check_follows
from projections.duckdb.store import MOMENTS, DuckSettings, DuckStore, Unusable
from projections.read_models.audit import Audit
from projections.read_models.configuration import ConfiguredValues
from projections.read_models.denials import Denials
from projections.read_models.equity import Equity
from projections.read_models.fills import Fills
from projections.read_models.instruments import Instruments
from projections.read_models.jobs import Jobs
from projections.read_models.keeper import Keeper, Plain
from projections.read_models.orders import Orders
from projections.read_models.positions import Positions
from projections.read_models.recordings import Recordings
from projections.read_models.results import Results
from projections.read_models.sessions import GOES_ON, LIFE, Sessions
from projections.read_models.signals import Signals
from projections.read_models.strategies import ConfiguredStrategies
from projections.read_models.system import SystemMode

_RECORDING = (RecordingOpened, RecordingProgressed, RecordingCompleted, RecordingAbandoned)
# errors of the store that pass: the same batch is tried again
_PASSING = (duckdb.IOException, duckdb.OutOfMemoryException)


def plain_keepers() -> tuple[Plain, ...]:
    """One of each; order does not matter."""
    return (
        Audit(),
        ConfiguredStrategies(),
        ConfiguredValues(),
        Instruments(),
        Jobs(),
        SystemMode(),
    )


class _Gap(NamedTuple):
    """A section that does not begin at the row that is due."""

    place: int
    kind: SectionKind
    frame: int
    ordinal: int
    due: int


class DuckReadModel:
    """A `Projection` of the catalogue, recordings and sessions to one DuckDB file."""

    name = "read_model"
    left_out = 0  # it holds all that is legal on the tape
    subjects = (
        *(*subjects.AGGREGATES, subjects.JOB_FACTS, subjects.AUDIT),
        *(subjects.RECORDINGS, subjects.RECORDING_PROGRESS, subjects.SESSIONS, subjects.RESEARCH),
    )

    def __init__(self, path: Path, settings: DuckSettings | None = None) -> None:
        self._sessions = Sessions()
        self._recordings = Recordings()
        self._results = Results()
        self._orders = Orders()
        self._positions = Positions()
        self._rows = (Signals(), Fills(self._positions), Denials(), Equity())
        self._plain = plain_keepers()
        self._by_fact: dict[type[Fact], Callable[[Any, Event], None]] = {
            kind: keeper.apply for keeper in self._plain for kind in keeper.facts
        }
        self._keeping: tuple[Keeper, ...] = (
            *self._plain,
            *(self._sessions, self._recordings, self._results),
            *(self._orders, self._positions),
        )
        tables = [table for keeper in self._keeping for table in keeper.tables]
        self.store = DuckStore(path, [*tables, *(rows.table for rows in self._rows)], settings)
        self._takes: dict[SectionKind, Callable[[np.ndarray, np.ndarray, Layer], None]] = {
            rows.kind: rows.add for rows in self._rows
        }
        self._takes[SectionKind.ORDER] = self._orders.add
        self._ordinals: dict[tuple[int, SectionKind], int] = {}  # next row by session and kind
        self._moment_ns = 0  # running maximum of append times

    def open(self) -> None:
        """Open the file, or make it.

        Raises:
            Unusable: the file is damaged or of another release.
            ReadModelUnavailable: it was closed.
        """
        self.store.open()
        try:
            self._restore()
        except duckdb.Error as error:
            self.store.let_go()
            raise Unusable(f"{self.store.path}: {str(error).splitlines()[0]}") from error

    def close(self) -> None:
        """Close the file for good; waits for calls of other threads, see `DuckStore.close`."""
        self.store.close()

    # --- the projection -------------------------------------------------------------------------------------------

    def checkpoint(self) -> Checkpoint:
        """See `Projection`."""
        return self.store.checkpoint

    def begin(self, epoch: str) -> None:
        """See `Projection`."""
        checkpoint = Checkpoint(epoch)
        with self.store.transaction() as writer:
            self.store.move_checkpoint(writer, checkpoint, 0)
        self.store.committed(checkpoint)

    def apply(self, batch: Batch) -> None:
        """See `Projection`."""
        check_follows(self.name, self.store.checkpoint.sequence, batch)
        try:
            moments = self._gather(batch)
            with self.store.transaction() as writer:
                for keeper in self._keeping:
                    keeper.flush(writer)
                for rows in self._rows:
                    rows.flush(writer)
                writer.insert(MOMENTS, moments)
                self.store.move_checkpoint(writer, batch.checkpoint, self._moment_ns)
        except BaseException as error:
            self._recover()
            if isinstance(error, _PASSING):
                raise ReadModelUnavailable(f"{self.store.path}: {str(error).splitlines()[0]}") from error
            raise
        self.store.committed(batch.checkpoint)
        self._forget()

    def _forget(self) -> None:
        """Keep nothing of sessions that are over: what is in memory is bounded by what runs."""
        over = self._sessions.forget_over()
        if over:
            self._orders.forget(over)
            self._positions.forget(over)
            self._ordinals = {key: due for key, due in self._ordinals.items() if key[0] not in over}

    def seen(self, sequence: int) -> None:
        """See `Projection`."""
        self.store.seen(sequence)

    def reset(self) -> None:
        """See `Projection`."""
        self.store.discard()
        self.open()

    # --- one batch ------------------------------------------------------------------------------------------------

    def _gather(self, batch: Batch) -> dict[str, np.ndarray]:
        """Hand every event to its tables; the moments at which the append time moved on."""
        moments: list[tuple[int, int]] = []
        decided: list[tuple[int, int, int]] = []  # frame, session, sequence
        try:
            for event in batch.events:
                if isinstance(event.body, Decided):
                    session = self._deciding(event.body.session, event.sequence)
                    decided.append((event.body.frame, session, event.sequence))
                elif isinstance(event.body, Fact):
                    self._happen(event.body, event)
                if event.appended_ns > self._moment_ns:
                    self._moment_ns = event.appended_ns
                    moments.append((event.sequence, event.appended_ns))
        finally:  # where an event is refused, rows that are missing before it are what is told
            self._take_rows(batch.decisions, np.array(decided, "<i8").reshape(-1, 3))
        sequence, appended_ns = np.array(moments, "<i8").reshape(-1, 2).T
        return {"sequence": sequence, "appended_ns": appended_ns}

    def _deciding(self, name: str, sequence: int) -> int:
        """The number of a session that may decide something."""
        session = self._number(name, sequence)
        if self._sessions.is_over(session):
            raise TapeGap(f"Event {sequence} is a decision of session {name}, which is over.", sequence=sequence)
        return session

    def _take_rows(self, stack: Stack, decided: np.ndarray) -> None:
        """The rows of the decisions, if none are missing between them and those before."""
        frames, sessions, sequences = decided.T
        chosen = stack.of(frames)
        gaps = [gap for kind, layer in chosen.layers.items() for gap in self._gap(kind, sessions[layer.frame], layer)]
        if gaps:
            _, kind, frame, ordinal, due = min(gaps)
            names = {number: name for name, number in self._sessions.numbers.items()}
            raise TapeGap(
                f"Event {sequences[frame]} has {kind.name.lower()} row {ordinal} of session"
                f" {names[int(sessions[frame])]}, and row {due} is due: events before it are missing.",
                sequence=int(sequences[frame]),
                hint="Check the tape (`tapedeck doctor`), then rebuild the read model from it.",
            )
        for kind, layer in chosen.layers.items():
            self._takes[kind](sessions, sequences, layer)

    def _gap(self, kind: SectionKind, sessions: np.ndarray, layer: Layer) -> list[_Gap]:
        """The first section that does not begin at the row that is due in its session, if any; moves what is due on."""
        by_session = np.argsort(sessions, kind="stable")
        numbers, first, sections = np.unique(sessions[by_session], return_index=True, return_counts=True)
        length = layer.length[by_session]
        before = np.cumsum(length) - length
        held = np.array([self._ordinals.get((number, kind), 0) for number in numbers.tolist()], "<i8")
        due = before + np.repeat(held - before[first], sections)
        wrong = np.flatnonzero(layer.ordinal[by_session] != due)
        if len(wrong):
            at = wrong[np.argmin(by_session[wrong])]
            section = by_session[at]
            place, frame, ordinal = (int(one[section]) for one in (layer.place, layer.frame, layer.ordinal))
            return [_Gap(place, kind, frame, ordinal, int(due[at]))]
        totals = held + np.add.reduceat(length, first)
        self._ordinals |= {
            (number, kind): total for number, total in zip(numbers.tolist(), totals.tolist(), strict=True)
        }
        return []

    def _number(self, session: str, sequence: int) -> int:
        number = self._sessions.numbers.get(session)
        if number is None:
            raise TapeGap(
                f"Event {sequence} is of session {session}, whose start is missing.",
                sequence=sequence,
                hint="Check the tape (`tapedeck doctor`), then rebuild the read model from it.",
            )
        return number

    def _happen(self, fact: Fact, event: Event) -> None:
        sequence = event.sequence
        if isinstance(fact, SessionStarted):
            self._sessions.start(fact, sequence)
        elif isinstance(fact, LIFE):
            if self._sessions.live(self._number(fact.session, sequence), fact, sequence):
                self._results.apply(fact, sequence)
        elif isinstance(fact, _RECORDING):
            self._recordings.apply(fact, sequence)
        elif (apply := self._by_fact.get(type(fact))) is not None:
            apply(fact, event)
        else:
            self._results.apply(fact, sequence)

    # --- what is kept between batches -----------------------------------------------------------------------------

    def _recover(self) -> None:
        """After a batch that was not committed: back to what the file holds."""
        for rows in self._rows:
            rows.clear()
        self._restore()

    def _restore(self) -> None:
        with self.store.transaction() as writer:
            for keeper in self._keeping:
                keeper.restore(writer)
            self._ordinals = {}
            for kind in DECISION_KINDS:
                table = _TABLES[kind]
                rows = writer.execute(
                    f"SELECT session, count(*) FROM {table} WHERE {GOES_ON} GROUP BY session"
                ).fetchall()
                self._ordinals |= {(session, kind): count for session, count in rows}
            self._moment_ns = writer.execute("SELECT appended_ns FROM meta").fetchall()[0][0]


_TABLES = {
    SectionKind.SIGNAL: "signals",
    SectionKind.ORDER: "orders",
    SectionKind.FILL: "fills",
    SectionKind.DENIAL: "denials",
    SectionKind.MARK: "equity",
}
