"""Monte Carlo: what a session might have come to, had its trades or its returns come in another order.

Two bootstraps, both seeded (Philox, a counter-based generator: Salmon et al., "Parallel random numbers: as easy as
1, 2, 3", 2011), both drawn simulation after simulation, so that the number of paths held at once changes nothing:

- `of_trades` draws as many trades as there were, with replacement (Efron, "Bootstrap methods", 1979), and adds up their
  profits in shares of the capital: E(k) = 1 + sum of k profits. Orders of a fixed size do not compound. Of a session
  whose sizes are shares of its equity, `compounding`, a trade is its profit in shares of the equity that it began with,
  and E(k) = product of 1 + profit.
- `of_returns` draws blocks of returns that follow each other (Künsch, "The jackknife and the bootstrap for general
  stationary observations", 1989; circular as in Politis and Romano, 1992), and compounds them: E(k) = product of 1 + r.
  Blocks keep what neighbouring returns have to do with each other.

Equity is in shares of the capital: 1 is what the session began with. A path ends where nothing is left: its equity
stays 0, and no fall is deeper than the whole.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Annotated, Literal

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from events.errors import InvalidInput

Floats = NDArray[np.float64]

SIMULATIONS_MAX = 10_000
CELLS_HELD_MAX = 1_000_000  # steps of all paths held at once: three arrays of 8 MB
CELLS_MAX = 500_000_000  # steps of all paths: some ten seconds of one core
BLOCK_MAX = 1_000_000

Method = Literal["trades", "returns"]


class MonteCarloWish(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How to simulate."""

    simulations: Annotated[int, Meta(ge=1, le=SIMULATIONS_MAX)] = 1_000
    seed: Annotated[int, Meta(ge=0, le=2**63 - 1)] = 0
    ruin_ratio: Annotated[float, Meta(gt=0, lt=1)] = 0.5  # of the capital: equity at or below it at any step is ruin
    method: Method = "trades"  # what is drawn: trades that ended, or blocks of the returns per period
    block: Annotated[int, Meta(ge=0, le=BLOCK_MAX)] = 0  # returns in a block; 0: the cube root of their number


class FinalEquity(msgspec.Struct, frozen=True, kw_only=True):
    """Distribution of equity behind the last step, shares of the capital; `std` with ddof 1."""

    mean: float
    std: float
    median: float
    percentile5: float
    percentile95: float


class DeepestFalls(msgspec.Struct, frozen=True, kw_only=True):
    """Distribution of the maximum drawdown, shares of one, <= 0. Nineteen of twenty paths stay above `percentile95`."""

    mean: float
    percentile95: float


class MonteCarlo(msgspec.Struct, frozen=True, kw_only=True):
    """What the simulations came to."""

    method: str  # trades or returns
    simulations: int
    steps: int  # drawn per simulation
    seed: int
    ruin_ratio: float
    final_equity: FinalEquity
    max_drawdown: DeepestFalls
    probability_of_profit: float  # share of paths that end above the capital
    probability_of_ruin: float  # share of paths whose equity fell to `ruin_ratio` or below at any step
    block: int = 0  # returns in a block; 0 of trades
    compounding: bool = False  # each step multiplies equity; else trades add up (older results of returns say False)
    probability_of_total_loss: float = 0.0  # share of paths that lost the whole capital, and end there


Told = Callable[[float], None]  # the share that is done, 0 to 1


def silent(_: float) -> None:
    """Nobody is told."""


class Paths(msgspec.Struct, frozen=True):
    """Of each simulation: equity behind the last step, the deepest fall, the lowest equity. float64[simulations]."""

    final: Floats
    deepest: Floats
    lowest: Floats


def of_trades(profits: Floats, wish: MonteCarloWish, told: Told = silent, *, compounding: bool = False) -> MonteCarlo:
    """Trades drawn with replacement.

    Args:
        profits: of each trade after fees, float64[n], n >= 1: shares of the capital, or with `compounding` of the
            equity that it began with.
        told: is told which share of the simulations is made.

    Raises:
        InvalidInput: there is no trade, a profit is not finite, or there are too many steps.
    """
    count = check(profits, wish)

    def added(uniform: Floats) -> Floats:
        return 1.0 + np.cumsum(profits[pick(uniform, count)], axis=1)

    def compounded(uniform: Floats) -> Floats:
        return np.asarray(np.cumprod(growth[pick(uniform, count)], axis=1), np.float64)

    growth = np.maximum(1.0 + profits, 0.0)  # equity ends at nothing
    equity = compounded if compounding else added
    found = summary("trades", simulate(equity, count, count, wish, told), count, wish)
    return msgspec.structs.replace(found, compounding=compounding)


