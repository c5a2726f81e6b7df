"""Which venue's candles are shown where several have the symbol: one a symbol and interval, as recordings say.

Neither the range that is asked nor who traded last has a say, or a chart that polls or pages would be of two markets.
The order changes only where a recording begins or ends; the market store is not asked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from projections.market_store import Interval
from projections.read_models.recordings import RecordingRow

DEALT = frozenset(("trade", "bar"))  # kinds of rows that candles are made of before quotes


def ranked(recorded: Mapping[int, Sequence[RecordingRow]], interval: Interval) -> list[int]:
    """Numbers of instruments, each given with its recordings: those that a source records now before others.

    Then the one with the longest span of complete recordings, of equal ones the one that was registered first.
    """

    def place(number: int) -> tuple[bool, int, int]:
        rows = recorded[number]
        return not any(_live(row) for row in rows), -_span_ns(rows, interval), number

    return sorted(recorded, key=place)


def _live(row: RecordingRow) -> bool:
    """Whether a source runs; an import, which knows its content, may be open too."""
    return row.state == "open" and not row.content_id


def _span_ns(rows: Sequence[RecordingRow], interval: Interval) -> int:
    """What candles may fill: of each recording its span, yet no more than one candle for each of its rows.

    So ten years of days are not ten years of minutes. What several have is no longer than from the first to the last.
    """
    whole = [row for row in rows if row.state == "complete" and row.rows]
    if not whole:
        return 0
    first_ns, last_ns = min(row.first_event_ns for row in whole), max(row.last_event_ns for row in whole)
    return min(last_ns - first_ns, sum(_filled_ns(row, interval) for row in whole))


def _filled_ns(row: RecordingRow, interval: Interval) -> int:
    return min(row.last_event_ns - row.first_event_ns, row.rows // len(row.instruments) * interval.ns)
