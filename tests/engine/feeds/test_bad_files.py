"""Bad rows, wrong columns, damage and hostile content: a clear FeedError with the row, or counted if asked."""

from __future__ import annotations

import gzip
import lzma
import zipfile
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.feeds import containers
from engine.feeds.errors import BadMapping, BadRows, FeedError, FeedLimit, UnknownFormat, Unreadable, WrongColumns
from engine.feeds.registry import FORMATS
from engine.feeds.report import BAD_CODES
from events.errors import InvalidInput
from tests.engine.feeds.small_files import MS, all_rows, feed_of, write
from tests.engine.feeds.test_small_files import SMALL

HEADER = "symbol,timestamp,datetime,side,price,amount,btc_volume\n"
GOOD = "AST/BTC,1535297434173,x,buy,1.5,4.0,5.7\n"


def pump(folder: Path, *lines: str) -> Path:
    """A pump file of these lines."""
    path = folder / "AST_2018-09-07_15.30.csv"
    path.write_text(HEADER + "".join(lines), encoding="utf-8")
    return path


BAD_LINES = (
    ("AST/BTC,1535297434174,x,buy,abc,4.0,5.7\n", BadRows, "column price is 'abc', a number is due", "UNPARSABLE"),
    ("AST/BTC,,x,buy,1.5,4.0,5.7\n", BadRows, "column timestamp is ''", "UNPARSABLE"),
    ("AST/BTC,1535297434174,x,buy,1.5\n", WrongColumns, "row 3: 5 columns, 7 are due", "WRONG_COLUMNS"),
    ("AST/BTC,1535297434174,x,buy,1.5,4.0,5.7,8\n", WrongColumns, "row 3: 8 columns, 7 are due", "WRONG_COLUMNS"),
    ("AST/BTC,1535297434174,x,buy,nan,4.0,5.7\n", BadRows, r"NaN or infinite \(rows 3\)", "NOT_A_NUMBER"),
    ("AST/BTC,1535297434174,x,buy,1.5,inf,5.7\n", BadRows, r"NaN or infinite \(rows 3\)", "NOT_A_NUMBER"),
    ("AST/BTC,1535297434174,x,buy,-1.5,4.0,5.7\n", BadRows, r"zero or negative \(rows 3\)", "NOT_POSITIVE"),
    ("AST/BTC,1535297434174,x,buy,0,4.0,5.7\n", BadRows, r"zero or negative \(rows 3\)", "NOT_POSITIVE"),
    ("AST/BTC,1535297434174,x,buy,1.5,-4.0,5.7\n", BadRows, r"is negative \(rows 3\)", "NEGATIVE_QUANTITY"),
    ("AST/BTC,1535297434174,x,buy,1e300,4.0,5.7\n", BadRows, r"beyond any market \(rows 3\)", "TOO_LARGE"),
    ("AST/BTC,9223372036854775807,x,buy,1.5,4.0,5.7\n", BadRows, r"outside 1970 to 2200 \(rows 3\)", "BAD_TIME"),
    ("AST/BTC,-5,x,buy,1.5,4.0,5.7\n", BadRows, r"outside 1970 to 2200 \(rows 3\)", "BAD_TIME"),
)


@pytest.mark.parametrize(
    ("line", "error", "says", "code"), BAD_LINES, ids=[f"{row[3]}-{row[0][:45]}" for row in BAD_LINES]
)
def test_bad_row_is_refused_with_its_number(
    tmp_path: Path, line: str, error: type[FeedError], says: str, code: str
) -> None:
    """A bad row refuses the whole file, names the row, and nothing comes out of the feed."""
    feed = feed_of(pump(tmp_path, GOOD, line, GOOD))
    with pytest.raises(error, match=says) as refused:
        feed.survey()
    assert isinstance(refused.value, InvalidInput)
    with pytest.raises(error):
        next(feed.chunks(lambda form: 1))


@pytest.mark.parametrize(
    ("line", "error", "says", "code"), BAD_LINES, ids=[f"{row[3]}-{row[0][:45]}" for row in BAD_LINES]
)
def test_bad_row_is_counted_if_asked(tmp_path: Path, line: str, error: type[FeedError], says: str, code: str) -> None:
    """With bad_rows=skip the bad row is left out, counted and named; the others are kept."""
    feed = feed_of(pump(tmp_path, GOOD, line, GOOD), bad_rows="skip")
    finding = feed.report.find(code)
    assert finding is not None
    assert (finding.count, finding.rows) == (1, (3,))
    assert (feed.report.rows_read, feed.report.rows_kept, len(all_rows(feed))) == (3, 2, 2)


