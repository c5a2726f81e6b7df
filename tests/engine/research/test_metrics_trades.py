"""Trades out of fills, and the metrics of trades, against exact decimal twins."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.research.metrics.equity import Curve
from engine.research.metrics.measure import Measurements, measure
from engine.research.metrics.trades import TRADE_DTYPE, trades_from_fills, with_excursions
from events.errors import InvalidInput
from events.rows import FILL_DTYPE, Code
from tests.engine.research.sessions import START_NS, fills_of

SECOND = 1_000_000_000


def test_entry_to_exit_is_one_trade() -> None:
    """A buy and its sale are one trade; its profit is after both fees."""
    (trade,) = trades_from_fills(fills_of((2.0, 100.0, 0.5), (-2.0, 110.0, 0.6)))
    assert (trade["side"], trade["open"], trade["fills"]) == (1, 0, 2)
    assert (trade["entry_price"], trade["exit_price"], trade["quantity"]) == (100.0, 110.0, 2.0)
    assert trade["pnl"] == pytest.approx(18.9)
    assert trade["return_ratio"] == pytest.approx(18.9 / 200.0)
    assert (trade["entry_order"], trade["exit_order"], trade["code"]) == (1, 2, Code.SIGNAL_EXIT)
    assert (trade["entry_ns"], trade["exit_ns"]) == (START_NS, START_NS + SECOND)


def test_partial_fills_are_averaged() -> None:
    """Entries and exits in parts give one trade at their mean prices, floats that do not add up included."""
    parts = [(0.1, 100.0, 0.0), (0.2, 103.0, 0.0), (-0.15, 110.0, 0.0), (-0.15, 120.0, 0.0)]
    (trade,) = trades_from_fills(fills_of(*parts))
    assert trade["entry_price"] == pytest.approx(102.0)
    assert trade["exit_price"] == pytest.approx(115.0)
    assert trade["pnl"] == pytest.approx(0.3 * 13.0)
    assert (trade["open"], trade["fills"]) == (0, 4)


def test_a_flip_is_split_at_zero() -> None:
    """A sale of more than is held ends the long trade and begins a short one; its fee is shared by quantity."""
    long, short = trades_from_fills(fills_of((1.0, 100.0, 0.0), (-3.0, 90.0, 0.9), (2.0, 80.0, 0.0)))
    assert (long["side"], long["quantity"]) == (1, 1.0)
    assert long["pnl"] == pytest.approx(-10.3)
    assert (short["side"], short["quantity"], short["entry_order"]) == (-1, 2.0, 2)
    assert short["pnl"] == pytest.approx(20.0 - 0.6)


def test_an_open_trade_is_marked() -> None:
    """What is still held is valued at the given price, else at the newest fill, and has no exit code."""
    fills = fills_of((2.0, 100.0, 1.0), (-0.5, 120.0, 0.0), instrument=7)
    (marked,) = trades_from_fills(fills, {7: (START_NS + 9 * SECOND, 130.0)})
    assert (marked["open"], marked["code"], marked["exit_ns"]) == (1, Code.NONE, START_NS + 9 * SECOND)
    assert marked["pnl"] == pytest.approx(0.5 * 20.0 + 1.5 * 30.0 - 1.0)
    (unmarked,) = trades_from_fills(fills)
    assert unmarked["pnl"] == pytest.approx(2.0 * 20.0 - 1.0)


def test_lanes_are_paired_on_their_own() -> None:
    """Two strategies on one instrument do not close each other's trades; rows stand in the order of entries."""
    first, second = fills_of((1.0, 10.0, 0.0), (-1.0, 12.0, 0.0)), fills_of((-1.0, 10.0, 0.0), (1.0, 11.0, 0.0), lane=1)
    fills = np.concatenate([first[:1], second, first[1:]])
    trades = trades_from_fills(fills)
    assert trades["lane"].tolist() == [0, 1]
    assert trades["pnl"].tolist() == [2.0, -1.0]


