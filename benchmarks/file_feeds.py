"""How fast files become parsed, checked, packed rows; each beside the bare decompression and parse of the same bytes.

    python -m benchmarks.file_feeds [--rounds N] [--data FOLDER]

Ours includes finding the format out, decompression, parsing, UTC, every check of every row, counting repeats, finding
the steps and packing; the bare line only decompresses and parses all columns (polars for tables, msgspec for
messages), in the same round. Lines of files that are not at hand are left out.
"""

from __future__ import annotations

import argparse
import gzip
import os
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import msgspec
import polars as pl

from engine.feeds.feed import Feed, in_order
from engine.feeds.file_feed import FileFeed
from engine.feeds.hashing import ContentHash
from engine.feeds.merge import MergedFeed, merge
from engine.feeds.simulated import SimulatedFeed, six_hours

ROOT = Path(__file__).resolve().parent.parent
PUMPS = ("AST_2018-09-07_15.30", "BRD_2018-11-13_17.00", "DLT_2018-08-23_16.00", "ICN_2018-09-11_15.30")


class Measured(NamedTuple):
    """One line of the table: data lines, rows, seconds of ours and of the bare line."""

    lines: int
    rows: int
    ours: float
    bare: float


def files(folder: Path) -> dict[str, list[Path]]:
    """Cases by name."""
    return {
        "SPY trades (Lean zip)": [folder / f"spy_trade_ticks/2013100{day}_trade.zip" for day in (7, 8, 9)],
        "ES trades (CSV.gz)": [folder / "es_futures_ticks/tick_data.csv.gz"],
        "pump trades (CSV.gz)": [folder / f"pump_events_ticks/{name}.csv.gz" for name in PUMPS],
        "EURUSD quotes (Lean zip)": [
            folder / f"fx_quote_ticks/fxcm_eurusd_2014050{day}_quote.zip" for day in (6, 7, 8)
        ],
        "Binance trades (Parquet)": [folder / "binance_trades_flat/trades.parquet"],
        "Binance messages (gz)": [folder / "binance_raw_ws/usdm_btcusdt_20240808.gz"],
    }


def text_of(path: Path) -> bytes:
    """The uncompressed text of a file."""
    if path.suffix == ".zip":
        with zipfile.ZipFile(path) as archive:
            return archive.read(archive.namelist()[0])
    return gzip.decompress(path.read_bytes())


def parse_bare(path: Path) -> None:
    """Decompress and parse, nothing else."""
    if path.suffix == ".parquet":
        pl.read_parquet(path)
    elif "raw_ws" in str(path):
        decode = msgspec.json.Decoder().decode
        for line in text_of(path).splitlines():
            decode(line.partition(b" ")[2])
    else:
        pl.read_csv(text_of(path), has_header=path.suffix != ".zip")


def read_whole(feed: Feed) -> int:
    """Survey and all chunks; the number of rows."""
    feed.survey()
    return sum(len(rows) for rows in feed.chunks(in_order()))


def timed(work: Callable[[], object]) -> float:
    """Seconds of one run."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def measure(paths: list[Path], rounds: int) -> Measured:
    """The best round of each; ours and the bare line take turns."""
    ours, bare = [], []
    for _ in range(rounds):
        ours.append(timed(lambda: [read_whole(FileFeed(path)) for path in paths]))
        bare.append(timed(lambda: [parse_bare(path) for path in paths]))
    reports = [FileFeed(path).report for path in paths]
    return Measured(sum(one.rows_read for one in reports), sum(one.rows_made for one in reports), min(ours), min(bare))


def show(name: str, rows: float, seconds: float, note: str = "") -> None:
    """One line."""
    print(f"{name:<34}{rows / seconds / 1e6:>10.2f} M rows/s  {seconds * 1e3:>8.0f} ms  {note}")


def show_simulated(rounds: int) -> None:
    """Six hours of five instruments with three pumps, made anew each round."""
    for quotes in (False, True):
        market = msgspec.structs.replace(six_hours(), quotes=quotes)
        count = read_whole(SimulatedFeed(market))
        seconds = min(timed(lambda market=market: read_whole(SimulatedFeed(market))) for _ in range(rounds))
        show(f"simulated, {'trades and quotes' if quotes else 'trades'}", count, seconds, f"{count:,} rows")


def show_merge(feeds: list[Feed], rounds: int) -> None:
    """Merging and hashing of surveyed feeds."""
    merged = MergedFeed(feeds)
    chunks = [list(feed.chunks(in_order())) for feed in feeds]
    count = merged.survey().rows or 0
    seconds = min(timed(lambda: [len(rows) for rows in merge([iter(one) for one in chunks])]) for _ in range(rounds))
    show(f"merge of {len(feeds)} surveyed files", count, seconds, f"{count:,} rows")

    def hashed() -> None:
        whole = ContentHash()
        for one in chunks:
            for rows in one:
                whole.add(rows)

    show("content hash", count, min(timed(hashed) for _ in range(rounds)))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="rounds, of which the best counts (default 5)")
    default = os.environ.get("TAPEDECK_DATA_DIR") or ROOT.parent / "shared" / "data"
    parser.add_argument("--data", type=Path, default=Path(default), help="folder of the recorded markets")
    options = parser.parse_args()
    for name, paths in files(options.data).items():
        if not all(path.is_file() for path in paths):
            print(f"{name:<34}not at hand")
            continue
        found = measure(paths, options.rounds)
        note = f"{found.lines / found.ours / 1e6:.2f} M lines/s, bare {found.lines / found.bare / 1e6:.2f}"
        show(name, found.rows, found.ours, f"{note}, ours takes {found.ours / found.bare:.1f} x")
    pumps = [path for path in files(options.data)["pump trades (CSV.gz)"] if path.is_file()]
    if pumps:
        show_merge([FileFeed(path) for path in pumps], options.rounds)
    show_simulated(options.rounds)


if __name__ == "__main__":
    main()
