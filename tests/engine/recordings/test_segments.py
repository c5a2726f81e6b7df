"""Segments: rows of a source in a file, written as they come."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np

from engine.recordings.segments import OPEN, Segment, Segments, SegmentWriter, checksum
from events.rows import MARKET_DTYPE, Rows, SectionKind


def rows(count: int, first: int = 0) -> Rows:
    """Market rows that differ from each other."""
    made = np.zeros(count, MARKET_DTYPE)
    made["ts_event_ns"] = np.arange(first, first + count)
    made["price"] = 100.0 + np.arange(first, first + count)
    return made


def good(segments: Segments) -> list[Segment]:
    """All segments that can be opened, in order."""
    return [one for found in segments.named("sim", 1, 2**62) if (one := segments.open(found)) is not None]


def keep(writer: SegmentWriter) -> None:
    """Close and put in its place what was gathered."""
    assert (full := writer.close()) is not None
    assert full.keep() is not None


def test_rows_come_back_as_they_were_written(tmp_path: Path) -> None:
    """A segment holds the rows of its messages in order, with the sequences they came from."""
    segments = Segments(tmp_path, "epoch")
    writer = segments.writer("sim", follows=3)
    for at, count in enumerate((1, 7, 2_000)):
        writer.add(10 + at, SectionKind.MARKET, rows(count, at * 10_000), 1)
    keep(writer)
    (segment,) = good(segments)
    assert segment.rows.tobytes() == b"".join(
        rows(count, at * 10_000).tobytes() for at, count in enumerate((1, 7, 2000))
    )
    assert (segment.first, segment.last, segment.follows) == (10, 12, 3)
    assert segment.counts.tolist() == [1, 7, 2_000]


def test_the_next_segment_follows_the_one_before(tmp_path: Path) -> None:
    """A writer that goes on after a close begins a segment that names the message before it."""
    segments = Segments(tmp_path, "epoch")
    writer = segments.writer("sim")
    for sequence, count in ((5, 3), (9, 4)):
        writer.add(sequence, SectionKind.MARKET, rows(count), 1)
        keep(writer)
    assert writer.close() is None
    assert [(one.follows, one.first) for one in good(segments)] == [(0, 5), (5, 9)]


def test_an_open_segment_is_none(tmp_path: Path) -> None:
    """Until it is closed a segment is read by nobody."""
    segments = Segments(tmp_path, "epoch")
    writer = segments.writer("sim")
    writer.add(5, SectionKind.MARKET, rows(3), 1)
    assert good(segments) == []
    keep(writer)
    assert len(good(segments)) == 1


def test_what_a_killed_writer_left_is_removed(tmp_path: Path) -> None:
    """The next writer of a source removes the open file of a process that has gone, not that of one that lives."""
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    folder = tmp_path / "sim"
    folder.mkdir()
    (folder / f"{OPEN}{gone.pid}.1").write_bytes(b"rows")
    (folder / f"{OPEN}1.1").write_bytes(b"rows")
    writer = Segments(tmp_path, "epoch").writer("sim")
    writer.add(5, SectionKind.MARKET, rows(3), 1)
    names = sorted(path.name.rpartition(".")[0] for path in folder.iterdir())
    assert names == sorted((f"{OPEN}1", f"{OPEN}{os.getpid()}"))
    writer.drop()
    assert len(list(folder.iterdir())) == 1


def test_a_changed_bit_is_noticed(tmp_path: Path) -> None:
    """A damaged segment is as good as none: the rows are then read from the tape."""
    segments = Segments(tmp_path, "epoch")
    writer = segments.writer("sim")
    writer.add(5, SectionKind.MARKET, rows(100), 1)
    keep(writer)
    (path,) = (tmp_path / "sim").glob("*.rows")
    data = bytearray(path.read_bytes())
    data[1_234] ^= 1
    path.write_bytes(data)
    assert good(segments) == []


def test_sums_go_on_behind_those_before() -> None:
    """The sums of rows in two stretches are those of all at once."""
    whole = rows(1_000)
    assert checksum(whole[300:], checksum(whole[:300])) == checksum(whole)
