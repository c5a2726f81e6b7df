"""Walk-forward: fit on one window of time, test on the next, move on (Pardo, "Design, Testing and Optimization of
Trading Systems", 1992). What is tested was never seen by the fit.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Literal

import msgspec
import numpy as np
from msgspec import Meta

from engine.research.sweeping import SweepRow
from engine.strategies.strategy import Parameter, Strategy, Value
from events.errors import InvalidInput

DAY_NS = 86_400_000_000_000
FOLDS_MAX = 200
FITS_MAX = 64  # parameter sets a fold tries
FITTED_MAX = 2  # parameters that are varied where nobody says which
FACTORS = (0.5, 1.0, 2.0)  # of their defaults

Days = Annotated[int, Meta(ge=1, le=3_650)]
Params = dict[str, Value]
Objective = Literal["return", "return_over_drawdown", "sharpe", "drawdown"]
DRAWDOWN_MIN = 0.001  # a shallower fall divides as this one: a run that hardly traded is not the best of all


class Windows(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Lengths in days of event time."""

    train_days: Days = 180
    test_days: Days = 30
    step_days: Days = 30


class Fold(msgspec.Struct, frozen=True):
    """Two windows, ns UTC: the fit reads [train, test), the test [test, until)."""

    train_ns: int
    test_ns: int
    until_ns: int


class Spread(msgspec.Struct, frozen=True):
    """A figure over the folds that have it; all None where none has. `std` with ddof 0: the folds are all there are."""

    mean: float | None
    std: float | None
    min: float | None
    max: float | None


def folds(first_ns: int, last_ns: int, windows: Windows) -> tuple[Fold, ...]:
    """Every fold whose test window ends at or before `last_ns`, the first beginning at `first_ns`.

    Raises:
        InvalidInput: none fits, or over `FOLDS_MAX` do.
    """
    train, test, step = (days * DAY_NS for days in (windows.train_days, windows.test_days, windows.step_days))
    count = (last_ns - first_ns - train - test) // step + 1
    if count < 1:
        raise InvalidInput(
            f"{(last_ns - first_ns) / DAY_NS:.1f} days of data hold no window of {windows.train_days} days to fit and "
            f"{windows.test_days} to test.",
            field="train_window_days",
            hint="Shorten the windows, or ask for more bars.",
        )
    if count > FOLDS_MAX:
        raise InvalidInput(
            f"These windows make {count} folds; the limit is {FOLDS_MAX}.",
            field="step_size_days",
            hint="Take longer steps.",
        )
    starts = (first_ns + at * step for at in range(count))
    return tuple(Fold(at, at + train, at + train + test) for at in starts)


def usual_grid(strategy: Strategy, params: Params) -> tuple[Params, ...]:
    """Half, once and twice the value of the strategy's first `FITTED_MAX` numbers, all combinations that it allows."""
    numbers = [one for one in strategy.parameters() if one.kind != "bool"][:FITTED_MAX]
    values = {one.name: _around(one, params.get(one.name, one.default)) for one in numbers}
    return grid(strategy, params, values)


def grid(
    strategy: Strategy, params: Params, values: Mapping[str, Sequence[Value]], most: int = FITS_MAX
) -> tuple[Params, ...]:
    """All combinations of values that the strategy allows, over the other parameters as given.

    Raises:
        InvalidInput: over `most` combinations, or none that is allowed; `field` is that of the last refusal.
    """
    count = math.prod(len(some) for some in values.values())
    if count > most:
        raise InvalidInput(f"{count:,} sets of parameters; at most {most:,} are tried.", field="grid")
    found: dict[str, Params] = {}
    refused = None
    for some in itertools.product(*values.values()):
        try:
            whole = strategy.resolve({**params, **dict(zip(values, some, strict=True))})
        except InvalidInput as error:
            refused = error
            continue
        found.setdefault(repr(sorted(whole.items())), whole)
    if not found:
        raise refused or InvalidInput("There is no set of parameters to try.", field="grid")
    return tuple(found.values())


def _around(parameter: Parameter, value: Value) -> tuple[Value, ...]:
    least = -math.inf if parameter.minimum is None else parameter.minimum
    most = math.inf if parameter.maximum is None else parameter.maximum
    near = [min(max(value * factor, least), most) for factor in FACTORS]
    return tuple(dict.fromkeys(round(one) if parameter.kind == "int" else float(one) for one in near))


OBJECTIVES: dict[str, Callable[[SweepRow], float]] = {
    "return": lambda row: row.return_ratio,
    "return_over_drawdown": lambda row: row.return_ratio / max(row.drawdown_ratio, DRAWDOWN_MIN),
    "sharpe": lambda row: -math.inf if row.sharpe_ratio is None else row.sharpe_ratio,
    "drawdown": lambda row: -row.drawdown_ratio if row.fills else -math.inf,  # who never trades never falls
}


def ranked(rows: Sequence[SweepRow], objective: Objective) -> list[SweepRow]:
    """The runs as an objective has them, the best first; equal ones in the order of the grid."""
    score = OBJECTIVES[objective]
    return sorted(rows, key=lambda row: (-score(row), row.run))


def fittest(rows: Sequence[SweepRow], objective: Objective) -> SweepRow:
    """The run that an objective puts first; of equals the first of the grid."""
    return ranked(rows, objective)[0]


def spread(values: Sequence[float | None], *, by_size: bool = False) -> Spread:
    """Mean, deviation, least and most; with `by_size` the least is that nearest to zero, as contract 002 has it of
    drawdowns.
    """
    known = np.array([one for one in values if one is not None])
    if not known.size:
        return Spread(None, None, None, None)
    least, most = float(known.min()), float(known.max())
    if by_size:
        least, most = most, least
    return Spread(float(known.mean()), float(known.std()), least, most)
