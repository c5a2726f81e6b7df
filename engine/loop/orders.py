"""The session's list of working orders: drafts, placing, ending. It is kept in order-number order."""

from __future__ import annotations

import math

from engine.loop.chance import LATENCY, chance
from engine.loop.ledger import reserve
from engine.loop.outputs import put_order
from engine.loop.records import Books, Out, Record
from events.rows import Code, OrderKind, OrderStatus, Side, SignalKind, TimeInForce

ALL = 0  # tag or side that means any


def draft(books: Books, lane_index: int, side: int, quantity: float, code: int) -> Record:
    """A market order in the first free place of the list, not placed yet. The place must exist."""
    _, lanes, working, accounts = books
    order = working[accounts[0]["working"]]
    order["lane"] = lane_index
    order["instrument"] = lanes[lane_index]["instrument"]
    order["side"] = side
    order["quantity"] = quantity
    order["code"] = code
    order["kind"] = OrderKind.MARKET
    order["time_in_force"] = TimeInForce.GTC
    order["input"] = accounts[0]["input"]
    return order


def place(books: Books, out: Out, order: Record) -> None:
    """Give the draft its number and its time, and an ACCEPTED row."""
    instruments, lanes, _, accounts = books
    account = accounts[0]
    account["order"] += 1
    account["working"] += 1
    order["order"] = account["order"]
    order["active_ns"] = account["loop_ns"]
    if order["triggered"] == 0:  # a protective exit rests at the venue already
        order["active_ns"] += latency(account, order["order"])
    instruments[order["instrument"]]["working"] += 1
    lanes[order["lane"]]["working"] += 1
    if order["kind"] == OrderKind.LIMIT or order["kind"] == OrderKind.STOP_LIMIT:
        order["queue_ahead"] = queue_ahead(instruments[order["instrument"]], order, account["queue_ratio"])
    reserve(books, order["lane"])
    put_order(books, out, order, OrderStatus.ACCEPTED, order["code"])


def latency(account: Record, number: int) -> int:
    """Simulated time until the venue has the order, ns."""
    jitter = account["latency_jitter_ns"]
    if jitter == 0:
        return account["latency_ns"]
    return account["latency_ns"] + int(chance(account["seed"], number, LATENCY) * jitter)


def queue_ahead(market: Record, order: Record, ratio: float) -> float:
    """Quantity before a new limit order: a share of the level where it is the best one, 0 where it is better.

    Infinite where the level cannot be seen; with a ratio of 0 there is no queue.
    """
    if ratio == 0.0:
        return 0.0
    best = market["bid"] if order["side"] == Side.BUY else market["ask"]
    shown = market["bid_quantity"] if order["side"] == Side.BUY else market["ask_quantity"]
    if best == 0.0:
        return math.inf
    if order["price"] == best:
        return shown * ratio
    return 0.0 if (order["price"] - best) * order["side"] > 0.0 else math.inf


def end(books: Books, out: Out, order: Record, status: int, code: int) -> None:
    """The last row of an order; its place is freed by `compact`."""
    instruments, lanes, _, accounts = books
    put_order(books, out, order, status, code)
    lane_index = order["lane"]
    order["kind"] = 0
    accounts[0]["dead"] += 1
    instruments[order["instrument"]]["working"] -= 1
    lanes[lane_index]["working"] -= 1
    if lanes[lane_index]["exits_pending"] == order["order"]:
        lanes[lane_index]["exits_pending"] = 0
    reserve(books, lane_index)


def compact(books: Books) -> None:
    """Take the dead orders out of the list; unused places are zero."""
    _, _, working, accounts = books
    account = accounts[0]
    if account["dead"] == 0:
        return
    kept = 0
    count = account["working"]
    for place_from in range(count):
        if working[place_from]["kind"] != 0:
            if kept != place_from:
                working[kept] = working[place_from]
            kept += 1
    for place_free in range(kept, count):
        clear(working[place_free])
    account["working"] = kept
    account["dead"] = 0


def clear(order: Record) -> None:
    """A place of the list as it was before any order."""
    order["order"] = 0
    order["input"] = 0
    order["active_ns"] = 0
    order["lane"] = 0
    order["instrument"] = 0
    order["price"] = 0.0
    order["stop_price"] = 0.0
    order["offset"] = 0.0
    order["quantity"] = 0.0
    order["filled"] = 0.0
    order["queue_ahead"] = 0.0
    order["tag"] = 0
    order["kind"] = 0
    order["side"] = 0
    order["time_in_force"] = 0
    order["triggered"] = 0
    order["reduces"] = 0
    order["seen"] = 0
    order["code"] = 0
    order["origin"] = 0


def find(books: Books, number: int) -> int:
    """Place of a working order, -1 where none has this number."""
    _, _, working, accounts = books
    for at in range(accounts[0]["working"]):
        if working[at]["order"] == number and working[at]["kind"] != 0:
            return at
    return -1


