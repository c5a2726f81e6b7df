"""A simulated market: a frozen recipe, and the feed that makes its rows. The same recipe gives the same bytes.

Every block of event time is made from its own counter-based generator, so rows can be made in bulk, in slices of any
size, or from the middle, by any process, and are the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import msgspec
import numpy as np
from numpy.typing import NDArray

from engine.catalogue import InstrumentForm
from engine.feeds.errors import BadMapping
from engine.feeds.feed import CHUNK_ROWS_MAX, Description, NumberOf, cut
from engine.feeds.hashing import recipe_id
from engine.feeds.pack import joined
from engine.feeds.simulated_path import Paths
from engine.feeds.simulated_rows import block_rows
from events.misfits import LOOKS, misfit
from events.rows import MARKET_DTYPE, Rows

NS = 1_000_000_000
INSTRUMENTS_MAX = 64
PUMPS_MAX = 1_000
DURATION_S_MAX = 100 * 365 * 86_400
TRADES_PER_SECOND_MAX = 5_000.0  # of all instruments together, outside pumps
BLOCKS_KEPT = 2
BLOCK_SECONDS: tuple[tuple[float, int], ...] = ((100.0, 600), (1_000.0, 60), (TRADES_PER_SECOND_MAX, 10))

Ratio = Annotated[float, msgspec.Meta(ge=0, le=1)]
Symbol = Annotated[
    str,
    msgspec.Meta(
        min_length=1,
        max_length=32,
        pattern=r"^[A-Za-z0-9./:_-]+$",
        extra={LOOKS: "a symbol such as BTC_USDT: letters, digits and . / : _ -"},
    ),
]


class SimulatedInstrument(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One instrument. Prices in quote currency, quantities in base units, ratios as shares of one."""

    symbol: Symbol
    price: Annotated[float, msgspec.Meta(gt=0, le=1e9)] = 100.0  # at the start
    price_step: Annotated[float, msgspec.Meta(gt=0, le=1e6)] = 0.01
    quantity_step: Annotated[float, msgspec.Meta(gt=0, le=1e6)] = 0.001
    trades_per_second: Annotated[float, msgspec.Meta(ge=0.001, le=2_000)] = 4.0
    volatility: Annotated[float, msgspec.Meta(ge=0, le=5)] = 0.04  # standard deviation of a day's log return
    notional_median: Annotated[float, msgspec.Meta(gt=0, le=1e9)] = 150.0  # quote currency
    spread_ratio: Annotated[float, msgspec.Meta(ge=0, le=0.1)] = 0.0004  # ask - bid over mid; one step at least


