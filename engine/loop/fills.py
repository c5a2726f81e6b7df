"""Step 2: the session's working orders against a row. The table of rules is in `docs/decision-loop.md`.

Orders are tried in order-number order; what one takes of the row is gone for the next.
"""

from __future__ import annotations

import math

from engine.loop.chance import SLIPPAGE, chance
from engine.loop.ledger import book_fill, reserve
from engine.loop.market import PRICED, opposite_quote, take_room, taker_price
from engine.loop.orders import at_market, compact, end, prune
from engine.loop.outputs import put_order
from engine.loop.records import Books, Out, Record
from engine.loop.rounding import ceil_step, dust, floor_step
from events.rows import BAR_BITS, Code, MarketFlag, MarketKind, OrderKind, OrderStatus, Side, TimeInForce


def match(books: Books, out: Out, row: Record, index: int, said: int) -> None:
    """All working orders of an instrument against its row; `said` is what `see` gave."""
    _, _, working, accounts = books
    account = accounts[0]
    for at in range(account["working"]):
        order = working[at]
        if order["instrument"] != index or order["kind"] == 0:
            continue
        if order["input"] >= account["input"] or order["active_ns"] > account["loop_ns"]:
            continue
        try_order(books, out, row, order, said)
    compact(books)


def try_order(books: Books, out: Out, row: Record, order: Record, said: int) -> None:
    """One order against the row."""
    market = books[0][order["instrument"]]
    stop_price = 0.0
    if order["triggered"] == 0 and order["kind"] >= OrderKind.STOP:
        if said & PRICED == 0 or not triggers(market, order):
            return
        order["triggered"] = 1
        stop_price = order["stop_price"]
        put_order(books, out, order, OrderStatus.TRIGGERED, order["code"])
    price = taker_price(market, row, order["side"])
    if stop_price > 0.0:
        price = stopped_price(market, row, price, order["side"], stop_price)
    if at_market(order):
        if price > 0.0:
            execute(books, out, row, order, (slipped(books, order, price), math.inf, 0))
            order["seen"] = 1
        return
    try_limit(books, out, row, order, price)


def triggers(market: Record, order: Record) -> bool:
    """Whether the last price reached the stop; a trailing stop first follows the price."""
    last = market["last"]
    side = order["side"]
    if order["kind"] == OrderKind.TRAILING:
        stop = last + order["offset"] * side
        if order["stop_price"] == 0.0 or (order["stop_price"] - stop) * side > 0.0:
            order["stop_price"] = stop
    return (last - order["stop_price"]) * side >= 0.0


def stopped_price(market: Record, row: Record, price: float, side: int, stop_price: float) -> float:
    """What a stop gets on the row that triggers it: the row's price or the opposite quote, whichever is worse.

    Within a bar the price passed through the stop: the stop price, unless it was beyond already (the bar's open).
    """
    last = market["last"]
    if row["flags"] & BAR_BITS != 0:
        if row["flags"] & MarketFlag.BAR_OPEN == 0 and (market["previous"] - stop_price) * side < 0.0:
            return stop_price
        return last
    if price == 0.0:
        return last
    return max(price, last) if side > 0 else min(price, last)


def slipped(books: Books, order: Record, price: float) -> float:
    """A taker's price after half the spread, where no quote has it, and slippage: against the order, to its step."""
    account = books[3][0]
    market = books[0][order["instrument"]]
    ratio = account["slippage_ratio"]
    away = account["slippage"]
    if account["slippage_jitter_ratio"] > 0.0:
        ratio += account["slippage_jitter_ratio"] * chance(account["seed"], order["order"], SLIPPAGE)
    if account["half_spread"] > 0.0 and opposite_quote(market, order["side"]) == 0.0:
        away += account["half_spread"]
    if ratio == 0.0 and away == 0.0:
        return price
    step = market["price_step"]
    if order["side"] == Side.BUY:
        return ceil_step(price * (1.0 + ratio) + away, step)
    worse = floor_step(price * (1.0 - ratio) - away, step)
    return worse if worse > 0.0 else price * (1.0 - ratio)


def try_limit(books: Books, out: Out, row: Record, order: Record, price: float) -> None:
    """A limit order: on its first chance as a taker where it can, then at rest as a maker."""
    if order["seen"] == 0:
        order["seen"] = 1
        if crosses(books, row, order, price):
            side = order["side"]
            worst = slipped(books, order, price)
            bounded = min(worst, order["price"]) if side > 0 else max(worst, order["price"])
            execute(books, out, row, order, (bounded, math.inf, 0))
            return
        if order["time_in_force"] != TimeInForce.GTC:
            give_up(books, out, order)
            return
    rest(books, out, row, order)


