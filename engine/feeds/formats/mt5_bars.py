"""MetaTrader 5 bars: tab-separated `DATE TIME OPEN HIGH LOW CLOSE TICKVOL VOL SPREAD`, the names with or without `<>`.

Times are of the broker's server and name no zone. The default is New York plus seven hours (midnight is 17:00 in New
York, in summer and winter). The known files keep it since 2020; until 2019 they changed their clocks with Europe
(`zone=Europe/Athens`), which differs in about four weeks a year. `VOL` is the
volume (0 in much of forex: then there is no volume limit); `TICKVOL`, the number of quotes, is kept as `trades`, or
becomes the volume by `volume=ticks`.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import polars as pl

from engine.feeds.format import Format, Sample
from engine.feeds.formats.bars import BarTable, bars
from engine.feeds.intake import Batch, Intake
from engine.feeds.report import FindingCode
from engine.feeds.stamps import stamps
from engine.feeds.symbols import symbol_in_name
from engine.feeds.tables import Column, Kind, Layout, TableReader

ZONE = "America/New_York+7h"
NAMES = ("DATE", "TIME", "OPEN", "HIGH", "LOW", "CLOSE", "TICKVOL", "VOL", "SPREAD")


def renamed(name: str) -> str:
    """Without `<>`."""
    return name.strip().strip("<>").upper()


LAYOUT = Layout(
    columns=(
        Column("DATE", Kind.TEXT),
        Column("TIME", Kind.TEXT, optional=True),
        *(Column(name, Kind.FLOAT) for name in NAMES[2:6]),
        *(Column(name, Kind.INT) for name in NAMES[6:]),
    ),
    separator="\t",
    renamed=renamed,
)


def fits(sample: Sample) -> bool:
    """Its names, tab-separated; daily files have no TIME."""
    names = {renamed(name) for name in sample.header("\t")}
    return not sample.source.binary and names | {"TIME"} == set(NAMES)


def read(intake: Intake) -> Iterator[Batch]:
    """Bars of the one instrument that the file name gives."""
    return bars(_tables(intake), intake, ZONE)


def _tables(intake: Intake) -> Iterator[BarTable]:
    symbol = intake.symbol(symbol_in_name(intake.source.name))
    number = intake.instrument(symbol, "MT5", "forex")
    ticks_as_volume = intake.mapping.volume == "ticks"
    if ticks_as_volume:
        intake.quantity = "ticks"
        intake.notes.add(FindingCode.QUANTITY_UNIT, count=1, detail="the volume counts quotes (TICKVOL)")
    for table in TableReader(LAYOUT, intake).tables():
        frame = table.frame
        time = frame["TIME"] if "TIME" in frame.columns else pl.Series(["00:00:00"] * frame.height)
        text = frame["DATE"] + " " + time
        opened, high, low, close = (frame[name].to_numpy() for name in NAMES[2:6])
        ticks = frame["TICKVOL"].to_numpy()
        yield BarTable(
            stamps(text, intake.notes, table.lines),
            (opened, high, low, close),
            (ticks if ticks_as_volume else frame["VOL"].to_numpy()).astype(np.float64),
            ticks,
            np.full(frame.height, number, np.int32),
            table.lines,
        )


FORMAT = Format(
    name="mt5_bars",
    about="MetaTrader 5 bars, tab-separated",
    kinds=(),
    fits=fits,
    read=read,
    options=frozenset({"zone", "interval", "volume"}),
)
