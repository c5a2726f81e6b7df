"""What the trades did. Only trades that ended count; profits are after fees; sums are exactly rounded."""

from __future__ import annotations

import math

import numpy as np

from engine.research.metrics.annualisation import SECOND_NS
from engine.research.metrics.session_result import SessionResult, Undefined, Value

NO_TRADES = Undefined("no trade ended")
NO_WINNER = Undefined("no trade won")
NO_LOSER = Undefined("no trade lost")


def _pnl(result: SessionResult) -> np.ndarray:
    return result.closed["pnl"]


def _winners(result: SessionResult) -> np.ndarray:
    return _pnl(result)[_pnl(result) > 0.0]


def _losers(result: SessionResult) -> np.ndarray:
    return _pnl(result)[_pnl(result) < 0.0]


def _mean(values: np.ndarray, otherwise: Undefined) -> Value:
    return math.fsum(values) / values.size if values.size else otherwise


def total_trades(result: SessionResult) -> Value:
    """Number of trades that ended."""
    return float(result.closed.size)


def open_trades(result: SessionResult) -> Value:
    """Number of trades that had not ended."""
    return float(result.trades.size - result.closed.size)


def winning_trades(result: SessionResult) -> Value:
    """Number of trades with a profit."""
    return float(_winners(result).size)


def losing_trades(result: SessionResult) -> Value:
    """Number of trades with a loss."""
    return float(_losers(result).size)


def win_rate(result: SessionResult) -> Value:
    """Share of the trades that won."""
    return _winners(result).size / result.closed.size if result.closed.size else NO_TRADES


def profit_factor(result: SessionResult) -> Value:
    """Sum of the profits over the sum of the losses."""
    if not result.closed.size:
        return NO_TRADES
    lost = -math.fsum(_losers(result))
    return math.fsum(_winners(result)) / lost if lost else NO_LOSER


def payoff_ratio(result: SessionResult) -> Value:
    """Mean profit of a winner over the mean loss of a loser."""
    won, lost = avg_winner(result), avg_loser(result)
    if isinstance(won, Undefined):
        return won
    return lost if isinstance(lost, Undefined) else won / -lost


def avg_trade(result: SessionResult) -> Value:
    """Mean profit of a trade."""
    return _mean(_pnl(result), NO_TRADES)


def avg_winner(result: SessionResult) -> Value:
    """Mean profit of the trades that won."""
    return _mean(_winners(result), NO_WINNER)


def avg_loser(result: SessionResult) -> Value:
    """Mean loss of the trades that lost."""
    return _mean(_losers(result), NO_LOSER)


def largest_winner(result: SessionResult) -> Value:
    """Largest profit of a trade."""
    return float(_winners(result).max()) if _winners(result).size else NO_WINNER


def largest_loser(result: SessionResult) -> Value:
    """Largest loss of a trade."""
    return float(_losers(result).min()) if _losers(result).size else NO_LOSER


def avg_trade_duration(result: SessionResult) -> Value:
    """Mean time from entry to exit."""
    return _mean((result.closed["exit_ns"] - result.closed["entry_ns"]) / SECOND_NS, NO_TRADES)


def avg_mae(result: SessionResult) -> Value:
    """Mean of the worst price while held."""
    return _excursion(result, "mae_ratio")


def avg_mfe(result: SessionResult) -> Value:
    """Mean of the best price while held."""
    return _excursion(result, "mfe_ratio")


def _excursion(result: SessionResult, name: str) -> Value:
    if not result.closed.size:
        return NO_TRADES
    known = result.closed[name][~np.isnan(result.closed[name])]
    return _mean(known, Undefined("the prices while held were not given"))


def fees_paid(result: SessionResult) -> Value:
    """Fees of all trades, open ones included."""
    return math.fsum(result.trades["fees"])


def exposure(result: SessionResult) -> Value:
    """Share of the time with a position."""
    span = result.curve.span_ns
    if span <= 0:
        return Undefined("the session spans no time")
    trades = np.sort(result.trades, order="entry_ns")
    ends = np.maximum.accumulate(trades["exit_ns"]) if trades.size else trades["exit_ns"]
    since = np.maximum(trades["entry_ns"], np.append(np.iinfo(np.int64).min, ends[:-1])[: trades.size])
    return float(np.maximum(ends - since, 0).sum()) / span
