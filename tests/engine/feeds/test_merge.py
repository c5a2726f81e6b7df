"""Several feeds as one: a stable sort by time that never changes the order within a feed, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.feeds.errors import BadMapping
from engine.feeds.feed import CHUNK_ROWS_MAX
from engine.feeds.file_feed import FileFeed
from engine.feeds.merge import FEEDS_MAX, MergedFeed, merge
from engine.feeds.pack import joined, reordered
from events.rows import BAR_DTYPE, MARKET_DTYPE, Rows
from tests.engine.feeds.small_bars import COINBASE_BARS
from tests.engine.feeds.small_files import ES, PUMP, all_rows, feed_of, write

STREAMS = st.lists(st.lists(st.lists(st.integers(0, 12), max_size=6), max_size=4), max_size=5)


def stream(chunks: list[list[int]], number: int) -> list[Rows]:
    """Chunks of rows at these times; `id` counts the rows of a stream, `instrument` is the stream."""
    made = []
    count = 0
    for times in chunks:
        rows = np.zeros(len(times), MARKET_DTYPE)
        rows["ts_event_ns"] = times
        rows["id"] = count + np.arange(len(times))
        rows["instrument"] = number
        count += len(times)
        made.append(rows)
    return made


@given(STREAMS)
def test_merge_is_a_stable_sort_of_ordered_streams(times: list[list[list[int]]]) -> None:
    """For streams in order, the merge is the stable sort of all rows by time, wherever chunks end."""
    ordered = []
    for chunks in times:
        flat = iter(sorted(time for chunk in chunks for time in chunk))
        ordered.append([[next(flat) for _ in chunk] for chunk in chunks])
    streams = [stream(chunks, number) for number, chunks in enumerate(ordered)]
    found = list(merge([iter(chunks) for chunks in streams]))
    whole = [row for chunks in streams for rows in chunks for row in rows.tolist()]
    assert [row for rows in found for row in rows.tolist()] == sorted(whole, key=lambda row: row[0])


@given(STREAMS)
def test_disorder_within_a_stream_stays(times: list[list[list[int]]]) -> None:
    """Rows of one stream keep their order whatever their times; among streams the running maximum decides."""
    streams = [stream(chunks, number) for number, chunks in enumerate(times)]
    found = [row for rows in merge([iter(chunks) for chunks in streams]) for row in rows.tolist()]
    keyed = []
    for chunks in streams:
        reached = -1
        for row in (row for rows in chunks for row in rows.tolist()):
            reached = max(reached, row[0])
            keyed.append((reached, row))
    assert found == [row for _, row in sorted(keyed, key=lambda pair: pair[0])]


def test_only_one_chunk_of_each_stream_is_held() -> None:
    """A stream is asked for its next chunk only when its last one is used up."""
    held = {0: 0, 1: 0}

    def counted(number: int) -> Iterator[Rows]:
        for at in range(50):
            held[number] += 1
            yield stream([[at * 10 + number, at * 10 + 5]], number)[0]

    merged = merge([counted(0), counted(1)])
    rows_given = 0
    for rows in merged:
        rows_given += len(rows)
        assert sum(held.values()) * 2 - rows_given <= 6
    assert rows_given == 200


def test_merged_chunks_are_bounded() -> None:
    """However many rows lie between two borders, a chunk has at most CHUNK_ROWS_MAX of them."""
    many = stream([list(range(CHUNK_ROWS_MAX)) for _ in range(1)], 0)
    also = stream([list(range(CHUNK_ROWS_MAX))], 1)
    sizes = [len(rows) for rows in merge([iter(many), iter(also)])]
    assert sum(sizes) == 2 * CHUNK_ROWS_MAX
    assert max(sizes) <= CHUNK_ROWS_MAX


def test_merged_feed_unites_what_its_feeds_are(tmp_path: Path) -> None:
    """One description: all instruments once with the finer step, all rows, all reports, one mapping each."""
    first, second = feed_of(write(tmp_path, PUMP)), feed_of(write(tmp_path, ES))
    merged = MergedFeed([second, first, second])
    told = merged.survey()
    assert [form.symbol for form in told.instruments] == ["ES", "AST/BTC"]
    assert told.rows == 2 + 3 + 2
    assert [report.format for report in told.reports] == ["es_ticks", "pump_trades", "es_ticks"]
    assert told.mapping == '[{"format":"es_ticks"},{"format":"pump_trades"},{"format":"es_ticks"}]'
    assert told.quantity == "base"
    numbers = {form: at for at, form in enumerate(told.instruments, start=11)}
    rows = np.concatenate(list(merged.chunks(numbers.__getitem__)))
    assert sorted(rows["instrument"].tolist()) == [11, 11, 11, 11, 12, 12, 12]
    assert (np.diff(rows["ts_event_ns"]) >= 0).all()


@pytest.mark.parametrize(("room", "kept"), [(288, 2), (287, 1), (143, 0)])
def test_files_that_are_merged_share_what_is_kept(room: int, kept: int, tmp_path: Path) -> None:
    """However many files are merged, what surveys keep in memory stays under one bound, and the rows are the same."""
    whole, merged = (
        MergedFeed([feed_of(write(tmp_path, PUMP), symbol=f"{name}/BTC") for name in "AB"]) for _ in range(2)
    )
    files = [feed for feed in merged.feeds if isinstance(feed, FileFeed)]
    files[0].keeping.left = room  # three rows of 48 bytes a file
    rows = np.concatenate(list(merged.chunks(lambda form: 1)))
    assert rows.tobytes() == np.concatenate(list(whole.chunks(lambda form: 1))).tobytes()
    assert sum(feed._kept is not None for feed in files) == kept
    assert files[0].keeping.left == room - 144 * kept


def test_ticks_and_bars_are_not_mixed(tmp_path: Path) -> None:
    """A file of ticks and one of bars cannot be one recording."""
    merged = MergedFeed([feed_of(write(tmp_path, PUMP)), feed_of(write(tmp_path, COINBASE_BARS))])
    with pytest.raises(BadMapping, match="Ticks and bars"):
        merged.survey()


def test_number_of_feeds_is_bounded(tmp_path: Path) -> None:
    """No feed, or too many, are refused."""
    feed = feed_of(write(tmp_path, PUMP))
    for feeds in ([], [feed] * (FEEDS_MAX + 1)):
        with pytest.raises(BadMapping, match="can be merged"):
            MergedFeed(feeds)


def test_order_of_files_decides_ties(tmp_path: Path) -> None:
    """At equal times rows of the first named file come first; naming them the other way round turns that."""
    one = feed_of(write(tmp_path, PUMP), symbol="A/BTC")
    other = feed_of(write(tmp_path, PUMP), symbol="B/BTC")
    assert all_rows(MergedFeed([one, other]))["instrument"].tolist() == [1, 1, 2, 2, 1, 2]
    both = MergedFeed([other, one])
    assert [form.symbol for form in both.survey().instruments] == ["B/BTC", "A/BTC"]
    assert all_rows(both)["instrument"].tolist() == [1, 1, 2, 2, 1, 2]
    assert both.import_id() != MergedFeed([one, other]).import_id()


@pytest.mark.parametrize("dtype", [MARKET_DTYPE, BAR_DTYPE])
def test_rows_as_words_are_the_same_rows(dtype: np.dtype) -> None:
    """Reordering and joining rows as words of eight bytes gives what numpy gives for records."""
    chance = np.random.Generator(np.random.Philox(key=1))
    rows = np.frombuffer(chance.bytes(dtype.itemsize * 50), dtype)
    order = chance.permutation(50)
    assert reordered(rows, order).tobytes() == rows[order].tobytes()
    assert joined([rows[:20], rows[20:45:2]]).tobytes() == rows[:20].tobytes() + rows[20:45:2].tobytes()