def test_unknown_side_is_refused(tmp_path: Path) -> None:
    """A word that is no side names the row and the words that are due."""
    with pytest.raises(BadRows, match=r"row 3: column side is 'hold', one of buy, sell is due"):
        feed_of(pump(tmp_path, GOOD, GOOD.replace("buy", "hold"))).survey()


def test_sides_in_capitals_are_read(tmp_path: Path) -> None:
    """BUY and Sell are sides too."""
    rows = all_rows(feed_of(pump(tmp_path, GOOD.replace("buy", "BUY"), GOOD.replace("buy", "Sell"))))
    assert rows["side"].tolist() == [1, -1]


def test_first_ten_bad_rows_are_named(tmp_path: Path) -> None:
    """Of many bad rows the first ten are named and the rest counted."""
    bad = GOOD.replace("1.5", "-1.5")
    with pytest.raises(BadRows, match=r"rows 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 and 15 more"):
        feed_of(pump(tmp_path, *[bad] * 25)).survey()
    finding = feed_of(pump(tmp_path, GOOD, *[bad] * 25), bad_rows="skip").report.find("NOT_POSITIVE")
    assert finding is not None
    assert (finding.count, finding.rows) == (25, tuple(range(3, 13)))


def test_row_numbers_count_lines_across_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In whatever block a bad row stands, and behind empty lines, its number is that of the line in an editor."""
    monkeypatch.setattr(containers.SourceFile.blocks, "__defaults__", (200,))
    path = pump(tmp_path, *[GOOD] * 40, "\n", "\r\n", *[GOOD] * 40, GOOD.replace("1.5", "-1"), GOOD)
    with pytest.raises(BadRows, match=r"\(rows 84\).*Row 84 is 'AST/BTC,1535297434173,x,buy,-1,4.0,5.7'"):
        feed_of(path).survey()
    report = feed_of(path, bad_rows="skip").report
    assert report.find("BLANK_LINES").rows == (42, 43)  # type: ignore[union-attr]
    assert (report.rows_read, report.rows_kept) == (82, 81)


def test_disorder_is_reported_and_kept(tmp_path: Path) -> None:
    """Rows that step backward in time stay where they are and are named."""
    times = [5, 6, 4, 7, 3]
    feed = feed_of(pump(tmp_path, *[GOOD.replace("1535297434173", str(1535297434170 + at)) for at in times]))
    finding = feed.report.find("DISORDER")
    assert finding is not None
    assert (finding.count, finding.rows) == (2, (4, 6))
    assert ((all_rows(feed)["ts_event_ns"] // MS) % 10).tolist() == times


@pytest.mark.parametrize(
    ("header", "says"),
    [
        ("symbol,timestamp,side,price,amount,date,type,id\n", "No format fits"),
        ("DateTime,Price\n", "No format fits"),
        ("\n\n\n", "No format fits"),
    ],
)
def test_unknown_header_lists_what_there_is(tmp_path: Path, header: str, says: str) -> None:
    """An unknown file is refused with its first lines and all formats."""
    path = tmp_path / "x.csv"
    path.write_text(header + "1,2,3\n")
    with pytest.raises(UnknownFormat, match=says) as refused:
        feed_of(path)
    assert all(one.name in refused.value.hint for one in FORMATS)


def test_forced_format_names_missing_columns(tmp_path: Path) -> None:
    """A format forced upon another file names the file, the row and the columns that it lacks."""
    path = tmp_path / "x.csv"
    path.write_text("DateTime,Price,Size\n2013-09-01 17:00:00.083,1640.25,8\n")
    with pytest.raises(WrongColumns, match=r"The header of x.csv \(row 1\) lacks Volume; it has DateTime, Price, Size"):
        feed_of(path, format="es_ticks").survey()


def test_doubled_column_is_refused(tmp_path: Path) -> None:
    """A header with a name twice is refused."""
    path = tmp_path / "x.csv"
    path.write_text("time,open,high,low,close,volume,volume\n1,2,3,1,2,3,4\n")
    with pytest.raises(WrongColumns, match="has volume twice"):
        feed_of(path).survey()


@pytest.mark.parametrize("text", ["", "\n", HEADER, "﻿" + HEADER])
def test_file_without_rows_is_refused(tmp_path: Path, text: str) -> None:
    """An empty file, or one with a header only, is refused."""
    path = tmp_path / "AST_x.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(FeedError, match=r"empty|no data rows|No format fits"):
        feed_of(path).survey()


def test_byte_order_mark_and_crlf_are_read(tmp_path: Path) -> None:
    """A byte order mark and Windows line ends change nothing, nor does a missing last line end."""
    plain = all_rows(feed_of(pump(tmp_path, GOOD, GOOD)))
    path = tmp_path / "BRD_x.csv"
    path.write_bytes(("﻿" + (HEADER + GOOD + GOOD).replace("\n", "\r\n")).encode().removesuffix(b"\r\n"))
    assert all_rows(feed_of(path)).tobytes() == plain.tobytes()


def test_missing_and_foreign_files_are_refused(tmp_path: Path) -> None:
    """A missing file, a folder, and containers that are not read say so."""
    with pytest.raises(Unreadable, match="No such file"):
        feed_of(tmp_path / "none.csv")
    with pytest.raises(Unreadable, match="Is a directory"):
        feed_of(tmp_path)
    for start, says in (
        (b"\x28\xb5\x2f\xfd", "zstd"),
        (b"BZh9", "bzip2"),
        (b"FEA1", "version 1"),
        (b"\xff\xfea\0", "UTF-16"),
    ):
        path = tmp_path / "x.bin"
        path.write_bytes(start + b"\0" * 50)
        with pytest.raises(Unreadable, match=says):
            feed_of(path)


def test_zip_of_several_files_asks_which(tmp_path: Path) -> None:
    """A zip with several files lists them; the option member picks one."""
    path = tmp_path / "two.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("AST_a.csv", HEADER + GOOD)
        archive.writestr("AST_b.csv", HEADER + GOOD + GOOD)
    with pytest.raises(BadMapping, match=r"holds 2 files.*Members: AST_a.csv, AST_b.csv"):
        feed_of(path)
    with pytest.raises(BadMapping, match="has no member 'c'"):
        feed_of(path, member="c")
    assert len(all_rows(feed_of(path, member="AST_b.csv"))) == 2


def test_gzip_of_several_members_is_one_text(tmp_path: Path) -> None:
    """Members behind each other are one text, and padding behind the last is none."""
    path = tmp_path / "AST_x.csv.gz"
    path.write_bytes(gzip.compress((HEADER + GOOD).encode()) + gzip.compress(GOOD.encode()) + b"\0" * 512)
    assert len(all_rows(feed_of(path))) == 2


def test_line_without_end_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line beyond the limit is refused before it fills the memory."""
    monkeypatch.setattr(containers, "LINE_BYTES_MAX", 10_000)
    monkeypatch.setattr(containers.SourceFile.blocks, "__defaults__", (4_096,))
    with pytest.raises(FeedLimit, match="over 10000 bytes"):
        feed_of(pump(tmp_path, GOOD, "x" * 50_000)).survey()