def test_no_fills_are_no_trades() -> None:
    """A session that never traded has an empty table."""
    assert trades_from_fills(np.zeros(0, FILL_DTYPE)).shape == (0,)


@pytest.mark.parametrize(("name", "value"), [("quantity", 0.0), ("quantity", np.nan), ("side", 0)])
def test_a_fill_without_quantity_or_side_is_refused(name: str, value: float) -> None:
    """A broken fill is named by its number."""
    fills = fills_of((1.0, 10.0, 0.0), (-1.0, 10.0, 0.0))
    fills[name][1] = value
    with pytest.raises(InvalidInput, match="Fill 1 has quantity"):
        trades_from_fills(fills)


FILLS = st.lists(
    st.tuples(
        st.integers(-40, 40).filter(bool).map(lambda lots: lots / 8),  # exact in binary
        st.integers(1, 4000).map(lambda ticks: ticks / 4),
        st.integers(0, 50).map(lambda cents: cents / 100),
    ),
    min_size=1,
    max_size=40,
)


@settings(max_examples=150, deadline=None)
@given(rows=FILLS, mark=st.integers(1, 4000).map(lambda ticks: ticks / 4))
def test_profits_are_the_cash_that_moved(rows: list[tuple[float, float, float]], mark: float) -> None:
    """The profits of all trades add up to the cash and the marked position, to the last digit of a Decimal twin."""
    trades = trades_from_fills(fills_of(*rows), {0: (START_NS + 100 * SECOND, mark)})
    cash = position = fees = Decimal(0)
    crossings, before = 0, Decimal(0)
    for signed, price, fee in rows:
        cash -= Decimal(signed) * Decimal(price) + Decimal(fee)
        fees += Decimal(fee)
        position += Decimal(signed)
        crossings += before * position < 0 or (before == 0 and position != 0)
        before = position
    assert float(np.sum(trades["pnl"])) == pytest.approx(float(cash + position * Decimal(mark)), abs=1e-9)
    assert float(np.sum(trades["fees"])) == pytest.approx(float(fees), abs=1e-12)
    assert trades.size == crossings
    assert trades["open"].tolist() == [0] * (trades.size - 1) + [int(position != 0)]
    assert np.isfinite(trades["pnl"]).all()
    assert (trades["exit_ns"] >= trades["entry_ns"]).all()


def test_excursions_are_the_extremes_while_held() -> None:
    """The worst and the best price between entry and exit count, seen from the side of the trade."""
    trades = trades_from_fills(fills_of((1.0, 100.0, 0.0), (-2.0, 105.0, 0.0), (1.0, 95.0, 0.0)))
    prices = np.array([100.0, 90.0, 110.0, 105.0, 120.0, 95.0, 50.0])
    seconds = np.array([0.0, 0.2, 0.5, 1.0, 1.5, 2.0, 2.5])
    got = with_excursions(trades, 0, START_NS + (seconds * SECOND).astype(np.int64), prices)
    assert got["mae_ratio"].tolist() == pytest.approx([-0.1, 1 - 120 / 105])
    assert got["mfe_ratio"].tolist() == pytest.approx([0.1, 1 - 95 / 105])
    assert np.isnan(trades["mae_ratio"]).all()
    other = with_excursions(trades, 5, START_NS + (seconds * SECOND).astype(np.int64), prices)
    assert np.isnan(other["mae_ratio"]).all()


