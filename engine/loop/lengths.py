"""Whether bars of lanes can be made of bars of a source."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from engine.loop.spec import LoopSpec
from events.errors import InvalidInput
from events.rows import Rows


class Lengths:
    """Per instrument of a session, what the length of its bars must divide; 0 where no lane has an interval."""

    def __init__(self, spec: LoopSpec) -> None:
        self._common = np.zeros(len(spec.instruments), np.int64)
        for lane in spec.lanes:
            self._common[lane.instrument] = math.gcd(int(self._common[lane.instrument]), lane.interval_ns)

    def check(self, bars: Rows, places: NDArray[np.intp]) -> None:
        """Refuse BAR_DTYPE[n] of instruments at `places` that are no whole part of what is to be made of them.

        Raises:
            InvalidInput: such a bar is there.
        """
        wrong = np.flatnonzero(self._common[places] % np.maximum(bars["interval_ns"], 1))
        if len(wrong):
            raise too_coarse(int(bars["interval_ns"][wrong[0]]), int(self._common[places[wrong[0]]]))


def too_coarse(own_ns: int, wanted_ns: int, field: str = "timeframe") -> InvalidInput:
    """The error of bars that are no whole part of a timeframe."""
    return InvalidInput(
        f"The data are bars of {words_of(own_ns)}: no bars of {words_of(wanted_ns)} can be made of them.",
        code="TIMEFRAME_TOO_SHORT" if own_ns > wanted_ns else "INVALID_INPUT",
        field=field,
        hint=f"Ask for {words_of(own_ns)} or a multiple of it, or for none; or import shorter bars, or trades.",
    )


def words_of(length_ns: int) -> str:
    """A length in the largest whole unit: 90 s, 5m, 4h, 1d."""
    seconds, rest = divmod(length_ns, 1_000_000_000)
    if rest == 0:
        for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60)):
            if seconds and seconds % size == 0:
                return f"{seconds // size}{unit}"
    return f"{length_ns / 1e9:g} s"