@pytest.mark.parametrize("small", SMALL, ids=[f"{one.format}:{one.name}" for one in SMALL])
def test_every_truncation_is_a_clear_error_or_a_shorter_file(tmp_path: Path, small: object) -> None:
    """Cut off anywhere, a file gives a FeedError or fewer whole rows, never another exception and never a wrong row."""
    path = write(tmp_path, small)  # type: ignore[arg-type]
    data = path.read_bytes()
    options = small.options  # type: ignore[attr-defined]
    whole = [tuple(row) for row in all_rows(feed_of(path, **options)).tolist()]
    binary = path.suffix in (".gz", ".xz", ".zip", ".parquet", ".feather")
    for end in np.unique(np.linspace(0, len(data) - 1, 25).astype(int)):
        path.write_bytes(data[:end])
        try:
            rows = all_rows(feed_of(path, **{"interval": "1h"} | options if "bars" in small.format else options))  # type: ignore[attr-defined]
        except FeedError:
            continue
        assert not binary
        assert len(rows) <= len(whole)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    flips=st.lists(st.tuples(st.integers(0, 10_000), st.integers(1, 255)), min_size=1, max_size=6),
    at=st.integers(0, len(SMALL) - 1),
)
def test_flipped_bytes_never_give_another_exception(tmp_path: Path, flips: list[tuple[int, int]], at: int) -> None:
    """A damaged file of any format is a FeedError or rows that pass every check."""
    path = write(tmp_path, SMALL[at])
    data = bytearray(path.read_bytes())
    for place, mask in flips:
        data[place % len(data)] ^= mask
    path.write_bytes(bytes(data))
    sound(path, {**SMALL[at].options, "format": SMALL[at].format})


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    data=st.binary(max_size=400), packed=st.sampled_from(["", "gzip", "xz", "zip"]), at=st.integers(0, len(FORMATS) - 1)
)
def test_noise_never_gives_another_exception(tmp_path: Path, data: bytes, packed: str, at: int) -> None:
    """Noise forced upon any format is a FeedError, or rows that pass every check."""
    path = tmp_path / "20200101_noise_1m.csv"
    if packed == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("20200101_noise_Trade_Tick.csv", data)
    else:
        path.write_bytes({"": bytes, "gzip": gzip.compress, "xz": lzma.compress}[packed](data))
    sound(path, {"format": FORMATS[at].name, "symbol": "X/USD"})


