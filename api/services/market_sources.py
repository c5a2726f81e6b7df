"""Which source an instrument is read from: the one it names, else its newest live one, else its newest recording."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from projections.duckdb.store import Snapshot
from projections.market_store import NS_MAX
from projections.read_models.answers import Page
from projections.read_models.instruments import InstrumentRow
from projections.read_models.recordings import RecordingFilter, RecordingRow, recordings

RECORDINGS_MAX = 1_000  # newest ones that are looked at
RANK = {"open": 0, "complete": 1, "abandoned": 2}


def newest_recordings(snapshot: Snapshot, symbol: str | None = None) -> list[RecordingRow]:
    """Recordings, newest first; of one symbol where it is named."""
    page = Page(limit=RECORDINGS_MAX, newest_first=True)
    return recordings(snapshot, RecordingFilter(symbol=symbol), page).rows


def sources_of(instrument: InstrumentRow, found: Sequence[RecordingRow]) -> list[str]:
    """Sources that have the instrument, the primary one first."""
    mine = [row for row in found if instrument.number in row.instruments]
    ranked = [row.source for row in sorted(mine, key=lambda row: RANK[row.state])]  # stable: newest first within
    named = [instrument.primary_source] if instrument.primary_source else []
    return list(dict.fromkeys([*named, *ranked]))


class Reach(NamedTuple):
    """A source, and the event times of its first and last row, ns UTC; all of time where they are not known."""

    source: str
    first_ns: int = 0
    last_ns: int = NS_MAX


def reaches_of(instrument: InstrumentRow, found: Sequence[RecordingRow]) -> list[Reach]:
    """Sources that have the instrument, the primary one first, each with what its recordings span."""
    mine = [row for row in found if instrument.number in row.instruments]
    return [_reach(source, [row for row in mine if row.source == source]) for source in sources_of(instrument, found)]


def _reach(source: str, rows: list[RecordingRow]) -> Reach:
    known = rows and all(row.state == "complete" and row.designated == "event" for row in rows)
    if not known:
        return Reach(source)
    return Reach(source, min(row.first_event_ns for row in rows), max(row.last_event_ns for row in rows))
