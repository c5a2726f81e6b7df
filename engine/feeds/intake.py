"""What a format is given while it reads one file: the mapping, the instruments it meets, and where findings go."""

from __future__ import annotations

from typing import Literal, NamedTuple

import msgspec
import numpy as np

from engine.catalogue import SYMBOL, SYMBOL_RULE, VENUE, VENUE_RULE, InstrumentForm
from engine.feeds import zones
from engine.feeds.asset_types import usual_fee_ratio
from engine.feeds.containers import SourceFile
from engine.feeds.errors import BadMapping, FeedLimit
from engine.feeds.mapping import Mapping
from engine.feeds.report import FindingCode, Lines, Notes
from engine.feeds.stamps import BAD_TIME, Stamped, Times
from engine.feeds.symbols import pair_of
from events.rows import Rows

QuantityUnit = Literal["base", "contracts", "ticks", "none"]

INSTRUMENTS_MAX = 10_000  # of one file


class Batch(NamedTuple):
    """Rows of one dtype and, for each, the line (or record) it was made from."""

    rows: Rows
    lines: Lines


class Intake:
    """State of reading one file once. Instruments are numbered from 0 in the order they are met."""

    def __init__(self, source: SourceFile, mapping: Mapping, quantity: QuantityUnit = "base") -> None:
        self.source = source
        self.mapping = mapping
        self.notes = Notes()
        self.quantity = quantity  # what quantities count; a format may find out otherwise
        self.forms: list[InstrumentForm] = []
        self._numbers: dict[tuple[str, str], int] = {}

    @property
    def skips(self) -> bool:
        """Whether bad rows are left out and counted instead of refused."""
        return self.mapping.bad_rows == "skip"

    def instrument(self, symbol: str, venue: str, asset_type: str = "crypto", quote: str = "") -> int:
        """Local number of an instrument; the mapping's words stand before the file's.

        Raises:
            FeedLimit: over `INSTRUMENTS_MAX` instruments in one file.
            BadMapping: a symbol or venue that no path or list of symbols could carry.
        """
        venue = self.mapping.venue or venue
        known = self._numbers.get((symbol, venue))
        if known is not None:
            return known
        self._check_names(symbol, venue)
        if len(self.forms) >= INSTRUMENTS_MAX:
            raise FeedLimit(f"{self.source.name} has over {INSTRUMENTS_MAX} instruments.", field="file")
        asset = self.mapping.asset_type or asset_type
        pair = pair_of(symbol, asset)
        fee = usual_fee_ratio(asset, pair.base)
        form = InstrumentForm(
            symbol=symbol,
            venue=venue,
            asset_type=asset,
            base=pair.base,
            quote=self.mapping.quote or quote or pair.quote,
            maker_fee_ratio=fee,
            taker_fee_ratio=fee,
        )
        number = self._numbers[symbol, venue] = len(self.forms)
        self.forms.append(form)
        return number

    def _check_names(self, symbol: str, venue: str) -> None:
        for field, name, fits, rule in (("symbol", symbol, SYMBOL, SYMBOL_RULE), ("venue", venue, VENUE, VENUE_RULE)):
            if name and not fits.fullmatch(name):
                raise BadMapping(
                    f"The {field} in {self.source.name} is {name[:80]!r}; it must be {rule}.",
                    field=field,
                    hint=f"Give the option {field}, where the file holds one instrument.",
                )

    def set_steps(self, number: int, price_step: float, quantity_step: float) -> None:
        """What was found out about an instrument."""
        self.forms[number] = msgspec.structs.replace(
            self.forms[number], price_step=price_step, quantity_step=quantity_step
        )

    def symbol(self, found: str) -> str:
        """The symbol of the mapping, else the one the file or its name gave.

        Raises:
            BadMapping: neither names the instrument.
        """
        symbol = self.mapping.symbol or found
        if not symbol:
            raise BadMapping(
                f"Neither {self.source.name} nor its name says which instrument it holds.",
                field="symbol",
                hint="Give the option symbol.",
            )
        return symbol

    def utc(self, stamped: Stamped, default_zone: str, lines: Lines | None = None) -> Times:
        """UTC of times that may be local to the mapping's zone, or the format's default one."""
        if not stamped.local:
            return stamped.times
        if not self.mapping.zone and not self.notes.count(FindingCode.ZONE_ASSUMED):
            self.notes.add(FindingCode.ZONE_ASSUMED, count=1, detail=default_zone)
        zone = zones.zone_of(self.mapping.zone or default_zone)
        utc = zones.to_utc(stamped.times, zone)
        readable = stamped.times != BAD_TIME
        if lines is not None:
            self.notes.add(FindingCode.ZONE_SHIFT, lines[(utc.twice | utc.never) & readable])
        return np.where(readable, utc.times, BAD_TIME)