NUMBERS = st.one_of(
    st.floats().map(str),
    st.integers(-(10**30), 10**30).map(str),
    st.sampled_from(["", "nan", "-inf", "1e999", "0x10", "1_000", "'1'", '"1"', "１", "+1", "1.", ".5", "1e-400"]),
)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cells=st.lists(st.tuples(NUMBERS, NUMBERS, NUMBERS), min_size=1, max_size=5), skip=st.booleans())
def test_strange_numbers_are_refused_or_counted(tmp_path: Path, cells: list[tuple[str, str, str]], skip: bool) -> None:
    """Whatever stands for a time, a price and a quantity, rows that come out are sound, and none is lost silently."""
    lines = [f"AST/BTC,{time},x,buy,{price},{amount},1.0\n" for time, price, amount in cells]
    path = pump(tmp_path, GOOD, *lines)
    feed = feed_of(path, bad_rows="skip" if skip else "refuse")
    try:
        report = feed.report
    except FeedError:
        assert not skip or any('"' in line for line in lines)
        return
    bad = sum(report.count(code) for code in BAD_CODES)
    assert report.rows_read == len(cells) + 1
    assert report.rows_read - bad <= report.rows_kept <= report.rows_read
    sound(path, {"bad_rows": "skip" if skip else "refuse"})


def sound(path: Path, options: dict[str, object]) -> None:
    """A FeedError, or rows in which everything is finite, positive and of our days."""
    try:
        rows = all_rows(feed_of(path, **options))
    except FeedError:
        return
    for name in rows.dtype.names or ():
        if rows.dtype[name].kind == "f":
            assert np.isfinite(rows[name]).all()
    price = "price" if "price" in (rows.dtype.names or ()) else "close"
    assert (rows[price] > 0).all()
    assert (rows["ts_event_ns"] < 7_258_118_400_000_000_001).all()


def test_wrong_types_of_records_are_refused(tmp_path: Path) -> None:
    """A record file whose price column holds lists is refused, one with NaN and nulls names the records."""
    path = tmp_path / "binance_btcusdt-trades.parquet"
    frame = {
        "timestamp": [1610064000278] * 3,
        "trade_id": [1, 2, 3],
        "quantity": [1.0] * 3,
        "buyer_maker": ["True"] * 3,
    }
    pl.DataFrame({**frame, "price": [[1.0], [2.0], [3.0]]}).write_parquet(path)
    with pytest.raises(FeedError):
        feed_of(path).survey()
    pl.DataFrame({**frame, "price": [1.0, None, 2.0]}).write_parquet(path)
    with pytest.raises(BadRows, match="row 2: column price is None, a number is due"):
        feed_of(path).survey()
    pl.DataFrame({**frame, "price": [1.0, 2.0, float("nan")]}).write_parquet(path)
    with pytest.raises(BadRows, match=r"NaN or infinite \(rows 3\).*Row 3 is record 3"):
        feed_of(path).survey()