@settings(max_examples=60, deadline=None)
@given(
    spans=st.lists(st.tuples(st.integers(0, 40), st.integers(0, 20), st.sampled_from([1, -1])), max_size=8),
    prices=st.lists(st.floats(1.0, 100.0), max_size=30),
)
def test_excursions_are_their_naive_twin(spans: list[tuple[int, int, int]], prices: list[float]) -> None:
    """Looking at every price of every trade gives the same extremes, overlapping trades included."""
    trades = np.zeros(len(spans), TRADE_DTYPE)
    trades["entry_price"], trades["mae_ratio"], trades["mfe_ratio"] = 50.0, np.nan, np.nan
    for trade, (entry, held, side) in zip(trades, spans, strict=True):
        trade["entry_ns"], trade["exit_ns"], trade["side"] = entry, entry + held, side
    got = with_excursions(trades, 0, np.arange(len(prices), dtype=np.int64), np.array(prices))
    for trade, (entry, held, side) in zip(got, spans, strict=True):
        seen = [side * (price / 50.0 - 1.0) for price in prices[entry : entry + held + 1]]
        if not seen:
            assert np.isnan(trade["mae_ratio"])
        else:
            assert trade["mae_ratio"] == pytest.approx(min([*seen, 0.0]))
            assert trade["mfe_ratio"] == pytest.approx(max([*seen, 0.0]))


PROFITS = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=50)


@settings(max_examples=80, deadline=None)
@given(profits=PROFITS)
def test_trade_metrics_are_their_decimal_twins(profits: list[float]) -> None:
    """Sums, means and ratios of money are those of exact decimals."""
    trades = np.zeros(len(profits) + 1, TRADE_DTYPE)
    trades["pnl"], trades["fees"] = [*profits, 1e9], 0.1
    trades["open"][-1] = 1
    measured = measure(Curve(np.array([0, 1]), np.array([1.0, 1.0])), trades)
    exact = [Decimal(profit) for profit in profits]
    won, lost = [value for value in exact if value > 0], [value for value in exact if value < 0]
    wants = {
        "total_trades": len(exact),
        "open_trades": 1,
        "winning_trades": len(won),
        "losing_trades": len(lost),
        "win_rate": len(won) / len(exact),
        "avg_trade": sum(exact) / len(exact),
        "avg_winner": sum(won) / len(won) if won else None,
        "avg_loser": sum(lost) / len(lost) if lost else None,
        "largest_winner": max(won) if won else None,
        "largest_loser": min(lost) if lost else None,
        "profit_factor": sum(won) / -sum(lost) if lost else None,
        "payoff_ratio": (sum(won) / len(won)) / (-sum(lost) / len(lost)) if won and lost else None,
        "fees_paid": Decimal("0.1") * (len(exact) + 1),
    }
    for name, want in wants.items():
        got = measured.value(name)
        if want is None:
            assert got is None
        elif got is not None or float(want) <= 1e300:
            assert got == pytest.approx(float(want), rel=1e-14), name


def test_time_in_the_market_counts_overlapping_trades_once() -> None:
    """Two lanes that hold at the same time make one time in the market."""
    trades = np.zeros(4, TRADE_DTYPE)
    trades["entry_ns"], trades["exit_ns"] = [0, 10, 5, 60], [20, 15, 30, 70]
    measured = measure(Curve(np.array([0, 100]), np.array([1.0, 1.0])), trades)
    assert measured.value("exposure") == pytest.approx(0.4)
    assert measured.value("avg_trade_duration") == pytest.approx((20 + 5 + 25 + 10) / 4 / SECOND)


def test_counts_are_whole_numbers() -> None:
    """A typed client takes 2 for an integer and refuses 2.0; results that were written with 2.0 are read as 2."""
    fills = fills_of((1.0, 100.0, 0.0), (-1.0, 90.0, 0.0), (1.0, 90.0, 0.0), (-1.0, 99.0, 0.0), (1.0, 9.0, 0.0))
    found = measure(Curve(np.arange(3) * SECOND, np.full(3, 1_000.0)), trades_from_fills(fills))
    written = msgspec.json.encode(found)
    older = written.replace(b'"value":2,', b'"value":2.0,')
    assert older != written
    for body in (written, older):
        counts = {
            one.name: one.value for one in msgspec.json.decode(body, type=Measurements).metrics if one.unit == "count"
        }
        assert counts == {"total_trades": 2, "open_trades": 1, "winning_trades": 1, "losing_trades": 1}
        assert {type(value) for value in counts.values()} == {int}
