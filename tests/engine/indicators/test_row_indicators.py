"""Indicators over the last rows, against TA-Lib and plain formulas."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import polars as pl
import pytest
import talib
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit

from engine.indicators.atr import ATR_DTYPE, atr_ready, atr_update
from engine.indicators.bollinger import BOLLINGER_DTYPE, bollinger_ready, bollinger_update
from engine.indicators.donchian import DONCHIAN_DTYPE, donchian_ready, donchian_update
from engine.indicators.ema import EMA_DTYPE, ema_ready, ema_update
from engine.indicators.macd import MACD_DTYPE, macd_ready, macd_update
from engine.indicators.rsi import RSI_DTYPE, RSI_FLAT, rsi_ready, rsi_update
from engine.indicators.sma import SMA_DTYPE, sma_ready, sma_update
from engine.indicators.vwap import VWAP_DTYPE, vwap_ready, vwap_update
from engine.indicators.zscore import ZSCORE_DTYPE, zscore_ready, zscore_update
from tests.engine.indicators.streams import stream

NOISE = np.random.Generator(np.random.Philox(key=11))
CLOSE = 100.0 * np.exp(np.cumsum(NOISE.normal(0.0, 0.01, 700)))
HIGH = CLOSE * (1.0 + NOISE.uniform(0.0, 0.01, CLOSE.size))
LOW = CLOSE * (1.0 - NOISE.uniform(0.0, 0.01, CLOSE.size))
QUANTITY = NOISE.exponential(3.0, CLOSE.size)

WINDOWS = pytest.mark.parametrize("window", [2, 3, 14, 200])
VALUES = st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=80)
SHORT = st.integers(1, 9)


def columns(*arrays: np.ndarray) -> list[tuple[float, ...]]:
    """Rows of several columns."""
    return list(zip(*(array.tolist() for array in arrays), strict=True))


def windows(values: Sequence[float], window: int) -> list[list[float] | None]:
    """Give the last `window` values at each row; None before there are as many."""
    return [list(values[end - window : end]) if end >= window else None for end in range(1, len(values) + 1)]


@WINDOWS
def test_ema_is_talibs(window: int) -> None:
    """EMA equals TA-Lib's row by row, its warm-up included."""
    state = np.zeros(1, EMA_DTYPE)
    got = stream(ema_update, state[0], columns(CLOSE), window)
    np.testing.assert_allclose(got, talib.EMA(CLOSE, window), rtol=1e-12)
    assert ema_ready(state[0], window)


@WINDOWS
def test_sma_is_talibs(window: int) -> None:
    """SMA equals TA-Lib's row by row."""
    state = np.zeros(1, SMA_DTYPE)
    got = stream(sma_update, state[0], columns(CLOSE), window)
    np.testing.assert_allclose(got, talib.SMA(CLOSE, window), rtol=1e-12)
    assert sma_ready(state[0], window)


@WINDOWS
def test_atr_is_talibs(window: int) -> None:
    """ATR equals TA-Lib's row by row."""
    state = np.zeros(1, ATR_DTYPE)
    got = stream(atr_update, state[0], columns(HIGH, LOW, CLOSE), window)
    np.testing.assert_allclose(got, talib.ATR(HIGH, LOW, CLOSE, window), rtol=1e-11)
    assert atr_ready(state[0], window)


@WINDOWS
def test_rsi_is_talibs(window: int) -> None:
    """RSI equals TA-Lib's row by row on prices that move."""
    state = np.zeros(1, RSI_DTYPE)
    got = stream(rsi_update, state[0], columns(CLOSE), window)
    np.testing.assert_allclose(got, talib.RSI(CLOSE, window), rtol=1e-11)
    assert rsi_ready(state[0], window)


def test_rsi_of_a_flat_market_takes_no_side() -> None:
    """Prices that never move are neither overbought nor oversold."""
    got = stream(rsi_update, np.zeros(1, RSI_DTYPE)[0], [(5.0,)] * 20, 3)
    assert got[3:].tolist() == [RSI_FLAT] * 17


@pytest.mark.parametrize("periods", [(12, 26, 9), (3, 10, 4), (5, 6, 2)])
def test_macd_is_talibs(periods: tuple[int, int, int]) -> None:
    """All three MACD lines equal TA-Lib's row by row."""
    state = np.zeros(1, MACD_DTYPE)
    got = stream(macd_update, state[0], columns(CLOSE), *periods)
    want = np.column_stack(talib.MACD(CLOSE, *periods))
    np.testing.assert_allclose(got, want, rtol=1e-9, atol=1e-12)
    assert macd_ready(state[0], periods[2])


@WINDOWS
@pytest.mark.parametrize("width", [1.0, 2.5])
def test_bollinger_is_talibs(window: int, width: float) -> None:
    """All three bands equal TA-Lib's row by row."""
    state = np.zeros(1, BOLLINGER_DTYPE)
    got = stream(bollinger_update, state[0], columns(CLOSE), window, width)
    want = np.column_stack(talib.BBANDS(CLOSE, window, width, width))
    np.testing.assert_allclose(got, want, rtol=1e-9)
    assert bollinger_ready(state[0], window)


@WINDOWS
def test_donchian_is_talibs_max_and_min(window: int) -> None:
    """The channel is TA-Lib's MAX of highs and MIN of lows, exactly."""
    state = np.zeros(1, DONCHIAN_DTYPE)
    got = stream(donchian_update, state[0], columns(HIGH, LOW), window)
    np.testing.assert_array_equal(got, np.column_stack([talib.MAX(HIGH, window), talib.MIN(LOW, window)]))
    assert donchian_ready(state[0], window)
    assert (state[0]["upper"], state[0]["lower"]) == tuple(got[-1])


