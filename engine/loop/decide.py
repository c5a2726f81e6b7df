"""Steps 4 and 5: from what a kernel asks for to orders."""

from __future__ import annotations

from engine.loop.ledger import reserve_price
from engine.loop.orders import (
    cancel_entries,
    cancel_lane,
    cancel_tagged,
    closable,
    compact,
    draft,
    expected_position,
    has_entry,
    has_exit,
    has_tagged,
)
from engine.loop.outputs import put_signal
from engine.loop.records import INTENT_CODE_MAX, Books, Out, Record
from engine.loop.risk import in_use, round_prices, submit
from engine.loop.rounding import dust
from events.rows import Code, OrderKind, Side, SignalKind, TimeInForce


def follow(books: Books, out: Out, intents: Record, lane_index: int, asked: int) -> bool:
    """Carry out `intents[0:asked]` of a lane in their order and clear them; False where one is no intent at all."""
    for at in range(asked):
        intent = intents[at]
        kind = intent["kind"]
        if not valid(intent):
            return False
        if kind == SignalKind.ENTER_LONG:
            enter(books, out, intent, lane_index, int(Side.BUY))
        elif kind == SignalKind.ENTER_SHORT:
            enter(books, out, intent, lane_index, int(Side.SELL))
        elif kind == SignalKind.EXIT:
            leave(books, out, intent, lane_index)
        elif kind == SignalKind.QUOTE:
            quote(books, out, intent, lane_index)
        elif has_tagged(books, lane_index, intent["tag"]):
            put_signal(books, out, lane_index, intent, int(Side.NONE), int(Code.STRATEGY_CANCEL))
            cancel_tagged(books, out, lane_index, intent["tag"])
            compact(books)
        forget(intent)
    return True


def valid(intent: Record) -> bool:
    """Whether the kernel wrote numbers that mean something."""
    if intent["kind"] < SignalKind.ENTER_LONG or intent["kind"] > SignalKind.CANCEL:
        return False
    if intent["kind"] == SignalKind.QUOTE and intent["side"] != Side.BUY and intent["side"] != Side.SELL:
        return False
    if intent["order_kind"] < 0 or intent["order_kind"] > OrderKind.TRAILING:
        return False
    return 0 <= intent["time_in_force"] <= TimeInForce.FOK and 0 <= intent["code"] <= INTENT_CODE_MAX


def enter(books: Books, out: Out, intent: Record, lane_index: int, side: int) -> None:
    """ENTER_LONG or ENTER_SHORT: nothing where the lane is or goes there already, unless a quantity is named.

    Entries of the other side are cancelled. A market entry against a position is one order of both sizes with code
    FLIP; where it is denied, and for entries of other kinds, the position is closed by an order of its own.
    """
    named = intent["quantity"] != 0.0
    if not named and (expected_position(books, lane_index) * side > 0.0 or has_entry(books, lane_index, side)):
        return
    put_signal(books, out, lane_index, intent, side, intent["code"] if intent["code"] != 0 else int(Code.ENTRY))
    cancel_entries(books, out, lane_index, -side, int(Code.REPLACED))
    compact(books)
    closing = max(-expected_position(books, lane_index) * side, 0.0)
    flips = closing > 0.0 and intent["order_kind"] <= OrderKind.MARKET
    if closing > 0.0 and not flips:
        close_out(books, out, lane_index, side, closing)
        closing = 0.0
    order = draft(books, lane_index, side, 0.0, int(Code.FLIP) if flips else int(Code.ENTRY))
    shape(books, order, intent, int(OrderKind.MARKET))
    order["quantity"] += closing
    carry(books, order, intent, closing)
    if not submit(books, out, order, closing) and flips:
        close_out(books, out, lane_index, side, closing)


def leave(books: Books, out: Out, intent: Record, lane_index: int) -> None:
    """EXIT: at the market it cancels all else that works for the lane and closes the position.

    With a quantity, or as another kind of order, it is one more order that only closes; without a quantity such an
    exit does nothing while one works.
    """
    _, lanes, _, _ = books
    named = intent["quantity"] != 0.0
    code = intent["code"] if intent["code"] != 0 else int(Code.SIGNAL_EXIT)
    if not named and intent["order_kind"] <= OrderKind.MARKET:
        leave_whole(books, out, intent, lane_index, code)
        return
    rest = expected_position(books, lane_index)
    if rest * lanes[lane_index]["position"] <= 0.0 or (not named and has_exit(books, lane_index)):
        return
    side = int(Side.SELL) if rest > 0.0 else int(Side.BUY)
    put_signal(books, out, lane_index, intent, side, code)
    order = draft(books, lane_index, side, abs(rest), code)
    shape(books, order, intent, int(OrderKind.MARKET))
    order["code"] = code
    order["reduces"] = 1
    if not named or order["quantity"] > abs(rest):
        order["quantity"] = abs(rest)
    submit(books, out, order, order["quantity"])


