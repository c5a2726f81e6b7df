"""Options, ids of imports, hashes of contents."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.feeds import file_feed
from engine.feeds.errors import BadMapping, FeedError, UnknownFormat, Unreadable
from engine.feeds.feed import in_order
from engine.feeds.file_feed import FileFeed
from engine.feeds.hashing import content_hash, file_hash
from engine.feeds.mapping import Mapping, interval_ns, mapping_of
from events.rows import MARKET_DTYPE
from tests.engine.feeds.small_bars import ASCII, MT5
from tests.engine.feeds.small_files import ES, LEAN_TRADES, PUMP, all_rows, feed_of, ns, write
from tests.engine.feeds.small_messages import USDM

WRONG: tuple[tuple[dict[str, object], str], ...] = (
    ({"formt": "x"}, "formt"),
    ({"symbol": 5}, "symbol"),
    ({"symbol": "x" * 100}, "over 64 characters"),
    ({"symbol": "a\nb"}, "unprintable"),
    ({"date": "07.10.2013"}, "YYYY-MM-DD"),
    ({"interval": "1 hour"}, "30s, 1m, 4h"),
    ({"interval": "0m"}, "30s, 1m, 4h"),
    ({"kinds": ["ticks"]}, "kinds"),
    ({"bad_rows": "ignore"}, "bad_rows"),
    ({"price_side": "last"}, "price_side"),
)


@pytest.mark.parametrize(("options", "says"), WRONG, ids=[says for _, says in WRONG])
def test_wrong_option_is_refused(options: dict[str, object], says: str) -> None:
    """An option that is unknown or malformed is named."""
    with pytest.raises(BadMapping, match=says):
        mapping_of(options)


def test_option_without_meaning_is_refused(tmp_path: Path) -> None:
    """An option that the format does not know is refused, with those it knows."""
    with pytest.raises(BadMapping, match="zone has no meaning for format pump_trades") as refused:
        feed_of(write(tmp_path, PUMP), zone="UTC")
    assert "symbol" in refused.value.hint


def test_unknown_format_is_refused(tmp_path: Path) -> None:
    """A format that does not exist is refused with those that do."""
    with pytest.raises(UnknownFormat, match="There is no format 'csv'") as refused:
        feed_of(write(tmp_path, PUMP), format="csv")
    assert "pump_trades" in refused.value.hint


def test_options_stand_before_what_the_file_says(tmp_path: Path) -> None:
    """Symbol, venue, type of asset and quote of the mapping replace the file's own."""
    options = {"symbol": "ESZ3", "venue": "GLOBEX", "asset_type": "index", "quote": "EUR", "zone": "UTC"}
    feed = feed_of(write(tmp_path, ES), **options)
    form = feed.survey().instruments[0]
    assert (form.symbol, form.venue, form.asset_type, form.quote) == ("ESZ3", "GLOBEX", "index", "EUR")
    assert int(all_rows(feed)["ts_event_ns"][0]) == ns("2013-09-01T17:00:00.083Z")
    assert feed.report.count("ZONE_ASSUMED") == 0


def test_day_of_a_tick_file_comes_from_a_name_or_an_option(tmp_path: Path) -> None:
    """Without a day in any name the option is asked for; a day that is none is refused."""
    path = write(tmp_path, LEAN_TRADES)
    assert int(all_rows(feed_of(path, date="2014-01-02"))["ts_event_ns"][0]) == ns("2014-01-02T09:00:00.464Z")
    bare = tmp_path / "ticks.csv"
    bare.write_text(LEAN_TRADES.text)
    with pytest.raises(BadMapping, match="has no day"):
        feed_of(bare).survey()
    assert len(all_rows(feed_of(bare, date="2013-10-07"))) == 2
    with pytest.raises(BadMapping, match="no day of the calendar"):
        feed_of(bare, date="2013-02-30").survey()


def test_instrument_that_nothing_names_is_asked_for(tmp_path: Path) -> None:
    """A file without a symbol anywhere asks for the option."""
    path = tmp_path / "bars.csv"
    path.write_text(ASCII.text)
    with pytest.raises(BadMapping, match="Give the option symbol"):
        feed_of(path).survey()
    assert feed_of(path, symbol="EURUSD").survey().rows == 2


