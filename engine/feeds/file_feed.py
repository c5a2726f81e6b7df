"""A file as a feed: found out, surveyed once (checked, counted, its instruments known), then given in chunks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import numpy as np

from engine.feeds.checks import BarChecks, MarketChecks
from engine.feeds.containers import SourceFile
from engine.feeds.errors import Unreadable
from engine.feeds.feed import CHUNK_ROWS_MAX, Description, NumberOf, cut
from engine.feeds.format import Format
from engine.feeds.hashing import import_id
from engine.feeds.intake import Batch, Intake
from engine.feeds.mapping import Mapping, checked, kinds_of
from engine.feeds.registry import format_of
from engine.feeds.report import FindingCode, Report
from engine.feeds.steps import StepsByInstrument
from events.rows import Rows

KEPT_BYTES_MAX = 128 * 1024 * 1024  # rows of surveys kept in memory, so that a file is parsed once


def unseen(rows: int) -> None:
    """Nobody watches a survey."""


class Keeping:
    """How many bytes of rows may still be kept; files that are merged share one."""

    def __init__(self, bytes_max: int | None = None) -> None:
        self.left = KEPT_BYTES_MAX if bytes_max is None else bytes_max

    def take(self, size: int) -> bool:
        """Whether so many bytes may be kept, too."""
        if size > self.left:
            return False
        self.left -= size
        return True


class FileFeed:
    """One file in one format. Construction finds the format out; nothing else is read before the survey.

    `seen` is told during a survey how many rows were read so far; what it raises ends the survey.
    """

    def __init__(self, path: Path | str, mapping: Mapping | None = None) -> None:
        mapping = checked(mapping or Mapping())
        self._source = SourceFile(Path(path), mapping.member)
        self.format: Format = format_of(self._source, mapping)
        self.mapping = msgspec.structs.replace(mapping, format=self.format.name)
        self._kinds = kinds_of(mapping.kinds)
        self._kept: list[Rows] | None = None
        self._description: Description | None = None
        self.seen: Callable[[int], None] = unseen
        self.keeping = Keeping()

    @property
    def path(self) -> Path:
        """The file."""
        return self._source.path

    def reading(self) -> str:
        """How the bytes were read, as text: the mapping and what the file's name told (symbols, the first time)."""
        told = self.survey()
        symbols = " ".join(f"{form.symbol}@{form.venue}" for form in told.instruments)
        return f"{self.mapping.text()}\n{symbols}\n{told.first_ns}"

    def import_id(self) -> str:
        """Hash of the file's bytes and of how they are read: the same import has the same id, whatever its folder."""
        return import_id([(self.path, self.reading())])

    def survey(self) -> Description:
        """Read the whole file once: check every row, count, learn the instruments and their steps.

        Raises:
            FeedError: the file cannot be imported as it is. The message names the rows.
        """
        if self._description is None:
            intake = self._intake()
            kept: list[Rows] | None = []
            times: list[int] = []
            for rows in self._rows(intake, StepsByInstrument(intake)):
                designated = rows[f"ts_{self.format.designated}_ns"]
                times = [times[0] if times else int(designated[0]), int(designated[-1])]
                kept = self._keep(kept, rows)
                self.seen(intake.notes.rows_made)
            self._kept = kept or None
            self._description = self._described(intake, times)
        return self._description

    def _keep(self, kept: list[Rows] | None, rows: Rows) -> list[Rows] | None:
        """The rows kept so far and these; none of the file's, from the first on that are too many."""
        if kept is not None and self.keeping.take(rows.nbytes):
            kept.append(rows)
            return kept
        self.keeping.left += sum(one.nbytes for one in kept or ())
        return None

    def chunks(self, number: NumberOf) -> Iterator[Rows]:
        """All rows in order, at most `CHUNK_ROWS_MAX` at a time, with the instrument numbers that `number` gives."""
        description = self.survey()
        numbers = np.array([number(form) for form in description.instruments], "<i4")
        if self._kept is not None:
            sources: Iterator[Rows] = iter(self._kept)
        else:
            sources = self._rows(self._intake(), None)
        for rows in sources:
            for chunk in cut(rows, CHUNK_ROWS_MAX):
                chunk = chunk.copy()
                chunk["instrument"] = numbers[chunk["instrument"]]
                yield chunk

    @property
    def report(self) -> Report:
        """What the survey noticed."""
        return self.survey().reports[0]

    def _intake(self) -> Intake:
        return Intake(self._source, self.mapping, self.format.quantity)

    def _rows(self, intake: Intake, steps: StepsByInstrument | None) -> Iterator[Rows]:
        market = self.format.section == "market"
        checks = (MarketChecks if market else BarChecks)(intake, self.format.designated)
        made = False
        for batch in self.format.read(intake):
            batch = checks.keep(self._filtered(batch, intake) if self._kinds and market else batch)
            if len(batch.rows):
                made = True
                if steps is not None:
                    steps.see(batch.rows)
                yield batch.rows
        if not made and not intake.notes.count(FindingCode.FILTERED):
            raise Unreadable(f"{self._source.name} holds no row that {self.format.name} knows.", field="file")
        if steps is not None:
            steps.tell()

    def _filtered(self, batch: Batch, intake: Intake) -> Batch:
        keep = np.isin(batch.rows["kind"], [int(kind) for kind in self._kinds])
        if keep.all():
            return batch
        intake.notes.add(FindingCode.FILTERED, batch.lines[~keep])
        return Batch(batch.rows[keep], batch.lines[keep])

    def _described(self, intake: Intake, times: list[int]) -> Description:
        kinds = [kind for kind in self.format.kinds if not self._kinds or kind in self._kinds]
        return Description(
            instruments=tuple(intake.forms),
            kinds=tuple(kind.name.lower() for kind in kinds) or ("bar",),
            section=self.format.section,
            designated=self.format.designated,
            quantity=intake.quantity,
            book=self.format.book,
            mapping=self.mapping.text(),
            rows=intake.notes.rows_made,
            first_ns=times[0] if times else None,
            last_ns=times[1] if times else None,
            reports=(intake.notes.report(self._source.name, self.format.name),),
        )