def leave_whole(books: Books, out: Out, intent: Record, lane_index: int, code: int) -> None:
    """A whole exit at the market; nothing where the lane is flat and nothing works for it."""
    if expected_position(books, lane_index) == 0.0 and not has_tagged(books, lane_index, 0):
        return
    position = books[1][lane_index]["position"]
    side = int(Side.NONE)
    if position != 0.0:
        side = int(Side.SELL) if position > 0.0 else int(Side.BUY)
    put_signal(books, out, lane_index, intent, side, code)
    cancel_lane(books, out, lane_index, code)
    compact(books)
    rest = expected_position(books, lane_index)
    if rest != 0.0:
        order = draft(books, lane_index, -1 if rest > 0.0 else 1, abs(rest), code)
        order["reduces"] = 1
        order["origin"] = int(SignalKind.EXIT)
        submit(books, out, order, abs(rest))


def close_out(books: Books, out: Out, lane_index: int, side: int, quantity: float) -> None:
    """Close a position before an entry against it."""
    order = draft(books, lane_index, side, quantity, int(Code.SIGNAL_EXIT))
    order["reduces"] = 1
    order["origin"] = int(SignalKind.EXIT)
    submit(books, out, order, quantity)


def quote(books: Books, out: Out, intent: Record, lane_index: int) -> None:
    """QUOTE: a resting order of the strategy's own. Where its side may not be opened it only closes."""
    side = int(intent["side"])
    code = intent["code"] if intent["code"] != 0 else int(Code.ENTRY)
    put_signal(books, out, lane_index, intent, side, code)
    order = draft(books, lane_index, side, 0.0, code)
    shape(books, order, intent, int(OrderKind.LIMIT))
    carry(books, order, intent, closable(books, lane_index, side))
    order["code"] = code
    submit_resting(books, out, order)


def submit_resting(books: Books, out: Out, order: Record) -> bool:
    """Submit an order that closes as far as there is a position, and opens beyond it."""
    lane = books[1][order["lane"]]
    closing = min(closable(books, order["lane"], order["side"]), max(order["quantity"], 0.0))
    allowed = lane["long_allowed"] if order["side"] > 0 else lane["short_allowed"]
    step = books[0][order["instrument"]]["quantity_step"]
    closes_only = allowed == 0 or books[3][0]["day_over"] != 0
    if closes_only and 0.0 < order["quantity"] <= closing + dust(step, closing):
        order["reduces"] = 1
    return submit(books, out, order, closing)


def shape(books: Books, order: Record, intent: Record, kind: int) -> None:
    """Kind, prices on the price step, size at them and mark of a draft as the intent names them, else of `kind`."""
    market = books[0][order["instrument"]]
    if intent["order_kind"] != 0:
        kind = intent["order_kind"]
    order["kind"] = kind
    order["time_in_force"] = intent["time_in_force"] if intent["time_in_force"] != 0 else int(TimeInForce.GTC)
    order["origin"] = intent["kind"]
    order["tag"] = intent["tag"]
    if kind == OrderKind.LIMIT or kind == OrderKind.STOP_LIMIT:
        order["price"] = intent["price"]
    if kind == OrderKind.STOP or kind == OrderKind.STOP_LIMIT:
        order["stop_price"] = intent["stop_price"]
    if kind == OrderKind.TRAILING:
        order["offset"] = intent["stop_price"]
        order["stop_price"] = market["last"] + intent["stop_price"] * order["side"]
    round_prices(books, order)
    if intent["quantity"] != 0.0:
        order["quantity"] = intent["quantity"]
    else:
        price = reserve_price(order, market["last"])
        order["quantity"] = entry_notional(books, order["lane"]) / price if price > 0.0 else 0.0


def carry(books: Books, order: Record, intent: Record, closing: float) -> None:
    """A size by risk comes as far as the buying power beside `closing`; where there is none it stays, and is denied."""
    account = books[3][0]
    if intent["quantity"] != 0.0 or account["leverage"] <= 0.0 or not by_risk(books, order["lane"]):
        return
    last = books[0][order["instrument"]]["last"]
    price = reserve_price(order, last)
    room = account["leverage"] * account["equity"] - in_use(books, closing * last)
    if room > 0.0 and price > 0.0:
        order["quantity"] = min(order["quantity"], closing + room / price)


def by_risk(books: Books, lane_index: int) -> bool:
    """Whether the size of an entry follows from its stop loss."""
    return bool(books[3][0]["risk_ratio"] > 0.0 and books[1][lane_index]["stop_loss_ratio"] > 0.0)


def entry_notional(books: Books, lane_index: int) -> float:
    """Size of an entry that names none: at its stop loss it loses the risked share of equity; else as the lane says."""
    lane = books[1][lane_index]
    account = books[3][0]
    if by_risk(books, lane_index):
        return max(account["equity"], 0.0) * account["risk_ratio"] / lane["stop_loss_ratio"]
    return lane["order_notional"]


def forget(intent: Record) -> None:
    """An unused intent."""
    intent["kind"] = 0
    intent["order_kind"] = 0
    intent["side"] = 0
    intent["time_in_force"] = 0
    intent["code"] = 0
    intent["price"] = 0.0
    intent["stop_price"] = 0.0
    intent["quantity"] = 0.0
    intent["strength"] = 0.0
    intent["tag"] = 0
