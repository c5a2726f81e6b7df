"""A source as the settings describe it, and the feed it plays."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec

from engine.catalogue import InstrumentForm
from engine.feeds.feed import Feed
from engine.feeds.simulated import DURATION_S_MAX, SimulatedFeed, SimulatedInstrument, SimulatedMarket, six_hours
from events.clock import NS_PER_SECOND


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """A source that can be started.

    `market` of a simulated one: `endless` starts now and goes on for a hundred years, `six_hours` is the fixed recipe
    with three pumps. Rows are paced by `acceleration` for the first `paced_seconds` of running, then given at once.
    """

    id: str
    kind: Literal["simulated", "files"]
    symbols: tuple[str, ...] = ()
    market: Literal["endless", "six_hours"] = "endless"
    seed: int = 1
    files: tuple[str, ...] = ()
    format: str = ""
    acceleration: float = 1.0
    paced_seconds: float = 0.0  # 0: for ever

    @property
    def origin(self) -> str:
        """What its recordings say they come from."""
        return "simulated" if self.kind == "simulated" else "file"


def feed_of(source: Source, now_ns: int) -> Feed:
    """The feed of a source that starts now. Raises FeedError."""
    if source.kind == "files":
        from engine.feeds.file_feed import FileFeed  # with polars and pyarrow, which only files need
        from engine.feeds.mapping import Mapping
        from engine.feeds.merge import MergedFeed

        feeds = [FileFeed(Path(path).expanduser(), Mapping(format=source.format)) for path in source.files]
        return feeds[0] if len(feeds) == 1 else MergedFeed(feeds)
    if source.market == "six_hours":
        return SimulatedFeed(six_hours(source.seed))
    start_ns = now_ns // NS_PER_SECOND * NS_PER_SECOND
    instruments = tuple(_instrument(symbol) for symbol in source.symbols)
    return SimulatedFeed(
        SimulatedMarket(
            instruments=instruments, seed=source.seed, start_ns=start_ns, duration_s=DURATION_S_MAX, quotes=True
        )
    )


# Usual prices, so that a simulated market looks like one; any other symbol starts at 100.
USUAL: dict[str, tuple[float, float, float]] = {
    "BTC_USDT": (50_000.0, 0.01, 0.00001),
    "ETH_USDT": (3_000.0, 0.01, 0.0001),
    "SOL_USDT": (150.0, 0.01, 0.001),
}


def _instrument(symbol: str) -> SimulatedInstrument:
    price, price_step, quantity_step = USUAL.get(symbol, (100.0, 0.01, 0.001))
    return SimulatedInstrument(symbol=symbol, price=price, price_step=price_step, quantity_step=quantity_step)


def forms_of(source: Source) -> list[InstrumentForm]:
    """Instruments of a source, for the catalogue. Raises FeedError."""
    return list(feed_of(source, 0).survey().instruments)
