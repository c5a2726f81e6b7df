"""Outputs of a session: compared with what the tape already holds, and appended behind it.

After a restart the loop decides again what it had decided since the snapshot; those rows are compared, not appended.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import numpy as np

from engine.sessions.decision_hash import ChainState, DecisionHash
from events import decisions
from events.errors import TapedeckError
from events.facts import Place
from events.frames import NEWEST, Section
from events.rows import DECISION_KINDS, ROW_DTYPES, Rows, SectionKind
from events.tape import Message

Produced = Mapping[SectionKind, Rows]


class Difference(msgspec.Struct, frozen=True):
    """The first row that differs: its kind, ordinal, field and both values."""

    kind: str
    ordinal: int
    field: str
    held: str  # what the tape holds
    made: str  # what the loop decides now

    def __str__(self) -> str:
        return f"{self.kind} row {self.ordinal}, {self.field}: the tape holds {self.held}, the loop decides {self.made}"


class Diverged(TapedeckError):
    """The loop decides something else than the tape holds."""

    code = "DIVERGED"

    def __init__(self, difference: Difference, input: int | None = None) -> None:
        super().__init__(f"{difference}.")
        self.difference = difference
        self.input = input  # ordinal of the input row that decided it
        self.place: Place | None = None  # of that row, once it is known


def first_difference(kind: SectionKind, ordinal: int, held: Rows, made: Rows) -> Difference | None:
    """The first difference of two stretches of equal length that start at `ordinal`; None where they are equal."""
    if held.tobytes() == made.tobytes():
        return None
    for at in range(len(held)):
        for name in held.dtype.names or ():
            if held[name][at].tobytes() != made[name][at].tobytes():
                return Difference(kind.name.lower(), ordinal + at, name, str(held[name][at]), str(made[name][at]))
    return None


class Held:
    """Decision rows that the tape holds from given ordinals on."""

    def __init__(self) -> None:
        self._parts: dict[SectionKind, list[tuple[int, Rows]]] = {kind: [] for kind in DECISION_KINDS}

    def add(self, message: Message) -> None:
        """One decision message."""
        for section in decisions.from_message(message).sections:
            self._parts[section.kind].append((section.ordinal, section.rows))

    def rows(self, kind: SectionKind, ordinal: int) -> Rows:
        """All rows held from `ordinal` on, joined."""
        parts = [rows[max(0, ordinal - first) :] for first, rows in self._parts[kind] if first + len(rows) > ordinal]
        return np.concatenate(parts) if parts else np.empty(0, ROW_DTYPES[kind, NEWEST[kind]])


class Ledger:
    """Ordinals, hash and comparison of everything a session decides. No I/O."""

    def __init__(self, held: Held | None = None, state: Mapping[int, ChainState] | None = None) -> None:
        self.hash = DecisionHash(state)
        counts = self.hash.counts()
        self.ordinals = {kind: counts[kind.name.lower()] for kind in DECISION_KINDS}
        self._held = {kind: (held or Held()).rows(kind, self.ordinals[kind]) for kind in DECISION_KINDS}

    @property
    def pending(self) -> int:
        """Rows on the tape that the loop has not decided again yet."""
        return sum(len(rows) for rows in self._held.values())

    @property
    def until(self) -> int:
        """How many session inputs were read when the last of the pending rows was decided."""
        return max((int(rows["input"][-1]) + 1 for rows in self._held.values() if len(rows)), default=0)

    def take(self, produced: Produced) -> tuple[Section, ...]:
        """Count and hash rows; compare those that the tape holds; return the others as sections to append.

        Raises:
            Diverged: at the first row that differs.
        """
        sections = []
        for kind in DECISION_KINDS:
            rows = produced.get(kind)
            if rows is None or not len(rows):
                continue
            fresh = self._compare(kind, rows)
            self.hash.add(kind, rows)
            self.ordinals[kind] += len(rows)
            if len(fresh):
                sections.append(Section(kind, fresh, self.ordinals[kind] - len(fresh)))
        return tuple(sections)

    def _compare(self, kind: SectionKind, rows: Rows) -> Rows:
        held = self._held[kind]
        both = min(len(held), len(rows))
        if both:
            difference = first_difference(kind, self.ordinals[kind], held[:both], rows[:both])
            if difference:
                at = difference.ordinal - self.ordinals[kind]
                raise Diverged(difference, int(min(held["input"][at], rows["input"][at])))
            self._held[kind] = held[both:]
        return rows[both:]

    def leftover(self) -> Difference | None:
        """The first row that the tape holds beyond what the loop decided; None where all was decided again."""
        for kind, rows in self._held.items():
            if len(rows):
                return Difference(kind.name.lower(), self.ordinals[kind], "row", str(rows[0]), "nothing")
        return None
