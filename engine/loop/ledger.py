"""The account: what a fill does to lane, instrument and cash. Cash with signed positions, average entry price.

After each fill `equity = cash + sum(position * last)`; tests hold it against exact `Decimal` twins.
"""

from __future__ import annotations

from engine.loop.levels import set_calm
from engine.loop.outputs import put_fill, put_mark
from engine.loop.records import Books, Execution, Out, Record
from engine.loop.rounding import dust


def book_fill(books: Books, out: Out, order: Record, execution: Execution) -> None:
    """Take (price, quantity, fee, maker) of an order to the account: a fill row and a mark row."""
    instruments, lanes, _, accounts = books
    account = accounts[0]
    lane = lanes[order["lane"]]
    market = instruments[order["instrument"]]
    price, quantity, fee, _ = execution
    signed = quantity * order["side"]
    before = lane["position"]
    realized = move_position(lane, account, price, signed, dust(market["quantity_step"], quantity))
    after = market["position"] + (lane["position"] - before)
    market["position"] = 0.0 if abs(after) < dust(market["quantity_step"], quantity) else after
    order["filled"] += quantity
    lane["realized"] += realized
    lane["fees"] += fee
    account["cash"] -= signed * price + fee
    account["realized"] += realized
    account["fees"] += fee
    put_fill(books, out, order, execution, realized)
    put_mark(books, out)


def move_position(lane: Record, account: Record, price: float, signed: float, nothing: float) -> float:
    """Move a lane's position by `signed`; give the profit of the part that closed, before fees."""
    before = lane["position"]
    after = before + signed
    if abs(after) < nothing:
        after = 0.0
    realized = 0.0
    if before * signed < 0.0:
        closed = min(abs(before), abs(signed))
        realized = closed * (price - lane["entry_price"]) * (1.0 if before > 0.0 else -1.0)
    lane["position"] = after
    if after == 0.0:
        lane["entry_price"] = 0.0
        lane["entry_ns"] = 0
        lane["entry_input"] = 0
        lane["best_price"] = 0.0
        lane["deferred"] = 0
    elif before * after <= 0.0:
        lane["entry_price"] = price
        lane["entry_ns"] = account["loop_ns"]
        lane["entry_input"] = account["input"]
        lane["best_price"] = price
        lane["deferred"] = 0
    elif before * signed > 0.0:
        lane["entry_price"] = (lane["entry_price"] * abs(before) + price * abs(signed)) / abs(after)
    set_calm(lane)
    return realized


def lane_exposure(books: Books) -> float:
    """Quote notional of all positions, lane by lane, at last prices."""
    instruments, lanes, _, accounts = books
    exposure = 0.0
    for index in range(accounts[0]["lanes"]):
        exposure += abs(lanes[index]["position"]) * instruments[lanes[index]["instrument"]]["last"]
    return exposure


def reserve(books: Books, lane_index: int) -> None:
    """Sum anew what a lane's working orders could add to its exposure, in order-number order.

    The buys are taken to fill all, from the position up; the sells all, from the position down.
    """
    instruments, lanes, working, accounts = books
    account = accounts[0]
    lane = lanes[lane_index]
    reserved = 0.0
    if lane["working"] > 0:
        highest = lane["position"]
        lowest = lane["position"]
        for place in range(account["working"]):
            order = working[place]
            if order["lane"] != lane_index or order["kind"] == 0 or order["reduces"] != 0:
                continue
            rest = order["quantity"] - order["filled"]
            price = reserve_price(order, instruments[order["instrument"]]["last"])
            if order["side"] > 0:
                reserved += (max(highest + rest, 0.0) - max(highest, 0.0)) * price
                highest += rest
            else:
                reserved += (max(rest - lowest, 0.0) - max(-lowest, 0.0)) * price
                lowest -= rest
    lane["reserved"] = reserved
    total = 0.0
    for index in range(account["lanes"]):
        total += lanes[index]["reserved"]
    account["reserved"] = total


def reserve_price(order: Record, last: float) -> float:
    """The price at which an order is expected to fill: its limit, its stop, else the last price."""
    if order["price"] > 0.0:
        return order["price"]
    return order["stop_price"] if order["stop_price"] > 0.0 else last
