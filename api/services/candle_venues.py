"""Which venue's candles are shown where several have the symbol: one a symbol and interval, of all that is recorded.

Neither the range that is asked nor who traded last has a say, or a chart that polls or pages would be of two markets.
Counts are of all sources of a venue, added up. The interval that is still open is not counted, and near counts are
equal: venues that are recorded side by side miss one now and then, and the order of two such does not change with each.
"""

from __future__ import annotations

from collections.abc import Sequence

from projections.market_store import Interval, MarketStore

NEAR = 16  # a venue that has all but one in so many of the most candles has as many


async def ranked(
    market: MarketStore, instruments: Sequence[int], interval: Interval, as_of: int | None, *, quoted: bool = False
) -> list[int]:
    """Numbers of instruments: the one with most candles of all that is recorded, of as many the one registered first.

    `quoted`: with most intervals that have quotes. Those that have none come last. Counted in the market store, and
    only where there are several.

    Raises:
        ReadModelUnavailable: the market store does not answer.
    """
    if len(instruments) < 2:
        return list(instruments)
    rows = (await market.counts(instruments, interval, as_of, quoted=quoted)).rows
    newest = rows["newest_ns"].max(initial=0)
    ended = dict(
        zip(rows["instrument"].tolist(), (rows["candles"] - (rows["newest_ns"] == newest)).tolist(), strict=True)
    )
    most = max(ended.values(), default=0)

    def place(number: int) -> tuple[int, int]:
        count = ended.get(number, -1)
        return (-most if count >= 0 and count * NEAR >= most * (NEAR - 1) else -count), number

    return sorted(instruments, key=place)
