"""What holds for every indicator."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.indicators.limits import WINDOW_MAX
from engine.loop.source import inlined
from tests.engine.indicators.streams import INDICATORS, Indicator, Row, arguments, plain, stream

ROWS = st.lists(
    st.tuples(
        st.floats(1e-8, 1e8),
        st.one_of(st.just(0.0), st.floats(1e-6, 1e6)),
        st.one_of(st.integers(0, 30), st.integers(0, 3000)),
    ),
    min_size=1,
    max_size=60,
)

each = pytest.mark.parametrize("indicator", INDICATORS, ids=lambda indicator: indicator.name)


def walk(rows: int) -> list[Row]:
    """Seeded random walk."""
    noise = np.random.Generator(np.random.Philox(key=7))
    prices = 100.0 * np.exp(np.cumsum(noise.normal(0.0, 0.01, rows)))
    quantities, waits = noise.exponential(5.0, rows), noise.integers(0, 50, rows)
    return list(zip(prices.tolist(), quantities.tolist(), waits.tolist(), strict=True))


@each
@settings(max_examples=25, deadline=None)
@given(rows=ROWS)
def test_compiled_and_plain_python_give_the_same_bytes(indicator: Indicator, rows: list[Row]) -> None:
    """What a strategy sees compiled is what its plain-Python twin computes, values and state alike."""
    compiled, twin = np.zeros(1, indicator.dtype), np.zeros(1, indicator.dtype)
    got = stream(indicator.update, compiled[0], arguments(indicator.columns, rows), *indicator.params)
    want = stream(plain(indicator.update), twin[0], arguments(indicator.columns, rows), *indicator.params)
    np.testing.assert_array_equal(got, want)
    assert compiled.tobytes() == twin.tobytes()


@each
def test_a_snapshot_goes_on_where_it_was_taken(indicator: Indicator) -> None:
    """A session restored from a snapshot's bytes gives what the uninterrupted one gives, to the byte."""
    rows = list(arguments(indicator.columns, walk(400)))
    whole = np.zeros(1, indicator.dtype)
    want = stream(indicator.update, whole[0], rows, *indicator.params)
    cut = np.zeros(1, indicator.dtype)
    got = [stream(indicator.update, cut[0], rows[:137], *indicator.params)]
    restored = np.frombuffer(bytearray(cut.tobytes()), indicator.dtype)
    got.append(stream(indicator.update, restored[0], rows[137:], *indicator.params))
    np.testing.assert_array_equal(np.concatenate(got), want)
    assert restored.tobytes() == whole.tobytes()


@each
@settings(max_examples=25, deadline=None)
@given(rows=ROWS)
def test_no_value_is_infinite_and_none_is_missing_once_ready(indicator: Indicator, rows: list[Row]) -> None:
    """Zero quantities, repeated prices and times, and long gaps never divide by zero."""
    state = np.zeros(1, indicator.dtype)
    values = stream(indicator.update, state[0], arguments(indicator.columns, rows), *indicator.params)
    assert not np.isinf(values).any()
    missing = np.isnan(values).reshape(len(rows), -1).any(axis=1)
    assert (np.diff(missing.astype(np.int8)) <= 0).all(), "a value was missing after the first one"


@each
@pytest.mark.parametrize("window", [0, -3])
def test_a_window_out_of_bounds_is_never_ready(indicator: Indicator, window: int) -> None:
    """A wrong window gives no value instead of touching foreign memory."""
    state = np.zeros(1, indicator.dtype)
    params = (window, *indicator.params[1:]) if indicator.name != "macd" else (window, window, window)
    values = stream(indicator.update, state[0], arguments(indicator.columns, walk(10)), *params)
    assert np.isnan(values).all()


@pytest.mark.parametrize("name", ["sma", "bollinger", "donchian", "vwap", "zscore"])
def test_the_longest_window_works_and_one_more_gives_nothing(name: str) -> None:
    """`WINDOW_MAX` rows are the limit of a row window."""
    indicator = next(indicator for indicator in INDICATORS if indicator.name == name)
    rows = list(arguments(indicator.columns, walk(2 * WINDOW_MAX + 3)))
    state = np.zeros(1, indicator.dtype)
    values = stream(indicator.update, state[0], rows, WINDOW_MAX, *indicator.params[1:])
    first = values.reshape(len(rows), -1)[:, 0]
    assert np.isnan(first[: WINDOW_MAX - 1]).all()
    assert np.isfinite(first[WINDOW_MAX - 1 :]).all()
    guard = np.zeros(2, indicator.dtype)
    over = stream(indicator.update, guard[0], rows, WINDOW_MAX + 1, *indicator.params[1:])
    assert np.isnan(over).all()
    assert guard[1].tobytes() == bytes(indicator.dtype.itemsize)


def test_every_state_is_packed_numbers() -> None:
    """State records hold little-endian int64 and float64 only: a byte compare compares the indicator."""

    def leaves(dtype: np.dtype) -> list[np.dtype]:
        if dtype.subdtype:
            return leaves(dtype.subdtype[0])
        if dtype.names:
            return [leaf for name in dtype.names for leaf in leaves(dtype[name])]
        return [dtype]

    def size(dtype: np.dtype) -> int:
        if dtype.subdtype:
            return size(dtype.subdtype[0]) * math.prod(dtype.shape)
        return sum(size(dtype[name]) for name in dtype.names) if dtype.names else dtype.itemsize

    for indicator in INDICATORS:
        assert {leaf.str for leaf in leaves(indicator.dtype)} <= {"<i8", "<f8"}
        assert size(indicator.dtype) == indicator.dtype.itemsize


@each
def test_a_generated_loop_can_inline_it(indicator: Indicator) -> None:
    """Each indicator is made of what a decision may use: numbers, functions and math."""
    text = inlined([indicator.update])
    assert f"def {indicator.name}_update(" in text
    assert "import" not in text
