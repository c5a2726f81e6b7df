"""What was noticed while a file was read: counts by code, with the first row numbers of each."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

import msgspec
import numpy as np
from numpy.typing import NDArray

ROWS_NAMED_MAX = 10  # row numbers that a finding keeps

Lines = NDArray[np.int64]


class FindingCode(StrEnum):
    """What one finding is about. The first eight are bad rows: they refuse the import unless they are skipped."""

    UNPARSABLE = "UNPARSABLE"
    WRONG_COLUMNS = "WRONG_COLUMNS"
    NOT_A_NUMBER = "NOT_A_NUMBER"
    NOT_POSITIVE = "NOT_POSITIVE"
    NEGATIVE_QUANTITY = "NEGATIVE_QUANTITY"
    TOO_LARGE = "TOO_LARGE"
    BAD_TIME = "BAD_TIME"
    BAD_OHLC = "BAD_OHLC"
    SKIPPED_LINES = "SKIPPED_LINES"
    SKIPPED_MESSAGES = "SKIPPED_MESSAGES"
    BLANK_LINES = "BLANK_LINES"
    FILTERED = "FILTERED"
    DISORDER = "DISORDER"
    EVENT_DISORDER = "EVENT_DISORDER"
    DESCENDING = "DESCENDING"
    SAME_TIME = "SAME_TIME"
    REPEATS_KEPT = "REPEATS_KEPT"
    MIXED_CLOCKS = "MIXED_CLOCKS"
    NO_EVENT_TIME = "NO_EVENT_TIME"
    NEGATIVE_LATENCY = "NEGATIVE_LATENCY"
    ZONE_ASSUMED = "ZONE_ASSUMED"
    ZONE_SHIFT = "ZONE_SHIFT"
    HOLES = "HOLES"
    IRREGULAR = "IRREGULAR"
    ZERO_VOLUME = "ZERO_VOLUME"
    ZERO_QUANTITY = "ZERO_QUANTITY"
    ONE_SIDED = "ONE_SIDED"
    CROSSED = "CROSSED"
    OFF_BOOK = "OFF_BOOK"
    SUSPICIOUS = "SUSPICIOUS"
    UPDATE_GAPS = "UPDATE_GAPS"
    ID_GAPS = "ID_GAPS"
    QUANTITY_UNIT = "QUANTITY_UNIT"


MEANINGS: dict[FindingCode, str] = {
    FindingCode.UNPARSABLE: "a value cannot be read as what its column holds",
    FindingCode.WRONG_COLUMNS: "a line has another number of columns",
    FindingCode.NOT_A_NUMBER: "a price or quantity is NaN or infinite",
    FindingCode.NOT_POSITIVE: "a price is zero or negative",
    FindingCode.NEGATIVE_QUANTITY: "a quantity or volume is negative",
    FindingCode.TOO_LARGE: "a price or quantity is beyond any market",
    FindingCode.BAD_TIME: "a time is missing, unreadable or outside 1970 to 2200",
    FindingCode.BAD_OHLC: "the high or low of a bar does not enclose its open and close",
    FindingCode.SKIPPED_LINES: "lines before or between the data that are no data",
    FindingCode.SKIPPED_MESSAGES: "messages of kinds that make no market row",
    FindingCode.BLANK_LINES: "empty lines",
    FindingCode.FILTERED: "rows of kinds that the mapping leaves out",
    FindingCode.DISORDER: "the designated time steps backward; the order of the file is kept",
    FindingCode.EVENT_DISORDER: "the venue's time steps backward; the time of receipt is the designated one",
    FindingCode.DESCENDING: "newest first; the rows were turned round",
    FindingCode.SAME_TIME: "rows at the same time as the row before; the order of the file is kept",
    FindingCode.REPEATS_KEPT: "rows equal to an earlier row at the same time; kept as separate",
    FindingCode.MIXED_CLOCKS: "one column counts time in several units",
    FindingCode.NO_EVENT_TIME: "no time of the venue; the time of receipt stands in",
    FindingCode.NEGATIVE_LATENCY: "received before it happened: the two clocks disagree",
    FindingCode.ZONE_ASSUMED: "the file names no time zone; the format's default was used",
    FindingCode.ZONE_SHIFT: "local times that a clock change makes twice or never",
    FindingCode.HOLES: "bars are missing between two rows",
    FindingCode.IRREGULAR: "the distance of two bars is no multiple of the interval",
    FindingCode.ZERO_VOLUME: "bars in which nothing traded",
    FindingCode.ZERO_QUANTITY: "trades of quantity zero",
    FindingCode.ONE_SIDED: "quotes with one side only; the other side made no row",
    FindingCode.CROSSED: "quotes with the bid above the ask",
    FindingCode.OFF_BOOK: "prints that did not come from the order book; kept and flagged",
    FindingCode.SUSPICIOUS: "rows that the source itself calls suspicious; kept",
    FindingCode.UPDATE_GAPS: "book updates are missing between two messages",
    FindingCode.ID_GAPS: "trade ids are missing between two trades",
    FindingCode.QUANTITY_UNIT: "quantities are not in base units",
}

BAD_CODES = tuple(FindingCode)[:8]


class Finding(msgspec.Struct, frozen=True):
    """One kind of thing that was noticed. `rows` are the first lines (text) or records (binary) it was noticed at."""

    code: str
    message: str
    count: int
    rows: tuple[int, ...] = ()

    def __str__(self) -> str:
        where = f" (first at {', '.join(map(str, self.rows))})" if self.rows else ""
        return f"{self.code} x{self.count}: {self.message}{where}"


class Report(msgspec.Struct, frozen=True):
    """What was read of one file.

    `rows_read` counts data lines or records, `rows_kept` those that made market rows or bars, `rows_made` the rows
    they made (a quote makes two, a book update many).
    """

    file: str
    format: str
    rows_read: int = 0
    rows_kept: int = 0
    rows_made: int = 0
    findings: tuple[Finding, ...] = ()

    def count(self, code: str) -> int:
        """How often a finding was noticed; 0 where it was not."""
        return sum(finding.count for finding in self.findings if finding.code == code)

    def find(self, code: str) -> Finding | None:
        """The finding of a code, if there is one."""
        return next((finding for finding in self.findings if finding.code == code), None)


class Notes:
    """Gathers findings while a file is read."""

    def __init__(self) -> None:
        self.rows_read = 0
        self.rows_kept = 0
        self.rows_made = 0
        self._counts: dict[FindingCode, int] = {}
        self._rows: dict[FindingCode, list[int]] = {}
        self._details: dict[FindingCode, str] = {}

    def add(
        self, code: FindingCode, rows: Iterable[int] | Lines = (), *, count: int | None = None, detail: str = ""
    ) -> None:
        """Count a finding at these rows. `detail` replaces the detail of the message said before."""
        found = np.asarray(rows if isinstance(rows, np.ndarray) else list(rows), dtype=np.int64)
        number = len(found) if count is None else count
        if number == 0:
            return
        self._counts[code] = self._counts.get(code, 0) + number
        named = self._rows.setdefault(code, [])
        named.extend(found[: ROWS_NAMED_MAX - len(named)].tolist())
        if detail:
            self._details[code] = detail

    def names_more(self, code: FindingCode) -> bool:
        """Whether the finding has room for more row numbers."""
        return len(self._rows.get(code, ())) < ROWS_NAMED_MAX

    def count(self, code: FindingCode) -> int:
        """How often it was noticed so far."""
        return self._counts.get(code, 0)

    def findings(self) -> tuple[Finding, ...]:
        """Everything noticed so far, in the order of the codes."""
        return tuple(
            Finding(code.value, self._message(code), self._counts[code], tuple(self._rows[code]))
            for code in FindingCode
            if code in self._counts
        )

    def _message(self, code: FindingCode) -> str:
        detail = self._details.get(code, "")
        return f"{MEANINGS[code]}: {detail}" if detail else MEANINGS[code]

    def report(self, file: str, format_name: str) -> Report:
        """The report as of now."""
        return Report(file, format_name, self.rows_read, self.rows_kept, self.rows_made, self.findings())
