"""The daily loss limit: a UTC day of loop time whose equity fell to its floor is over; nothing opens until the next.

A day begins on its first row, with the equity of the row before. Without a limit there is one day without end.
"""

from __future__ import annotations

from engine.loop.ledger import reserve
from engine.loop.orders import at_market, compact, draft, end, expected_position, place
from engine.loop.records import Books, Out, Record
from events.rows import Code, OrderStatus, SignalKind

DAY_NS = 86_400_000_000_000


def begin_day(account: Record) -> None:
    """The floor of the day that loop time has come to."""
    account["day_end_ns"] = (account["loop_ns"] // DAY_NS + 1) * DAY_NS
    account["day_floor"] = (1.0 - account["daily_loss_ratio"]) * account["equity"]
    account["day_over"] = 0


def end_day(books: Books, out: Out) -> None:
    """Cancel every order that may open or add; what one at the market would close is closed by an order of its own.

    A resting order against a position, such as a stop under it, goes on: it only closes from now on.
    """
    _, lanes, working, accounts = books
    account = accounts[0]
    account["day_over"] = 1
    for at in range(account["working"]):
        order = working[at]
        if order["kind"] == 0 or order["reduces"] != 0:
            continue
        closes = at_market(order)
        if not closes and lanes[order["lane"]]["position"] * order["side"] < 0.0:
            order["reduces"] = 1
            reserve(books, order["lane"])
            continue
        end(books, out, order, OrderStatus.CANCELLED, int(Code.DAILY_LOSS_REACHED))
        if closes:
            close_part(books, out, order)
    compact(books)


def close_part(books: Books, out: Out, gone: Record) -> None:
    """The part of an order that would have closed a position goes on, at the market."""
    account = books[3][0]
    rest = expected_position(books, gone["lane"])
    quantity = min(-rest * gone["side"], gone["quantity"] - gone["filled"])
    if quantity <= 0.0 or account["working"] >= account["places"]:
        return
    order = draft(books, gone["lane"], gone["side"], quantity, int(Code.SIGNAL_EXIT))
    order["reduces"] = 1
    order["origin"] = int(SignalKind.EXIT)
    place(books, out, order)