def of_returns(returns: Floats, wish: MonteCarloWish, told: Told = silent) -> MonteCarlo:
    """Blocks of returns drawn with replacement; the last block of a path is cut.

    Args:
        returns: simple returns per period, above -1, float64[n], n >= 1.
        wish: its `block` of 0 is the cube root of n, rounded, which is of the best order for a mean (Hall, Horowitz and
            Jing, 1995); one that is longer than the series is the series.
        told: is told which share of the simulations is made.

    Raises:
        InvalidInput: there is no return, one is not finite or not above -1, or there are too many steps.
    """
    count = check(returns, wish)
    if returns.min() <= -1.0:
        raise InvalidInput("A return of -1 or below does not compound.", field="returns")
    length = min(wish.block or max(1, round(count ** (1 / 3))), count)
    blocks = math.ceil(count / length)
    growth, inner = np.asarray(1.0 + returns, np.float64), np.arange(length)

    def equity(uniform: Floats) -> Floats:
        starts = pick(uniform, count)
        places = (starts[:, :, None] + inner).reshape(len(starts), -1)[:, :count] % count
        return np.asarray(np.cumprod(growth[places], axis=1), np.float64)

    found = summary("returns", simulate(equity, blocks, count, wish, told), count, wish)
    return msgspec.structs.replace(found, block=length, compounding=True)


def check(values: Floats, wish: MonteCarloWish) -> int:
    """How many values there are to draw from. Raises InvalidInput."""
    if not values.size:
        raise InvalidInput(
            "There is nothing to draw from: no trade ended, no period has passed, or nothing was left of the capital.",
            field="trades",
        )
    if not np.isfinite(values).all():
        raise InvalidInput("What is drawn from must be finite.", field="trades")
    if values.size * wish.simulations > CELLS_MAX:
        raise InvalidInput(
            f"{wish.simulations:,} simulations of {values.size:,} steps are over {CELLS_MAX:,} steps.",
            field="simulations",
            hint=f"Ask for at most {CELLS_MAX // values.size:,} simulations.",
        )
    return int(values.size)


def pick(uniform: Floats, count: int) -> NDArray[np.int64]:
    """Places 0 to count - 1 of uniform numbers in [0, 1)."""
    return np.minimum((uniform * count).astype(np.int64), count - 1)


def simulate(
    equity: Callable[[Floats], Floats], draws: int, steps: int, wish: MonteCarloWish, told: Told = silent
) -> Paths:
    """All simulations, as many at once as may be held. `equity` gives float64[m, steps] of float64[m, draws]."""
    chance = np.random.Generator(np.random.Philox(key=wish.seed))
    held = max(1, CELLS_HELD_MAX // steps)
    final, deepest, lowest = (np.empty(wish.simulations) for _ in range(3))
    for first in range(0, wish.simulations, held):
        part = slice(first, min(first + held, wish.simulations))
        paths = ended_at_nothing(equity(chance.random((part.stop - first, draws))))
        final[part], lowest[part] = paths[:, -1], np.minimum(paths.min(axis=1), 1.0)
        peaks = np.maximum(np.maximum.accumulate(paths, axis=1), 1.0)
        deepest[part] = np.minimum((paths / peaks - 1.0).min(axis=1), 0.0)
        told(part.stop / wish.simulations)
    return Paths(final, deepest, lowest)


def ended_at_nothing(paths: Floats) -> Floats:
    """Equity 0 from the step on at which a path has nothing left."""
    if paths.min() <= 0.0:
        paths[np.minimum.accumulate(paths, axis=1) <= 0.0] = 0.0
    return paths


def summary(method: str, paths: Paths, steps: int, wish: MonteCarloWish) -> MonteCarlo:
    """The figures of all paths."""
    five, middle, most = (float(one) for one in np.percentile(paths.final, (5, 50, 95)))
    return MonteCarlo(
        method=method,
        simulations=wish.simulations,
        steps=steps,
        seed=wish.seed,
        ruin_ratio=wish.ruin_ratio,
        final_equity=FinalEquity(
            mean=float(paths.final.mean()),
            std=float(paths.final.std(ddof=1)) if wish.simulations > 1 else 0.0,
            median=middle,
            percentile5=five,
            percentile95=most,
        ),
        max_drawdown=DeepestFalls(
            mean=float(paths.deepest.mean()), percentile95=float(np.percentile(paths.deepest, 5))
        ),
        probability_of_profit=float((paths.final > 1.0).mean()),
        probability_of_ruin=float((paths.lowest <= wish.ruin_ratio).mean()),
        probability_of_total_loss=float((paths.lowest <= 0.0).mean()),
    )