class SimulatedPump(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A scripted pump: the price gains `magnitude_ratio` within `rise_s`, fast at first, and gives it back."""

    symbol: Symbol
    start_s: Annotated[float, msgspec.Meta(ge=0)]  # after the start of the market
    magnitude_ratio: Annotated[float, msgspec.Meta(gt=0, le=10)] = 0.4
    rise_s: Annotated[float, msgspec.Meta(ge=1, le=3_600)] = 90.0
    dump_s: Annotated[float, msgspec.Meta(ge=1, le=36_000)] = 600.0
    volume_surge: Annotated[float, msgspec.Meta(ge=1, le=200)] = 20.0  # trades per second, times the usual
    retained_ratio: Ratio = 0.15  # share of the gain that stays


class SimulatedMarket(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The whole recipe. Times of rows lie in [start_ns, start_ns + duration_s)."""

    instruments: Annotated[tuple[SimulatedInstrument, ...], msgspec.Meta(min_length=1, max_length=INSTRUMENTS_MAX)]
    seed: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)] = 0
    start_ns: Annotated[int, msgspec.Meta(ge=0, le=7_000_000_000_000_000_000)] = 1_700_000_000 * NS
    duration_s: Annotated[int, msgspec.Meta(ge=1, le=DURATION_S_MAX)] = 6 * 3_600
    pumps: Annotated[tuple[SimulatedPump, ...], msgspec.Meta(max_length=PUMPS_MAX)] = ()
    quotes: bool = False  # bid and ask rows whenever the best prices change
    correlation: Ratio = 0.4  # of any two instruments' returns
    burst_ratio: Annotated[float, msgspec.Meta(ge=0, le=0.9)] = 0.25  # trades at the same ms as the one before
    cluster_s: Annotated[float, msgspec.Meta(ge=60, le=86_400)] = 900.0  # half-life of the volatility's own swings
    latency_ms: Annotated[float, msgspec.Meta(ge=0, le=10_000)] = 1.0  # receipt after the event
    venue: Symbol = "SIM"
    quote: Annotated[
        str,
        msgspec.Meta(
            min_length=1,
            max_length=16,
            pattern=r"^[A-Z0-9]+$",
            extra={LOOKS: "a currency such as USDT: capital letters and digits"},
        ),
    ] = "USDT"
    after_ns: Annotated[int, msgspec.Meta(ge=0, le=DURATION_S_MAX * NS)] = 0  # rows before are left out: given before
    after_rows: Annotated[int, msgspec.Meta(ge=0)] = 0  # of those at that moment, as many are left out too

    @property
    def end_ns(self) -> int:
        """The first moment behind the market."""
        return self.start_ns + self.duration_s * NS

    @property
    def last_block_ns(self) -> int:
        """Where the last block begins, from the start."""
        return (self.duration_s - 1) // self.block_s * self.block_s * NS

    @property
    def block_s(self) -> int:
        """Seconds of a block: part of what the seed means, so it depends on the recipe only."""
        rate = sum(one.trades_per_second for one in self.instruments)
        return next(seconds for bound, seconds in BLOCK_SECONDS if rate <= bound)


def checked(market: SimulatedMarket) -> SimulatedMarket:
    """The recipe itself, if it is within its bounds.

    Raises:
        BadMapping: names the field and the bound.
    """
    try:
        msgspec.convert(msgspec.to_builtins(market), SimulatedMarket)
    except msgspec.ValidationError as error:
        told = misfit(error, SimulatedMarket).sentence("it")
        raise BadMapping(f"The simulated market is wrong: {told}", field="simulated") from None
    symbols = [one.symbol for one in market.instruments]
    if len(set(symbols)) < len(symbols):
        raise BadMapping("Two instruments of the simulated market have one symbol.", field="simulated.instruments")
    if sum(one.trades_per_second for one in market.instruments) > TRADES_PER_SECOND_MAX:
        raise BadMapping(
            f"The instruments trade over {TRADES_PER_SECOND_MAX:g} times a second together.",
            field="simulated.instruments",
        )
    for one in market.instruments:
        if one.price < 10 * one.price_step:
            raise BadMapping(
                f"{one.symbol} starts at {one.price}, under ten price steps.", field="simulated.instruments"
            )
    for pump in market.pumps:
        if pump.symbol not in symbols or pump.start_s >= market.duration_s:
            raise BadMapping(
                f"The pump of {pump.symbol} at {pump.start_s:g} s is of no instrument or behind the end.",
                field="simulated.pumps",
            )
    return market


