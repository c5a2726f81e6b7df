"""Which venue's candles are shown where several have the symbol: one a symbol and interval, of all that is recorded.

Neither the range that is asked nor who traded last has a say, or a chart that polls or pages would be of two markets.
A venue that is recorded now stands before those of which there is history alone: a chart that polls would stand still.
Counts are of all sources of a venue, added up. The interval that is still open is not counted, and near counts are
equal: venues that are recorded side by side miss one now and then, and the order of two such does not change with each.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from api.services.market_sources import Reach
from events.clock import NS_PER_SECOND, Clock
from events.rows import Rows
from projections.market_store import Interval, MarketStore

NEAR = 16  # a venue that has all but one in so many of the most candles has as many
KEPT_SECONDS = 60.0  # that an order is kept: counting reads all that is recorded
KEPT_MAX = 1_024

_Asked = tuple[tuple[tuple[int, tuple[Reach, ...]], ...], Interval, int | None, bool]


class CandleVenues:
    """Orders venues by what the market store counts; kept for a while, or until they have other sources."""

    def __init__(self, market: MarketStore, clock: Clock) -> None:
        self._market = market
        self._clock = clock
        self._kept: dict[_Asked, tuple[int, list[int]]] = {}  # until when, and the order; the oldest first

    async def ranked(
        self,
        sources: Mapping[int, Sequence[Reach]],
        interval: Interval,
        as_of: int | None,
        *,
        quoted: bool = False,
    ) -> list[int]:
        """Numbers of instruments, those that are recorded now first, those without any candle last.

        Of the others: the one with most candles, of as many the one registered first.

        `sources` by number of instrument. `quoted`: with most quotes. Counted only where there are several.

        Raises:
            ReadModelUnavailable: the market store does not answer.
        """
        if len(sources) < 2:
            return list(sources)
        asked = tuple((number, tuple(reaches)) for number, reaches in sources.items()), interval, as_of, quoted
        now_ns = self._clock.monotonic_ns()
        until_ns, order = self._kept.get(asked, (0, []))
        if now_ns >= until_ns:
            counts = await self._market.counts(list(sources), interval, as_of, quoted=quoted)
            order = _order(sources, counts.rows)
            self._kept.pop(asked, None)
            while len(self._kept) >= KEPT_MAX:
                del self._kept[next(iter(self._kept))]
            self._kept[asked] = now_ns + round(KEPT_SECONDS * NS_PER_SECOND), order
        return order


def _order(sources: Mapping[int, Sequence[Reach]], counts: Rows) -> list[int]:
    newest = counts["newest_ns"].max(initial=0)
    counted = (counts["candles"] - (counts["newest_ns"] == newest)).tolist()
    ended = dict(zip(counts["instrument"].tolist(), counted, strict=True))
    running = {number: ended[number] for number in ended if any(one.runs for one in sources[number])}
    past = {number: ended[number] for number in ended if number not in running}
    return [*_by_count(running), *_by_count(past), *sorted(sources.keys() - ended.keys())]


def _by_count(counts: dict[int, int]) -> list[int]:
    most = max(counts.values(), default=0)
    rounded = {number: most if count * NEAR >= most * (NEAR - 1) else count for number, count in counts.items()}
    return sorted(counts, key=lambda number: (-rounded[number], number))
