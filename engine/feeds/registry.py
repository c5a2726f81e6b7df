"""All file formats, in the order in which they are tried, and how the format of a file is found out."""

from __future__ import annotations

from pathlib import Path

from engine.feeds import records
from engine.feeds.containers import SourceFile
from engine.feeds.errors import BadMapping, UnknownFormat
from engine.feeds.format import Format, Sample
from engine.feeds.formats import (
    ascii_bars,
    binance_raw,
    binance_trades,
    bitstamp_orders,
    bybit_book,
    captures,
    coinbase_bars,
    coinbase_trades,
    es_ticks,
    freqtrade_trades,
    lean_bars,
    lean_fx_quotes,
    lean_quotes,
    lean_trades,
    mt5_bars,
    nautilus_trades,
    ohlcv,
    pump_trades,
    tardis,
    wide_closes,
)
from engine.feeds.mapping import ALWAYS, Mapping

SHOWN_LINES = 3
SHOWN_CHARACTERS = 120

FORMATS: tuple[Format, ...] = (
    binance_raw.FORMAT,
    captures.FORMAT,
    bybit_book.FORMAT,
    lean_trades.FORMAT,
    lean_quotes.FORMAT,
    lean_fx_quotes.FORMAT,
    lean_bars.EQUITY_FORMAT,
    lean_bars.FOREX_FORMAT,
    ascii_bars.FORMAT,
    pump_trades.FORMAT,
    coinbase_trades.FORMAT,
    tardis.TRADES_FORMAT,
    tardis.QUOTES_FORMAT,
    tardis.BOOK_FORMAT,
    binance_trades.FORMAT,
    freqtrade_trades.FORMAT,
    nautilus_trades.FORMAT,
    bitstamp_orders.FORMAT,
    es_ticks.FORMAT,
    mt5_bars.FORMAT,
    coinbase_bars.FORMAT,
    wide_closes.FORMAT,
    ohlcv.FORMAT,
)

BY_NAME = {one.name: one for one in FORMATS}


def sample_of(source: SourceFile) -> Sample:
    """What a format is told by. Raises Unreadable."""
    if source.binary:
        return Sample(source, columns=tuple(records.schema_of(source)))
    return Sample(source, lines=tuple(source.head_lines()))


def detect(path: Path | str, member: str = "") -> Format:
    """The format of a file by content and name.

    Raises:
        UnknownFormat: none fits; the message lists the formats and the first lines.
        Unreadable: damaged, empty, or in a container that is not read.
    """
    return format_of(SourceFile(Path(path), member), Mapping(member=member))


def format_of(source: SourceFile, mapping: Mapping) -> Format:
    """The format that the mapping names, or the one that fits.

    Raises:
        UnknownFormat: there is none.
        BadMapping: an option that the format does not know.
    """
    sample = sample_of(source)
    if mapping.format:
        found = BY_NAME.get(mapping.format)
        if found is None:
            raise UnknownFormat(f"There is no format {mapping.format!r}.", field="format", hint=_listed())
    else:
        found = next((one for one in FORMATS if one.fits(sample)), None)
        if found is None:
            raise UnknownFormat(
                f"No format fits {source.name}. {_seen(sample)}",
                field="file",
                hint=f"{_listed()} Force one with format.",
            )
    _check_options(found, mapping)
    return found


def _check_options(found: Format, mapping: Mapping) -> None:
    for name in Mapping.__struct_fields__:
        if getattr(mapping, name) and name not in ALWAYS and name not in found.options:
            known = ", ".join(sorted(ALWAYS | found.options))
            raise BadMapping(
                f"Option {name} has no meaning for format {found.name}.", field=name, hint=f"It knows {known}."
            )


def _listed() -> str:
    return f"Formats: {', '.join(one.name for one in FORMATS)}."


def _seen(sample: Sample) -> str:
    if sample.source.binary:
        return f"Its columns are {', '.join(sample.columns)[:SHOWN_CHARACTERS]}."
    shown = " | ".join(line[:SHOWN_CHARACTERS] for line in sample.lines[:SHOWN_LINES])
    return f"Its first lines are: {shown}"
