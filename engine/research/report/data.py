"""What a report is made of."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import numpy as np
from numpy.typing import NDArray

from engine.research.metrics.equity import Curve
from engine.research.metrics.measure import Measurements
from events.errors import InvalidInput
from events.rows import Rows


class PriceSeries(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Prices of one instrument: `ts_ns` int64[n] ascending, ns UTC; `price` float64[n], quote currency."""

    instrument: int
    ts_ns: NDArray[np.int64]
    price: NDArray[np.float64]

    def __post_init__(self) -> None:
        if self.ts_ns.shape != self.price.shape or not np.isfinite(self.price).all():
            raise InvalidInput(
                f"Prices of instrument {self.instrument}: {self.ts_ns.size} times, {self.price.size} prices, "
                f"{np.count_nonzero(~np.isfinite(self.price))} of them not finite.",
                field="prices",
            )


class ReportData(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One finished session.

    `facts` are (label, value) pairs of the header; `verified` is the line that `verify` printed, "" where it has not
    run, and `verified_good` its outcome; `lanes` and `instruments` name the numbers in `trades` (TRADE_DTYPE[n]);
    `notes` are warnings that a reader must see. All texts may hold any character.
    """

    title: str
    facts: tuple[tuple[str, str], ...]
    decision_hash: str
    verified: str
    verified_good: bool | None
    quote: str
    curve: Curve
    trades: Rows
    measurements: Measurements
    instruments: Mapping[int, str]
    lanes: Mapping[int, str]
    prices: tuple[PriceSeries, ...] = ()
    notes: tuple[str, ...] = ()

    def drawn_prices(self) -> tuple[PriceSeries, ...]:
        """Those that have a point to draw."""
        return tuple(one for one in self.prices if one.price.size)

    def instrument_name(self, instrument: int) -> str:
        """Its name, or its number where it has none."""
        return self.instruments.get(instrument, f"instrument {instrument}")

    def lane_name(self, lane: int) -> str:
        """Its strategy, or its number where it has none."""
        return self.lanes.get(lane, f"lane {lane}")
