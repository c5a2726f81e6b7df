"""Drives an indicator row by row, compiled or as plain Python, and names every indicator once."""

from __future__ import annotations

import types
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from engine.indicators.atr import ATR_DTYPE, atr_update
from engine.indicators.bollinger import BOLLINGER_DTYPE, bollinger_update
from engine.indicators.donchian import DONCHIAN_DTYPE, donchian_update
from engine.indicators.ema import EMA_DTYPE, ema_update
from engine.indicators.lagged import LAGGED_DTYPE, lagged_update
from engine.indicators.macd import MACD_DTYPE, macd_update
from engine.indicators.rsi import RSI_DTYPE, rsi_update
from engine.indicators.sma import SMA_DTYPE, sma_update
from engine.indicators.trade_window import TRADE_WINDOW_DTYPE, trade_window_update
from engine.indicators.twap import TWAP_DTYPE, twap_update
from engine.indicators.vwap import VWAP_DTYPE, vwap_update
from engine.indicators.zscore import ZSCORE_DTYPE, zscore_update


class Indicator(NamedTuple):
    """One indicator with parameters that make it ready soon, and the columns it takes."""

    name: str
    dtype: np.dtype
    update: Any
    columns: str  # p price, h high, l low, q quantity, t time in ns
    params: tuple[Any, ...]


INDICATORS = [
    Indicator("atr", ATR_DTYPE, atr_update, "hlp", (5,)),
    Indicator("bollinger", BOLLINGER_DTYPE, bollinger_update, "p", (5, 2.0)),
    Indicator("donchian", DONCHIAN_DTYPE, donchian_update, "hl", (5,)),
    Indicator("ema", EMA_DTYPE, ema_update, "p", (5,)),
    Indicator("lagged", LAGGED_DTYPE, lagged_update, "tp", (600,)),
    Indicator("macd", MACD_DTYPE, macd_update, "p", (3, 6, 4)),
    Indicator("rsi", RSI_DTYPE, rsi_update, "p", (5,)),
    Indicator("sma", SMA_DTYPE, sma_update, "p", (5,)),
    Indicator("trade_window", TRADE_WINDOW_DTYPE, trade_window_update, "tpq", (600,)),
    Indicator("twap", TWAP_DTYPE, twap_update, "tp", (600,)),
    Indicator("vwap", VWAP_DTYPE, vwap_update, "pq", (5,)),
    Indicator("zscore", ZSCORE_DTYPE, zscore_update, "p", (5,)),
]

Row = tuple[float, float, int]  # price, quantity, ns since the row before


def plain(function: Any) -> Callable[..., Any]:
    """Give the plain-Python twin of a compiled function; what it calls is plain Python too."""
    python = function.py_func
    names = {
        name: plain(value) if hasattr(value, "py_func") else value
        for name, value in python.__globals__.items()
        if name in python.__code__.co_names
    }
    return types.FunctionType(python.__code__, {**names, "__builtins__": __builtins__}, python.__name__)


def arguments(columns: str, rows: Sequence[Row]) -> Iterable[tuple[Any, ...]]:
    """Give each row's arguments in the order of `columns`; high and low stand 1 % around the price."""
    ts_ns = 1_000_000
    for price, quantity, wait_ns in rows:
        ts_ns += wait_ns
        fields = {"p": price, "q": quantity, "t": ts_ns, "h": price * 1.01, "l": price * 0.99}
        yield tuple(fields[column] for column in columns)


def stream(update: Callable[..., Any], state: np.void, rows: Iterable[Sequence[Any]], *params: Any) -> np.ndarray:
    """Update once per row; float64[n] or float64[n, lines]."""
    return np.array([update(state, *row, *params) for row in rows])
