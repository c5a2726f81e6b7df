"""The price and quantity step of an instrument, found in its rows: the greatest step that all values are made of."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from engine.feeds.intake import Intake
from events.rows import BAR_DTYPE, Rows

DIGITS = 14  # significant decimal digits of a float64 that are trusted
DECIMALS_MAX = 12
_UNIT = 10**DECIMALS_MAX
_TENTHS = (50, 25, 20, 10)


class StepFinder:
    """Greatest common divisor of all values seen, as far as decimals carry."""

    def __init__(self) -> None:
        self._divisor = 0  # in units of 10**-DECIMALS_MAX; 0: nothing seen yet
        self._lost = False

    def see(self, values: NDArray[np.float64]) -> None:
        """More values, all finite and >= 0; zeros say nothing."""
        if self._lost or len(values) == 0:
            return
        high = float(values.max())
        if high <= 0:
            return
        decimals = min(DECIMALS_MAX, DIGITS - 1 - max(0, math.floor(math.log10(high))))
        if decimals < 0:
            self._lost = True
            return
        scaled = values * 10.0**decimals
        whole = np.rint(scaled)
        if np.abs(scaled - whole).max() > 0.05:
            self._lost = True
            return
        self._divide(whole.astype(np.int64), 10 ** (DECIMALS_MAX - decimals))

    def _divide(self, whole: NDArray[np.int64], unit: int) -> None:
        if self._divisor and self._divisor % unit == 0:
            rest = whole % (self._divisor // unit)
            whole = rest[rest != 0]
        if len(whole):
            found = int(np.gcd.reduce(whole[:256]))
            rest = whole % found if found else whole
            found = int(np.gcd.reduce(np.append(rest[rest != 0], found)))
            self._divisor = math.gcd(self._divisor, found * unit)

    @property
    def step(self) -> float:
        """The greatest of 1, 2, 2.5, 5 x 10**k that divides all values; 0 where there is none that is known."""
        if self._lost or self._divisor == 0:
            return 0.0
        power = 10 ** (len(str(self._divisor)) - 1)
        while power >= 1:
            for tenths in _TENTHS:
                candidate, odd = divmod(power * tenths, 10)
                if not odd and self._divisor % candidate == 0:
                    return candidate / _UNIT
            power //= 10
        return 0.0


class StepsByInstrument:
    """Steps of every instrument of an intake, seen row by row."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake
        self._finders: dict[int, tuple[StepFinder, StepFinder]] = {}

    def see(self, rows: Rows) -> None:
        """More rows of local instrument numbers."""
        numbers = rows["instrument"]
        if numbers.min() == numbers.max():
            self._see_one(int(numbers[0]), rows)
            return
        for number in np.unique(numbers):
            self._see_one(int(number), rows[numbers == number])

    def _see_one(self, number: int, rows: Rows) -> None:
        prices, quantities = self._finders.setdefault(number, (StepFinder(), StepFinder()))
        bars = rows.dtype == BAR_DTYPE
        for name in ("open", "high", "low", "close") if bars else ("price",):
            prices.see(rows[name])
        quantities.see(rows["volume" if bars else "quantity"])

    def tell(self) -> None:
        """Write what was found into the intake's instruments."""
        for number, (prices, quantities) in self._finders.items():
            self._intake.set_steps(number, prices.step, quantities.step)