@WINDOWS
def test_vwap_is_the_ratio_of_rolling_sums(window: int) -> None:
    """VWAP equals polars' rolling sum of price times quantity over that of quantity."""
    state = np.zeros(1, VWAP_DTYPE)
    got = stream(vwap_update, state[0], columns(CLOSE, QUANTITY), window)
    frame = pl.DataFrame({"price": CLOSE, "quantity": QUANTITY})
    traded = (pl.col("price") * pl.col("quantity")).rolling_sum(window) / pl.col("quantity").rolling_sum(window)
    want = frame.select(traded).to_series().fill_null(math.nan).to_numpy()
    np.testing.assert_allclose(got, want, rtol=1e-11)
    assert vwap_ready(state[0], window)


def test_vwap_without_quantity_is_the_newest_price() -> None:
    """A window in which nothing traded divides by nothing."""
    got = stream(vwap_update, np.zeros(1, VWAP_DTYPE)[0], [(10.0, 1.0), (11.0, 0.0), (12.0, 0.0), (13.0, 0.0)], 2)
    assert got[1:].tolist() == [10.0, 12.0, 13.0]


@WINDOWS
def test_zscore_is_the_distance_in_deviations(window: int) -> None:
    """The z-score equals polars' rolling mean and population deviation."""
    state = np.zeros(1, ZSCORE_DTYPE)
    got = stream(zscore_update, state[0], columns(CLOSE), window)
    column = pl.col("close")
    score = (column - column.rolling_mean(window)) / column.rolling_std(window, ddof=0)
    want = pl.DataFrame({"close": CLOSE}).select(score).to_series().fill_null(math.nan).to_numpy()
    np.testing.assert_allclose(got, want, rtol=1e-7, atol=1e-9)
    assert zscore_ready(state[0], window)


def test_zscore_of_a_constant_is_zero() -> None:
    """A market that does not move is not far from its mean."""
    got = stream(zscore_update, np.zeros(1, ZSCORE_DTYPE)[0], [(0.1,)] * 50, 7)
    assert got[6:].tolist() == [0.0] * 44


@settings(max_examples=60, deadline=None)
@given(values=VALUES, window=SHORT)
def test_sma_is_its_naive_twin(values: list[float], window: int) -> None:
    """At every row the average is that of the last values and of nothing before them."""
    got = stream(sma_update, np.zeros(1, SMA_DTYPE)[0], [(value,) for value in values], window)
    for value, part in zip(got, windows(values, window), strict=True):
        if part is None:
            assert math.isnan(value)
        else:
            scale = max(map(abs, part))
            assert value == pytest.approx(math.fsum(part) / window, abs=1e-14 * window * scale)


@settings(max_examples=60, deadline=None)
@given(values=VALUES, window=SHORT)
def test_bollinger_is_its_naive_twin(values: list[float], window: int) -> None:
    """Mean and deviation are those of the last values, whatever stood before them."""
    got = stream(bollinger_update, np.zeros(1, BOLLINGER_DTYPE)[0], [(value,) for value in values], window, 1.0)
    for (upper, middle, lower), part in zip(got, windows(values, window), strict=True):
        if part is None:
            assert np.isnan([upper, middle, lower]).all()
            continue
        mean = math.fsum(part) / window
        deviation = math.sqrt(math.fsum((value - mean) ** 2 for value in part) / window)
        scale = max(map(abs, part))
        assert middle == pytest.approx(mean, abs=1e-14 * window * scale)
        assert upper - middle == pytest.approx(deviation, rel=1e-9, abs=1e-13 * window * scale)
        assert middle - lower == pytest.approx(deviation, rel=1e-9, abs=1e-13 * window * scale)


@settings(max_examples=60, deadline=None)
@given(values=VALUES, window=SHORT)
def test_donchian_is_its_naive_twin(values: list[float], window: int) -> None:
    """The channel is the exact maximum and minimum of the last rows."""
    got = stream(donchian_update, np.zeros(1, DONCHIAN_DTYPE)[0], [(value, value - 1) for value in values], window)
    for (upper, lower), part in zip(got, windows(values, window), strict=True):
        if part is None:
            assert math.isnan(upper)
        else:
            assert upper == max(part)
            assert lower == min(part) - 1


@njit
def fold(values: np.ndarray, averages: np.ndarray, scores: np.ndarray, window: int) -> tuple[float, float]:
    """Update SMA and z-score over all values; the last of each."""
    average = score = 0.0
    for value in values:
        average = sma_update(averages[0], value, window)
        score = zscore_update(scores[0], value, window)
    return average, score


def test_a_million_rows_and_a_wild_print_leave_no_error_behind() -> None:
    """After a million rows and a price of 1e15 among them the values are as exact as on a fresh start."""
    noise = np.random.Generator(np.random.Philox(key=3))
    values = 60_000.0 + noise.normal(0.0, 0.01, 1_000_000)
    values[-250] = 1e15
    window = 200
    got = fold(values, np.zeros(1, SMA_DTYPE), np.zeros(1, ZSCORE_DTYPE), window)
    last = values[-window:]
    mean = math.fsum(last) / window
    deviation = math.sqrt(math.fsum((last - mean) ** 2) / window)
    assert got[0] == pytest.approx(mean, rel=1e-15)
    assert got[1] == pytest.approx((values[-1] - mean) / deviation, rel=1e-8)
