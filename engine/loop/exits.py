"""Step 3: protective exits from a lane's ratios: stop loss, trailing stop, take profit.

They execute on the row that triggers them, as a resting stop or limit order would; what the row has no room for goes on
as a market order. A row that opened or turned the position triggers nothing, but for a bar's extremes and the stop.
"""

from __future__ import annotations

import math

from engine.loop.fills import execute, slipped, stopped_price
from engine.loop.levels import set_calm, stop_level, target_level
from engine.loop.market import open_room, taker_price
from engine.loop.orders import cancel_lane, compact, draft, expected_position, place
from engine.loop.records import Books, Out, Record
from engine.loop.rounding import ceil_step, floor_step
from events.rows import Code, MarketFlag, OrderKind

EXTREMES = int(MarketFlag.BAR_NEAR | MarketFlag.BAR_FAR)


def protect(books: Books, out: Out, row: Record, lane_index: int) -> None:
    """Exit the lane's position where a level was reached; stop before target."""
    instruments, lanes, _, accounts = books
    lane = lanes[lane_index]
    if lane["exits_pending"] != 0 or lane["position"] == 0.0:
        return
    market = instruments[lane["instrument"]]
    fresh = lane["entry_input"] == accounts[0]["input"]
    if fresh and row["flags"] & EXTREMES == 0:
        return
    side = 1.0 if lane["position"] > 0.0 else -1.0
    last = market["last"]
    level = stop_level(lane, side)
    stop = order_price(level, side < 0.0, market)
    if stop > 0.0 and (last - stop) * side <= 0.0:
        exit_lane(books, out, row, lane_index, (stop, stop_code(lane, side, level)))
        return
    target = order_price(target_level(lane, side), side > 0.0, market)
    taken = not fresh and target > 0.0 and target_reached(lane, row, (last - target) * side >= 0.0)
    if (last - lane["best_price"]) * side > 0.0:
        lane["best_price"] = last
    set_calm(lane)
    if taken:
        exit_lane(books, out, row, lane_index, (target, int(Code.TAKE_PROFIT)))


def stop_code(lane: Record, side: float, stop: float) -> int:
    """Which of the two a level is; the stop loss where they are the same."""
    if lane["stop_loss_ratio"] > 0.0 and stop == lane["entry_price"] * (1.0 - side * lane["stop_loss_ratio"]):
        return int(Code.STOP_LOSS)
    return int(Code.TRAILING_STOP)


def target_reached(lane: Record, row: Record, now: bool) -> bool:
    """Whether to take the profit on this row. A target met at a bar's nearer extreme waits for the other one."""
    flags = row["flags"]
    if flags & MarketFlag.BAR_NEAR != 0:
        lane["deferred"] = 1 if now else 0
        return False
    if flags & MarketFlag.BAR_FAR != 0 and lane["deferred"] == 1:
        lane["deferred"] = 0
        return True
    return now


def order_price(level: float, up: bool, market: Record) -> float:
    """A level as the price of an order, in steps; 0 stays 0."""
    return ceil_step(level, market["price_step"]) if up else floor_step(level, market["price_step"])


def exit_lane(books: Books, out: Out, row: Record, lane_index: int, level: tuple[float, int]) -> None:
    """Cancel all that works for the lane, and close what no market order closes already. `level` is (price, code)."""
    instruments, lanes, _, accounts = books
    account = accounts[0]
    lane = lanes[lane_index]
    price, code = level
    cancel_lane(books, out, lane_index, code)
    compact(books)
    rest = expected_position(books, lane_index)
    if rest * lane["position"] <= 0.0 or account["working"] >= account["places"]:
        return
    order = draft(books, lane_index, -1 if rest > 0.0 else 1, abs(rest), code)
    order["reduces"] = 1
    order["triggered"] = account["simulated"]
    order["seen"] = account["simulated"]
    if code == Code.TAKE_PROFIT:
        order["kind"] = OrderKind.LIMIT
        order["price"] = price
    elif account["simulated"] == 1:
        order["kind"] = OrderKind.STOP if code == Code.STOP_LOSS else OrderKind.TRAILING
        order["stop_price"] = price
    place(books, out, order)
    lane["exits_pending"] = order["order"]
    if account["simulated"] == 1:
        market = instruments[order["instrument"]]
        open_room(market, row, account)
        if code == Code.TAKE_PROFIT:
            execute(books, out, row, order, (price, math.inf, 1))
        else:
            got = stopped_price(market, row, taker_price(market, row, order["side"]), order["side"], price)
            execute(books, out, row, order, (slipped(books, order, got), math.inf, 0))
        compact(books)
