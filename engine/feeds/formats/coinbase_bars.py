"""CryptoDataDownload's Coinbase bars: a line with their address, then a header and bars.

The header is `date,symbol,open,high,low,close,volume_btc,volume`. Newest first; times as
`2019-10-17 09-AM`, UTC. `volume_btc` is the volume in base units, `volume` the one in quote currency.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from engine.feeds.format import Format, Sample
from engine.feeds.formats.bars import BarTable, bars
from engine.feeds.formats.trades import per_symbol
from engine.feeds.intake import Batch, Intake
from engine.feeds.stamps import Stamped, stamps
from engine.feeds.tables import Column, Kind, Layout, TableReader

NAMES = ("date", "symbol", "open", "high", "low", "close", "volume_btc", "volume")
LAYOUT = Layout(
    columns=tuple(Column(name, {"date": Kind.TIME, "symbol": Kind.TEXT}.get(name, Kind.FLOAT)) for name in NAMES),
    lines_before=1,
)


def fits(sample: Sample) -> bool:
    """Its header in the second line."""
    return not sample.source.binary and sample.header(at=1) == NAMES


def read(intake: Intake) -> Iterator[Batch]:
    """Bars, turned to oldest first."""
    return bars(_tables(intake), intake)


def _tables(intake: Intake) -> Iterator[BarTable]:
    for table in TableReader(LAYOUT, intake).tables():
        frame = table.frame
        numbers = per_symbol(frame["symbol"], intake, "COINBASE")
        opened, high, low, close = (frame[name].to_numpy() for name in NAMES[2:6])
        yield BarTable(
            Stamped(stamps(frame["date"], intake.notes, table.lines).times, False),
            (opened, high, low, close),
            frame["volume_btc"].to_numpy(),
            np.zeros(frame.height, np.int64),
            np.broadcast_to(np.asarray(numbers, np.int32), frame.height),
            table.lines,
        )


FORMAT = Format(
    name="coinbase_bars",
    about="CryptoDataDownload's Coinbase bars: address line, newest first, 12-hour times",
    kinds=(),
    fits=fits,
    read=read,
    options=frozenset({"interval"}),
)
