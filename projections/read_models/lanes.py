"""Which strategy on which symbol a lane number of a session's rows means, and how its quantities are worded."""

from __future__ import annotations

import math
from collections.abc import Iterator
from decimal import Decimal

from events.facts import SessionSpec
from projections.duckdb.tables import Table

NEAR = 1e-9  # of a step
ROUNDING = 1e-14  # of a quantity: a few dozen additions
BY_HAND = ""  # the strategy of orders that none gave

LANES = Table(
    "lanes",
    (
        ("session", "INTEGER"),
        ("lane", "INTEGER"),
        ("strategy", "VARCHAR"),
        ("symbol", "VARCHAR"),
        ("instrument", "INTEGER"),
        ("quantity_step", "DOUBLE"),  # of the instrument when the session started; 0: none
    ),
    ("session", "lane"),
)


def lane_rows(session: int, spec: SessionSpec) -> Iterator[tuple[int, int, str, str, int, float]]:
    """Rows of `lanes`: for each strategy as given, for each instrument as given that the strategy runs on.

    Behind them one for each instrument without a strategy: that of orders by hand.
    """
    pairs = [
        (setting.strategy, instrument)
        for setting in spec.strategies
        for instrument in spec.instruments
        if not setting.symbols or instrument.symbol in setting.symbols
    ]
    pairs += [(BY_HAND, instrument) for instrument in spec.instruments]
    for lane, (strategy, instrument) in enumerate(pairs):
        yield session, lane, strategy, instrument.symbol, instrument.number, instrument.quantity_step


def on_step(quantity: float, step: float) -> float:
    """A quantity as it is worded: a whole number of steps without the rounding of the sums that made it.

    0.0009999999999999998 at a step of 0.00001 is 0.001. What lies off the steps stays as it is, and so does all at a
    step of 0.
    """
    steps = quantity / step if step > 0.0 else math.inf
    if not math.isfinite(steps):
        return quantity
    worded = float(Decimal(repr(step)) * round(steps))
    return worded if abs(worded - quantity) <= max(NEAR * step, ROUNDING * abs(quantity)) else quantity
