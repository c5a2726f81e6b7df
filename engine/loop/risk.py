"""Step 5: budget. An order is placed, or denied with a code and the limit it met. Reductions meet no cap."""

from __future__ import annotations

import math

from engine.loop.ledger import lane_exposure, reserve_price
from engine.loop.orders import clear, place
from engine.loop.outputs import put_denial
from engine.loop.records import Books, Out, Record
from engine.loop.rounding import dust, floor_step, nearest_step
from events.rows import Code, OrderKind, Side

ROUND = 1e-9  # share of a notional that is none: sizes by risk come as far as the limit
EXITS_KEPT = 2  # places of the working list kept free for the exits of each lane


def submit(books: Books, out: Out, order: Record, closing: float) -> bool:
    """Place the draft, or write its denial. `closing` is the part of it that closes a position of the lane."""
    round_order(books, order)
    code, limit = judge(books, order, closing)
    if code == Code.NONE:
        place(books, out, order)
        return True
    put_denial(books, out, order, code, limit)
    clear(order)
    return False


def round_order(books: Books, order: Record) -> None:
    """Prices to the nearest price step; a quantity down to the quantity step unless it only closes."""
    round_prices(books, order)
    if numbers(order) and order["reduces"] == 0:
        order["quantity"] = floor_step(order["quantity"], books[0][order["instrument"]]["quantity_step"])


def round_prices(books: Books, order: Record) -> None:
    """Prices to the nearest price step; those of an entry before it is sized, as it is sized at what it may fill at."""
    if numbers(order):
        step = books[0][order["instrument"]]["price_step"]
        order["price"] = nearest_step(order["price"], step)
        order["stop_price"] = nearest_step(order["stop_price"], step)


def numbers(order: Record) -> bool:
    """Whether every number of the draft is finite."""
    return (
        abs(order["price"]) < math.inf
        and abs(order["stop_price"]) < math.inf
        and abs(order["offset"]) < math.inf
        and abs(order["quantity"]) < math.inf
    )


def judge(books: Books, order: Record, closing: float) -> tuple[int, float]:
    """Code of the first check that fails and its limit; Code.NONE where none does."""
    account = books[3][0]
    market = books[0][order["instrument"]]
    code = int(Code.NONE)
    limit = 0.0
    if not numbers(order):
        code = int(Code.NOT_A_NUMBER)
    elif market["last"] <= 0.0 or not has_prices(order):
        code = int(Code.NO_PRICE)
    elif order["quantity"] <= 0.0:
        code = int(Code.BELOW_MINIMUM)
        limit = market["quantity_step"]
    elif account["working"] >= account["places"]:
        code = int(Code.ORDERS_LIMIT)
        limit = float(account["places"])
    elif order["reduces"] == 0:
        return judge_entry(books, order, closing)
    return code, limit


def has_prices(order: Record) -> bool:
    """Whether the prices that its kind needs are there."""
    kind = order["kind"]
    if (kind == OrderKind.LIMIT or kind == OrderKind.STOP_LIMIT) and order["price"] <= 0.0:
        return False
    if (kind == OrderKind.STOP or kind == OrderKind.STOP_LIMIT) and order["stop_price"] <= 0.0:
        return False
    return kind != OrderKind.TRAILING or order["offset"] > 0.0


def judge_entry(books: Books, order: Record, closing: float) -> tuple[int, float]:
    """The checks of what may add to a position."""
    instruments, lanes, _, accounts = books
    market = instruments[order["instrument"]]
    lane = lanes[order["lane"]]
    notional = order["quantity"] * reserve_price(order, market["last"])
    places = accounts[0]["places"] - EXITS_KEPT * accounts[0]["lanes"]
    allowed = lane["long_allowed"] if order["side"] == Side.BUY else lane["short_allowed"]
    opens = order["quantity"] > closing + dust(market["quantity_step"], closing)
    code = int(Code.NONE)
    limit = 0.0
    if lane["halted"] != 0:
        code = int(Code.HALTED)
    elif accounts[0]["day_over"] != 0 and opens:
        code = int(Code.DAILY_LOSS_REACHED)
        limit = accounts[0]["day_floor"]
    elif allowed == 0 and opens:
        code = int(Code.DIRECTION_NOT_ALLOWED)
    elif notional < market["notional_min"]:
        code = int(Code.BELOW_MINIMUM)
        limit = market["notional_min"]
    elif accounts[0]["working"] >= places:
        code = int(Code.ORDERS_LIMIT)
        limit = float(places)
    else:
        return judge_caps(books, order, closing)
    return code, limit


def judge_caps(books: Books, order: Record, closing: float) -> tuple[int, float]:
    """Position, allocation, global cap and buying power, in quote notional with all working orders filled."""
    instruments, lanes, _, accounts = books
    lane = lanes[order["lane"]]
    account = accounts[0]
    last = instruments[order["instrument"]]["last"]
    freed = closing * last
    added = (order["quantity"] - closing) * reserve_price(order, last)
    in_lane = abs(lane["position"]) * last + lane["reserved"] - freed + added
    if in_lane > lane["position_max"]:
        return int(Code.MAX_POSITION_EXCEEDED), lane["position_max"]
    if account["position_risk_ratio"] > 0.0:
        most = risked_notional(account, lane)
        if in_lane > most * (1.0 + ROUND):
            return int(Code.MAX_POSITION_EXCEEDED), most
    if in_lane > lane["allocation"]:
        return int(Code.ALLOCATION_EXCEEDED), lane["allocation"]
    used = in_use(books, freed) + added
    if used > account["global_cap"]:
        return int(Code.BUDGET_EXCEEDED), account["global_cap"]
    margin = account["leverage"] * account["equity"]
    if account["leverage"] > 0.0 and used > margin + abs(margin) * ROUND:
        return int(Code.MARGIN_EXCEEDED), margin
    return int(Code.NONE), 0.0


def in_use(books: Books, freed: float) -> float:
    """Quote notional of all positions and of what works, without what an order frees."""
    return lane_exposure(books) + float(books[3][0]["reserved"]) - freed


def risked_notional(account: Record, lane: Record) -> float:
    """The notional that loses `position_risk_ratio` of the equity at the lane's stop loss; all of it without one."""
    stop = lane["stop_loss_ratio"] if lane["stop_loss_ratio"] > 0.0 else 1.0
    return max(account["equity"], 0.0) * account["position_risk_ratio"] / stop
