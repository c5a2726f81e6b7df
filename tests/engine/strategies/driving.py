"""Drives one kernel over rows, compiled or as plain Python, on a lane whose orders fill on the next row."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.loop import module
from engine.loop.records import INSTRUMENT_DTYPE, INTENT_DTYPE, INTENTS_MAX, LANE_DTYPE
from engine.loop.source import inlined
from engine.strategies.strategy import Strategy
from events.rows import MARKET_DTYPE, MarketKind, Rows, SignalKind

SECOND = 1_000_000_000
SAID_DTYPE = np.dtype([("row", "<i8"), ("intent", INTENT_DTYPE)])
EXIT = int(SignalKind.EXIT)

Trade = tuple[float, float, float]  # seconds, price, quantity
Loop = Callable[..., int]


def trades(rows: Iterable[Trade]) -> Rows:
    """Market rows of trades; seconds are counted from 2018-09-07T15:00Z."""
    listed = list(rows)
    market = np.zeros(len(listed), MARKET_DTYPE)
    columns = np.array(listed, np.float64).reshape(-1, 3)
    market["ts_event_ns"] = 1_536_332_400 * SECOND + np.rint(columns[:, 0] * 1e9).astype(np.int64)
    market["ts_received_ns"] = market["ts_event_ns"]
    market["price"], market["quantity"] = columns[:, 1], columns[:, 2]
    market["kind"] = MarketKind.TRADE
    return market


class Drive:
    """One kernel with its own state; `run` may be called again with the rows that follow.

    Entries and exits are filled on the next row: the lane's position is then 1, -1 or 0. Orders are said to work.
    """

    def __init__(self, strategy: Strategy, *, compiled: bool = True, **params: float) -> None:
        self.state = np.zeros(1, strategy.state)
        self.params = strategy.params_row(params)
        self.market = np.zeros(1, INSTRUMENT_DTYPE)
        self.lane = np.zeros(1, LANE_DTYPE)
        self.lane["long_allowed"] = self.lane["short_allowed"] = 1
        self.lane["order_notional"] = 1000.0
        self.lane["working"] = 99
        self._loop = _compiled(strategy) if compiled else _plain(strategy)

    def run(self, rows: Rows) -> NDArray[np.void]:
        """What the kernel said, SAID_DTYPE[n], with the row's place in `rows`."""
        said = np.zeros((len(rows) + 1) * INTENTS_MAX, SAID_DTYPE)
        intents = np.zeros(INTENTS_MAX + 1, INTENT_DTYPE)  # the last one stays blank
        count = self._loop(rows, self.market[0], self.lane[0], self.state[0], self.params[0], intents, said)
        assert count >= 0, f"the kernel gave {count}"
        return said[:count].copy()


def signals(said: NDArray[np.void]) -> list[tuple[int, str, float]]:
    """(row, kind, strength to 4 digits) of everything said."""
    return [
        (int(one["row"]), SignalKind(int(one["intent"]["kind"])).name, round(float(one["intent"]["strength"]), 4))
        for one in said
    ]


kernel: Loop


def loop(rows: Any, market: Any, lane: Any, state: Any, params: Any, intents: Any, said: Any) -> int:
    """The kernel over rows, one after the other, on a lane whose orders fill on the next row."""
    count = 0
    blank = intents[len(intents) - 1]
    wanted = lane["position"]
    for index in range(len(rows)):
        wrote = kernel(rows[index], market, lane, state, params, intents)  # noqa: F821 - of the module it is put into
        if wrote < 0 or wrote >= len(intents):
            return min(-1, -wrote)
        for place in range(wrote):
            kind = intents[place]["kind"]
            if kind <= EXIT:
                wanted = 1.0 if kind == 1 else (-1.0 if kind == 2 else 0.0)
            said[count]["row"] = index
            said[count]["intent"] = intents[place]
            intents[place] = blank
            count += 1
        lane["position"] = wanted
    return count


HEADER = f"""import math
from typing import Any

import numpy as np
from numba import njit

EXIT = {EXIT}


def compiled(function):
    return njit(nogil=True, error_model="numpy")(function)


def kept(function):
    return njit(nogil=True, error_model="numpy", cache=True)(function)


"""


def _text(strategy: Strategy) -> str:
    """The kernel with all it calls, as a generated loop has it, and the loop above."""
    return f"{inlined([strategy.kernel])}\n\n@kept\n{inspect.getsource(loop)}"


@cache
def _compiled(strategy: Strategy) -> Loop:
    """From numba's cache where another process compiled it before."""
    made: Loop = module._import("driven", HEADER + _text(strategy)).loop
    return made


@cache
def _plain(strategy: Strategy) -> Loop:
    names: dict[str, Any] = {"math": math, "np": np, "Any": Any, "EXIT": EXIT}
    names["compiled"] = names["kept"] = lambda function: function
    exec(compile(_text(strategy), f"<{strategy.id}>", "exec"), names)
    made: Loop = names["loop"]
    return made
