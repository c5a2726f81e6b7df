"""Which strategy on which symbol a lane number of a session's rows means."""

from __future__ import annotations

from collections.abc import Iterator

from events.facts import SessionSpec
from projections.duckdb.tables import Table

BY_HAND = ""  # the strategy of orders that none gave

LANES = Table(
    "lanes",
    (
        ("session", "INTEGER"),
        ("lane", "INTEGER"),
        ("strategy", "VARCHAR"),
        ("symbol", "VARCHAR"),
        ("instrument", "INTEGER"),
    ),
    ("session", "lane"),
)


def lane_rows(session: int, spec: SessionSpec) -> Iterator[tuple[int, int, str, str, int]]:
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
        yield session, lane, strategy, instrument.symbol, instrument.number