class SimulatedFeed:
    """Rows of a simulated market, whole or by slices of event time."""

    def __init__(self, market: SimulatedMarket) -> None:
        self.market = checked(market)
        self._paths = Paths(market)
        self._blocks: dict[tuple[int, bytes], Rows] = {}

    def survey(self) -> Description:
        """What the recipe says; how many rows there are only making them would tell."""
        market = self.market
        return Description(
            instruments=tuple(
                InstrumentForm(
                    symbol=one.symbol,
                    venue=market.venue,
                    asset_type="crypto",
                    base=one.symbol.removesuffix(market.quote).rstrip("/-_"),
                    quote=market.quote,
                    price_step=one.price_step,
                    quantity_step=one.quantity_step,
                )
                for one in market.instruments
            ),
            kinds=("trade", "bid", "ask") if market.quotes else ("trade",),
            mapping=_recipe(market),
        )

    def import_id(self) -> str:
        """Hash of the recipe: the same recipe has the same rows."""
        return recipe_id(self.survey().mapping)

    def chunks(self, number: NumberOf) -> Iterator[Rows]:
        """All rows in order, behind those that were given before; read-only."""
        numbers, market = self._numbers(number), self.market
        first = market.after_ns // (market.block_s * NS)
        for block in range(first, self._paths.blocks):
            rows = self._block(block, numbers)
            if block == first:
                before = np.searchsorted(rows["ts_event_ns"], market.start_ns + market.after_ns)
                rows = rows[before + market.after_rows :]
            yield from cut(rows, CHUNK_ROWS_MAX)

    def rows_between(self, first_ns: int, end_ns: int, number: NumberOf) -> Rows:
        """Rows of event times in [first_ns, end_ns): the same as in bulk, however time is sliced; read-only."""
        first_ns, end_ns = max(first_ns, self.market.start_ns), min(end_ns, self.market.end_ns)
        if end_ns <= first_ns:
            return np.zeros(0, MARKET_DTYPE)
        length = self.market.block_s * NS
        first, last = ((moment - self.market.start_ns) // length for moment in (first_ns, end_ns - 1))
        numbers = self._numbers(number)
        parts = [_between(self._block(block, numbers), first_ns, end_ns) for block in range(first, last + 1)]
        return parts[0] if len(parts) == 1 else joined(parts)

    def _block(self, block: int, numbers: NDArray[np.int32]) -> Rows:
        key = (block, numbers.tobytes())
        rows = self._blocks.get(key)
        if rows is None:
            rows = block_rows(self.market, self._paths.path(block))
            rows["instrument"] = numbers[rows["instrument"]]
            rows.flags.writeable = False
            self._blocks[key] = rows
            while len(self._blocks) > BLOCKS_KEPT:
                del self._blocks[next(iter(self._blocks))]
        return rows

    def _numbers(self, number: NumberOf) -> NDArray[np.int32]:
        return np.array([number(form) for form in self.survey().instruments], np.int32)


def _recipe(market: SimulatedMarket) -> str:
    """The recipe as text; a whole market's says nothing of what was given before."""
    told = msgspec.to_builtins(market)
    if not (market.after_ns or market.after_rows):
        del told["after_ns"], told["after_rows"]
    return msgspec.json.encode(told, order="sorted").decode()


def _between(rows: Rows, first_ns: int, end_ns: int) -> Rows:
    start, end = np.searchsorted(rows["ts_event_ns"], [first_ns, end_ns])
    return rows[start:end]


def six_hours(seed: int = 7, start_ns: int = 1_700_000_000 * NS) -> SimulatedMarket:
    """Six hours of five instruments with three pumps of different size and pace."""
    return SimulatedMarket(
        seed=seed,
        start_ns=start_ns,
        instruments=(
            SimulatedInstrument(
                symbol="BTCUSDT",
                price=43_000.0,
                price_step=0.1,
                quantity_step=0.00001,
                trades_per_second=20.0,
                volatility=0.03,
                notional_median=400.0,
                spread_ratio=0.00001,
            ),
            SimulatedInstrument(
                symbol="ETHUSDT",
                price=2_300.0,
                price_step=0.01,
                quantity_step=0.0001,
                trades_per_second=12.0,
                volatility=0.04,
                notional_median=300.0,
                spread_ratio=0.00002,
            ),
            SimulatedInstrument(symbol="AQTUSDT", price=0.8, price_step=0.0001, quantity_step=0.1),
            SimulatedInstrument(symbol="BRWUSDT", price=0.05, price_step=0.00001, quantity_step=1.0),
            SimulatedInstrument(symbol="CLMUSDT", price=3.5, price_step=0.001, quantity_step=0.01),
        ),
        pumps=(
            SimulatedPump(symbol="AQTUSDT", start_s=4_500.0, magnitude_ratio=0.6, rise_s=75.0, volume_surge=40.0),
            SimulatedPump(symbol="BRWUSDT", start_s=11_000.0, magnitude_ratio=0.35, rise_s=150.0, dump_s=900.0),
            SimulatedPump(symbol="CLMUSDT", start_s=17_400.0, magnitude_ratio=1.1, rise_s=60.0, volume_surge=60.0),
        ),
    )