def cancel_lane(books: Books, out: Out, lane_index: int, code: int) -> None:
    """Cancel all that works for a lane but market orders that only close."""
    _, _, working, accounts = books
    for at in range(accounts[0]["working"]):
        order = working[at]
        if order["lane"] == lane_index and order["kind"] != 0 and not closes_for_sure(order):
            end(books, out, order, OrderStatus.CANCELLED, code)


def cancel_entries(books: Books, out: Out, lane_index: int, side: int, code: int) -> None:
    """Cancel a lane's entry orders of one side (`ALL`: of both); its quotes stay."""
    _, _, working, accounts = books
    for at in range(accounts[0]["working"]):
        order = working[at]
        if order["lane"] != lane_index or order["kind"] == 0 or order["reduces"] != 0:
            continue
        if (side == ALL or order["side"] == side) and is_entry(order):
            end(books, out, order, OrderStatus.CANCELLED, code)


def cancel_tagged(books: Books, out: Out, lane_index: int, tag: int) -> None:
    """Cancel what a strategy's CANCEL names: its orders with this mark (`ALL`: all but closing ones)."""
    _, _, working, accounts = books
    for at in range(accounts[0]["working"]):
        order = working[at]
        if order["lane"] == lane_index and is_tagged(order, tag):
            end(books, out, order, OrderStatus.CANCELLED, Code.STRATEGY_CANCEL)


def prune(books: Books, out: Out, lane_index: int) -> None:
    """Cancel a lane's reducing orders that have no position to reduce any more."""
    _, lanes, working, accounts = books
    lane = lanes[lane_index]
    if lane["working"] == 0:
        return
    for at in range(accounts[0]["working"]):
        order = working[at]
        if order["lane"] != lane_index or order["kind"] == 0 or order["reduces"] == 0:
            continue
        if lane["position"] * order["side"] >= 0.0:
            end(books, out, order, OrderStatus.CANCELLED, Code.NO_POSITION)


def is_tagged(order: Record, tag: int) -> bool:
    """Whether a strategy's CANCEL of this mark means the order."""
    if order["kind"] == 0 or order["origin"] == 0 or closes_for_sure(order):
        return False
    return tag == ALL or order["tag"] == tag


def is_entry(order: Record) -> bool:
    """Whether a strategy's ENTER placed it."""
    return order["origin"] == SignalKind.ENTER_LONG or order["origin"] == SignalKind.ENTER_SHORT


def at_market(order: Record) -> bool:
    """Whether it executes at the market: a market order, or one that a price has turned into one."""
    if order["kind"] == OrderKind.MARKET:
        return True
    return order["triggered"] != 0 and order["kind"] != 0 and order["kind"] != OrderKind.STOP_LIMIT


def closes_for_sure(order: Record) -> bool:
    """Whether it is on its way to close a position at the market."""
    return order["reduces"] != 0 and at_market(order)


def expected_position(books: Books, lane_index: int) -> float:
    """A lane's position once its market orders are filled."""
    _, lanes, working, accounts = books
    position = lanes[lane_index]["position"]
    if lanes[lane_index]["working"] == 0:
        return position
    for at in range(accounts[0]["working"]):
        order = working[at]
        if order["lane"] == lane_index and at_market(order):
            position += (order["quantity"] - order["filled"]) * order["side"]
    return position


def has_entry(books: Books, lane_index: int, side: int) -> bool:
    """Whether an entry order of this side works for the lane."""
    _, lanes, working, accounts = books
    if lanes[lane_index]["working"] == 0:
        return False
    for at in range(accounts[0]["working"]):
        order = working[at]
        if order["lane"] == lane_index and order["side"] == side and order["kind"] != 0 and is_entry(order):
            return True
    return False


def has_exit(books: Books, lane_index: int) -> bool:
    """Whether an order that only closes works for the lane."""
    _, lanes, working, accounts = books
    if lanes[lane_index]["working"] == 0:
        return False
    for at in range(accounts[0]["working"]):
        order = working[at]
        if order["lane"] == lane_index and order["kind"] != 0 and order["reduces"] != 0:
            return True
    return False


def has_tagged(books: Books, lane_index: int, tag: int) -> bool:
    """Whether `cancel_tagged` would cancel anything."""
    _, lanes, working, accounts = books
    if lanes[lane_index]["working"] == 0:
        return False
    for at in range(accounts[0]["working"]):
        order = working[at]
        if order["lane"] == lane_index and is_tagged(order, tag):
            return True
    return False


def closable(books: Books, lane_index: int, side: int) -> float:
    """What an order of this side would close of the lane's position if all its working orders of that side fill."""
    _, lanes, working, accounts = books
    rest = -lanes[lane_index]["position"] * side
    if rest > 0.0 and lanes[lane_index]["working"] > 0:
        for at in range(accounts[0]["working"]):
            order = working[at]
            if order["lane"] == lane_index and order["kind"] != 0 and order["side"] == side:
                rest -= order["quantity"] - order["filled"]
    return max(rest, 0.0)
