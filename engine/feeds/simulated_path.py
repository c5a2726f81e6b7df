"""Second by second what a simulated market does: prices, volatility, how many trades, who presses.

Log prices are correlated random walks whose volatility swings (AR(1) of the log volatility) plus the scripted pumps;
trades arrive by a Poisson law whose rate swings with the volatility and surges in pumps. Blocks follow each other
through one small state per instrument, so any block is reached by making the paths before it, not the rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from engine.feeds.simulated import SimulatedMarket, SimulatedPump

SWING = 0.5  # standard deviation of the log volatility
DAY_S = 86_400.0
RISE_BIAS, DUMP_BIAS = 0.35, -0.25  # of the share of buys
WALK_MAX = 5.0  # |log of price over start price| of the walk: a factor of 150
STATES_APART = 64  # blocks
PATH, COUNTS, ROWS = 1, 2, 3  # what a generator is for

Floats = NDArray[np.float64]


class Path(NamedTuple):
    """One block of `seconds` s of n instruments."""

    block: int
    log_price: Floats  # [n, seconds + 1] at the borders of the seconds, relative to the start price
    counts: NDArray[np.int64]  # [n, seconds] trades in each second
    bias: Floats  # [n, seconds] added to the share of buys
    trades_before: NDArray[np.int64]  # [n] trades of all blocks before


class _State(NamedTuple):
    walk: Floats  # [n]
    swing: Floats  # [n]
    trades: NDArray[np.int64]  # [n]


def generator(seed: int, block: int, purpose: int, instrument: int = 0) -> np.random.Generator:
    """The generator of one purpose in one block; no two share a counter."""
    counter = np.array([0, 0, block, instrument], np.uint64)
    return np.random.Generator(np.random.Philox(key=np.array([seed, purpose], np.uint64), counter=counter))


class Paths:
    """Paths of all blocks, made on demand. Of the states at block borders one of `STATES_APART` is kept, and the last:
    a month of blocks of 600 s takes 70 of them, and a second to reach.
    """

    def __init__(self, market: SimulatedMarket) -> None:
        self._market = market
        self._seconds = market.block_s
        self.blocks = -(-market.duration_s // market.block_s)
        count = len(market.instruments)
        start = generator(market.seed, 0, PATH, 1).standard_normal(count) * SWING
        first = _State(np.zeros(count), start, np.zeros(count, np.int64))
        self._kept = [first]  # before block 0, `STATES_APART`, 2 `STATES_APART` ...
        self._near = (0, first)  # the last one made, before the block of this number
        self._last: Path | None = None

    def path(self, block: int) -> Path:
        """The path of a block, 0 being the first."""
        if self._last is not None and self._last.block == block:
            return self._last
        before, state = self._known(block)
        for number in range(before, block + 1):
            self._last, state = self._make(number, state)
            self._near = (number + 1, state)
            if number + 1 == len(self._kept) * STATES_APART:
                self._kept.append(state)
        assert self._last is not None, "a known state is before the block or at it"
        return self._last

    def _known(self, block: int) -> tuple[int, _State]:
        """The nearest state that is known, before the block or at it, and its block."""
        at = min(block // STATES_APART, len(self._kept) - 1)
        kept = (at * STATES_APART, self._kept[at])
        return self._near if kept[0] < self._near[0] <= block else kept

    def _make(self, block: int, state: _State) -> tuple[Path, _State]:
        """The path of a block that begins in a state, and the state behind it."""
        market, seconds = self._market, self._seconds
        count = len(market.instruments)
        chance = generator(market.seed, block, PATH).standard_normal((2 * count + 1, seconds))
        swing = _swings(state.swing, chance[:count], market.cluster_s)
        sigma = np.array([one.volatility for one in market.instruments]) / np.sqrt(DAY_S)
        shared, own = np.sqrt(market.correlation), np.sqrt(1 - market.correlation)
        returns = (shared * chance[-1] + own * chance[count:-1]) * sigma[:, None] * np.exp(swing - SWING**2)
        walk = np.concatenate([state.walk[:, None], state.walk[:, None] + np.cumsum(returns, axis=1)], axis=1)
        walk = np.clip(walk, -WALK_MAX, WALK_MAX)
        script = _script(market, block)
        rates = np.array([one.trades_per_second for one in market.instruments])[:, None]
        rates = rates * np.exp(swing - SWING**2 / 2) * script.surge * self._open(block)
        counts = np.stack(
            [generator(market.seed, block, COUNTS, at).poisson(rates[at]).astype(np.int64) for at in range(count)]
        )
        path = Path(block, walk + script.log_price, counts, script.bias, state.trades)
        return path, _State(walk[:, -1], swing[:, -1], state.trades + counts.sum(axis=1))

    def _open(self, block: int) -> NDArray[np.bool_]:
        """Which seconds of the block lie before the end of the market."""
        return np.arange(self._seconds) + block * self._seconds < self._market.duration_s


def _swings(start: Floats, chance: Floats, half_life_s: float) -> Floats:
    """AR(1) with a standard deviation of `SWING`, float64[n, seconds]: h(k) = f h(k-1) + c z(k), in closed form."""
    keep = 2.0 ** (-1.0 / half_life_s)
    powers = keep ** np.arange(1, chance.shape[1] + 1)
    pushed = np.cumsum(chance / powers, axis=1) * (SWING * np.sqrt(1 - keep**2))
    return powers * (start[:, None] + pushed)


class _Script(NamedTuple):
    log_price: Floats  # [n, seconds + 1]
    surge: Floats  # [n, seconds]
    bias: Floats  # [n, seconds]


def _script(market: SimulatedMarket, block: int) -> _Script:
    """What the pumps add to a block."""
    count, seconds = len(market.instruments), market.block_s
    script = _Script(np.zeros((count, seconds + 1)), np.ones((count, seconds)), np.zeros((count, seconds)))
    borders = np.arange(seconds + 1) + float(block * seconds)
    for pump in market.pumps:
        if pump.start_s < borders[-1]:
            at = next(at for at, one in enumerate(market.instruments) if one.symbol == pump.symbol)
            rising, falling = _phases(pump, borders)
            gain = np.log1p(pump.magnitude_ratio)
            script.log_price[at] += gain * (
                (1 - (1 - rising) ** 2) - (1 - pump.retained_ratio) * (1 - (1 - falling) ** 2)
            )
            on = (borders[:-1] >= pump.start_s) & (falling[:-1] < 1)
            script.surge[at] *= np.where(on, 1 + (pump.volume_surge - 1) * (1 - falling[:-1]), 1.0)
            script.bias[at] += np.where(on, np.where(rising[:-1] < 1, RISE_BIAS, DUMP_BIAS), 0.0)
    return script


def _phases(pump: SimulatedPump, moments: NDArray) -> tuple[Floats, Floats]:
    """Shares of the rise and of the dump that are over at each moment."""
    since = moments - pump.start_s
    return np.clip(since / pump.rise_s, 0, 1), np.clip((since - pump.rise_s) / pump.dump_s, 0, 1)