def test_kinds_keep_some_rows(tmp_path: Path) -> None:
    """Of a stream of many kinds only those asked for are kept, the others counted."""
    feed = feed_of(write(tmp_path, USDM), kinds=["trade", "bid"])
    told = feed.survey()
    assert told.kinds == ("trade", "bid")
    assert all_rows(feed)["kind"].tolist() == [2, 1, 1]
    assert feed.report.count("FILTERED") == 4


def test_tick_volume_as_volume(tmp_path: Path) -> None:
    """MetaTrader's count of quotes becomes the volume only if asked for."""
    feed = feed_of(write(tmp_path, MT5), volume="ticks")
    assert all_rows(feed)["volume"].tolist() == [93697.0, 3783.0]
    assert feed.survey().quantity == "ticks"


def test_lengths_of_bars() -> None:
    """An interval is a count and a unit."""
    assert [interval_ns(text) // 10**9 for text in ("30s", "1m", "4h", "1d")] == [30, 60, 14_400, 86_400]


def test_same_import_has_the_same_id(tmp_path: Path) -> None:
    """The same bytes read the same way are the same import, whatever the folder; another option is another import."""
    one = write(tmp_path, PUMP)
    (tmp_path / "elsewhere").mkdir()
    other = write(tmp_path / "elsewhere", PUMP)
    assert feed_of(one).import_id() == feed_of(other).import_id() == feed_of(one, format="pump_trades").import_id()
    assert feed_of(one).import_id() != feed_of(one, symbol="X/BTC").import_id()
    assert len(feed_of(one).import_id()) == 64
    other.write_bytes(one.read_bytes() + b"\0" * 8)
    assert feed_of(one).import_id() != feed_of(other).import_id()


def test_day_in_a_name_is_part_of_the_id(tmp_path: Path) -> None:
    """The same bytes under the name of another day are other rows, so another import."""
    one = tmp_path / "20131007_spy_Trade_Tick.csv"
    other = tmp_path / "20131008_spy_Trade_Tick.csv"
    for path in (one, other):
        path.write_text(LEAN_TRADES.text)
    assert feed_of(one).import_id() != feed_of(other).import_id()


@given(st.lists(st.integers(0, 40), max_size=8))
def test_content_hash_ignores_how_rows_are_cut(borders: list[int]) -> None:
    """However rows are cut into chunks, empty and strided ones too, their hash is the same."""
    rows = np.zeros(40, MARKET_DTYPE)
    rows["id"] = np.arange(40)
    cuts = [0, *sorted(borders), 40]
    parts = [rows[first:end] for first, end in pairwise(cuts)]
    assert content_hash(parts) == content_hash([rows])
    assert content_hash([rows[::2]]) == content_hash([rows[::2].copy()])
    assert content_hash([rows[:39]]) != content_hash([rows])


def test_missing_file_has_no_hash(tmp_path: Path) -> None:
    """A file that went away says so."""
    with pytest.raises(Unreadable, match="No such file"):
        file_hash(tmp_path / "gone")


def test_large_file_is_parsed_again_instead_of_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the limit rows are not kept in memory; the second reading gives the same."""
    path = write(tmp_path, PUMP)
    kept = all_rows(feed_of(path)).tobytes()
    monkeypatch.setattr(file_feed, "KEPT_BYTES_MAX", 10)
    assert all_rows(feed_of(path)).tobytes() == kept


def test_mapping_of_a_feed_names_its_format(tmp_path: Path) -> None:
    """What was detected is part of the mapping, so a stored mapping reads the file the same way again."""
    feed = FileFeed(write(tmp_path, PUMP), Mapping())
    assert feed.survey().mapping == '{"format":"pump_trades"}'
    assert list(feed.chunks(in_order()))


def test_errors_have_codes_and_fields(tmp_path: Path) -> None:
    """Every error of a feed names its field and has a code of its own."""
    with pytest.raises(FeedError) as refused:
        feed_of(tmp_path / "none.csv")
    assert (refused.value.code, refused.value.field) == ("FEED_UNREADABLE", "file")
