"""What every feed promises: the same cases on a file, on bars, on merged files and on the simulated market."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from engine.catalogue import InstrumentForm
from engine.feeds.feed import CHUNK_ROWS_MAX, Feed, in_order
from engine.feeds.hashing import content_hash
from engine.feeds.merge import MergedFeed
from engine.feeds.simulated import SimulatedFeed, SimulatedInstrument, SimulatedMarket
from events.rows import BAR_DTYPE, MARKET_DTYPE, MarketKind, Rows
from tests.engine.feeds.small_bars import COINBASE_BARS
from tests.engine.feeds.small_files import FLAT, PUMP, feed_of, write

LONG_ROWS = CHUNK_ROWS_MAX + 5_000


def long_file(folder: Path) -> Feed:
    """A file of more rows than a chunk holds."""
    path = folder / "OAX_2018-08-17_16.00.csv"
    lines = "".join(
        f"OAX/BTC,{1533485003005 + at * 7},x,{'buy' if at % 3 else 'sell'},{1 + at % 9}e-05,{at % 50 + 1},1.0\n"
        for at in range(LONG_ROWS)
    )
    path.write_text("symbol,timestamp,datetime,side,price,amount,btc_volume\n" + lines)
    return feed_of(path)


def simulated(folder: Path) -> Feed:
    """Twenty minutes of two instruments with quotes."""
    instruments = tuple(SimulatedInstrument(symbol=f"{name}USDT", trades_per_second=30.0) for name in ("AAA", "BBB"))
    return SimulatedFeed(SimulatedMarket(instruments=instruments, duration_s=1_200, quotes=True))


FEEDS: dict[str, Callable[[Path], Feed]] = {
    "file": long_file,
    "several instruments": lambda folder: feed_of(write(folder, FLAT)),
    "bars": lambda folder: feed_of(write(folder, COINBASE_BARS)),
    "merged": lambda folder: MergedFeed([long_file(folder), feed_of(write(folder, PUMP))]),
    "simulated": simulated,
}


@pytest.fixture(params=FEEDS)
def feed(request: pytest.FixtureRequest, tmp_path: Path) -> Feed:
    """One feed of each kind."""
    return FEEDS[request.param](tmp_path)


def test_chunks_are_packed_and_bounded(feed: Feed) -> None:
    """Every chunk has 1 to CHUNK_ROWS_MAX rows of the dtype that the survey names."""
    dtype = BAR_DTYPE if feed.survey().section == "bar" else MARKET_DTYPE
    count = 0
    for rows in feed.chunks(in_order()):
        assert rows.dtype == dtype
        assert 0 < len(rows) <= CHUNK_ROWS_MAX
        assert rows.ndim == 1
        count += len(rows)
    assert feed.survey().rows in (count, None)


def test_every_iteration_gives_the_same_rows(feed: Feed) -> None:
    """Asked again, and again after half an iteration, a feed starts anew and gives the same bytes."""
    first = content_hash(feed.chunks(in_order()))
    next(feed.chunks(in_order()))
    assert content_hash(feed.chunks(in_order())) == first


def test_survey_may_be_asked_before_between_and_after(feed: Feed) -> None:
    """The survey is the same whenever it is asked for."""
    before = feed.survey()
    chunks = feed.chunks(in_order())
    next(chunks)
    assert feed.survey() == before
    assert sum(len(rows) for rows in chunks) >= 0
    assert feed.survey() == before


def test_rows_hold_the_numbers_that_were_given(feed: Feed) -> None:
    """Each row has the number of an instrument of the survey, as the caller numbers them, and all are used."""
    numbers = {(form.symbol, form.venue): 7 + 3 * at for at, form in enumerate(feed.survey().instruments)}
    asked: list[InstrumentForm] = []

    def number(form: InstrumentForm) -> int:
        asked.append(form)
        return numbers[form.symbol, form.venue]

    found = {int(one) for rows in feed.chunks(number) for one in np.unique(rows["instrument"])}
    assert found == set(numbers.values())
    assert set(asked) == set(feed.survey().instruments)


def test_other_numbers_change_nothing_else(feed: Feed) -> None:
    """Numbered otherwise, all other fields are the same; rows given before stay as they were."""
    one = list(feed.chunks(in_order(1)))
    before = content_hash(one)
    other = list(feed.chunks(in_order(100)))
    assert content_hash(one) == before
    for rows, again in zip(one, other, strict=True):
        fields = [name for name in rows.dtype.names or () if name != "instrument"]
        assert rows[fields].tolist() == again[fields].tolist()
        assert (again["instrument"] - rows["instrument"] == 99).all()


def test_rows_are_market_data(feed: Feed) -> None:
    """Every number is finite, every price positive, no quantity negative; kinds are those that the survey names."""
    told = feed.survey()
    for rows in feed.chunks(in_order()):
        for name in rows.dtype.names or ():
            if rows.dtype[name].kind == "f":
                assert np.isfinite(rows[name]).all()
        check_kinds(rows, told.kinds)


def check_kinds(rows: Rows, kinds: tuple[str, ...]) -> None:
    """Kinds, prices and quantities of market rows; high and low of bars."""
    if kinds == ("bar",):
        assert (rows["low"] > 0).all()
        assert (rows["low"] <= np.minimum(rows["open"], rows["close"])).all()
        assert (rows["high"] >= np.maximum(rows["open"], rows["close"])).all()
        return
    assert {MarketKind(kind).name.lower() for kind in np.unique(rows["kind"])} <= set(kinds)
    assert (rows["price"] > 0).all()
    assert (rows["quantity"] >= 0).all()


def test_disorder_is_reported_or_absent(feed: Feed) -> None:
    """The designated time never steps back but where a report says so."""
    told = feed.survey()
    last, back = 0, 0
    for rows in feed.chunks(in_order()):
        times = rows[f"ts_{told.designated}_ns"]
        back += int((np.diff(times, prepend=last) < 0).sum())
        last = int(times[-1])
    assert back == sum(report.count("DISORDER") for report in told.reports)


def test_survey_names_the_instruments(feed: Feed) -> None:
    """Every instrument has a symbol, a venue and a quote currency; the first and the last time are the rows' own."""
    told = feed.survey()
    assert all(form.symbol and form.venue and form.quote for form in told.instruments)
    assert len({(form.symbol, form.venue) for form in told.instruments}) == len(told.instruments)
    if told.first_ns is not None:
        times = np.concatenate([rows[f"ts_{told.designated}_ns"] for rows in feed.chunks(in_order())])
        assert (told.first_ns, told.last_ns) == (times[0], times[-1])