def crosses(books: Books, row: Record, order: Record, price: float) -> bool:
    """Whether an arriving limit order takes: its limit reaches the opposite quote, or is better than the trade."""
    if price == 0.0:
        return False
    beyond = (order["price"] - price) * order["side"]
    known = opposite_quote(books[0][order["instrument"]], order["side"]) > 0.0
    if row["flags"] & BAR_BITS != 0 or not known:
        return beyond > 0.0
    return beyond >= 0.0


def rest(books: Books, out: Out, row: Record, order: Record) -> None:
    """A resting limit order: traded or quoted through fills at the limit, a trade at the limit uses up the queue."""
    limit = order["price"]
    side = order["side"]
    kind = row["kind"]
    if kind != MarketKind.TRADE:
        market = books[0][order["instrument"]]
        opposite = kind == MarketKind.ASK if side > 0 else kind == MarketKind.BID
        quote = market["ask"] if kind == MarketKind.ASK else market["bid"]
        if quote == 0.0:
            return
        if opposite:
            if (limit - quote) * side >= 0.0:
                execute(books, out, row, order, (limit, math.inf, 1))
        else:
            see_queue(books, order, quote)
    elif (limit - row["price"]) * side > 0.0:
        execute(books, out, row, order, (limit, math.inf, 1))
    elif limit == row["price"] and row["side"] != side:
        use_queue(books, out, row, order)


def see_queue(books: Books, order: Record, best: float) -> None:
    """What the best quote of the order's own side says about the queue before it."""
    account = books[3][0]
    market = books[0][order["instrument"]]
    if best == order["price"]:
        shown = market["bid_quantity"] if order["side"] > 0 else market["ask_quantity"]
        order["queue_ahead"] = min(order["queue_ahead"], shown * account["queue_ratio"])
    elif (order["price"] - best) * order["side"] > 0.0:
        order["queue_ahead"] = 0.0  # the level before us is gone


def use_queue(books: Books, out: Out, row: Record, order: Record) -> None:
    """A trade at the limit price: first those before us, then us, with what is left of it."""
    ahead = order["queue_ahead"]
    if ahead == 0.0:
        execute(books, out, row, order, (order["price"], math.inf, 1))
    elif row["flags"] & MarketFlag.NO_QUANTITY == 0 and ahead != math.inf:
        order["queue_ahead"] = max(ahead - row["quantity"], 0.0)
        if row["quantity"] > ahead:
            execute(books, out, row, order, (order["price"], row["quantity"] - ahead, 1))


def fee_of(account: Record, market: Record, fill: tuple[float, float, int]) -> float:
    """What a fill of (price, quantity, maker) costs: a share of its value, and the commission of its quantity."""
    price, quantity, maker = fill
    ratio = market["maker_fee_ratio"] if maker == 1 else market["taker_fee_ratio"]
    return ratio * price * quantity + account["commission"] * quantity


def execute(books: Books, out: Out, row: Record, order: Record, offer: tuple[float, float, int]) -> None:
    """Fill what the row has room for; end the order where it is done, or may not wait.

    `offer` is (price, quantity at most, maker).
    """
    instruments, lanes, _, accounts = books
    account = accounts[0]
    market = instruments[order["instrument"]]
    lane_index = order["lane"]
    want = order["quantity"] - order["filled"]
    if order["reduces"] != 0:
        want = min(want, max(-lanes[lane_index]["position"] * order["side"], 0.0))
    if want <= 0.0:
        end(books, out, order, OrderStatus.CANCELLED, Code.NO_POSITION)
        return
    price, most, maker = offer
    room = min(account["room_buy"] if order["side"] > 0 else account["room_sell"], most)
    quantity = want if room >= want else floor_step(room, market["quantity_step"])
    if order["time_in_force"] == TimeInForce.FOK and quantity < want:
        quantity = 0.0
    if quantity > 0.0:
        take_room(row, account, order["side"], quantity)
        book_fill(books, out, order, (price, quantity, fee_of(account, market, (price, quantity, maker)), maker))
        settle(books, out, order)
    if order["kind"] != 0 and order["time_in_force"] != TimeInForce.GTC:
        give_up(books, out, order)


def settle(books: Books, out: Out, order: Record) -> None:
    """After a fill: end the order where nothing is left of it, and what lost its position to reduce."""
    lane_index = order["lane"]
    step = books[0][order["instrument"]]["quantity_step"]
    if order["quantity"] - order["filled"] < dust(step, order["quantity"]):
        order["filled"] = order["quantity"]
        end(books, out, order, OrderStatus.FILLED, order["code"])
    else:
        reserve(books, lane_index)
    prune(books, out, lane_index)


def give_up(books: Books, out: Out, order: Record) -> None:
    """The rest of an order that may not wait."""
    fok = order["time_in_force"] == TimeInForce.FOK
    end(books, out, order, OrderStatus.EXPIRED, Code.FOK_UNFILLED if fok else Code.IOC_REMAINDER)
