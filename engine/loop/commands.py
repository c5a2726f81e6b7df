"""What happens between two rows: orders by hand, cancels, halts, the venue's reports, the end of the session.

Effects are rows like others, with the ordinal of the next input and the loop time so far. One compiled module serves
every loop: nothing here depends on kernels.
"""

from __future__ import annotations

from enum import IntEnum

from engine.loop.advance import weigh
from engine.loop.decide import submit_resting
from engine.loop.fills import fee_of, settle, slipped
from engine.loop.ledger import book_fill
from engine.loop.market import opposite_quote
from engine.loop.orders import compact, draft, end, find, place
from engine.loop.outputs import book_tables, out_tables, put_mark, put_order
from engine.loop.records import Books, Out, Record
from events.rows import Code, OrderKind, OrderStatus


class CommandKind(IntEnum):
    """What a command row asks for."""

    SUBMIT = 1  # an order by hand
    CANCEL = 2  # one order
    CANCEL_ALL = 3
    HALT = 4  # no new entries of a lane, or go on
    CLOSE = 5  # end of data or stop
    VENUE_FILL = 6
    VENUE_REJECT = 7
    VENUE_CANCEL = 8
    VENUE_UNKNOWN = 9  # sent, outcome not known


# What `act` answers.
DONE = 0
UNCHANGED = 1
NO_ORDER = 2  # no working order has this number
DENIED = 3  # a denial row says why
TOO_MUCH = 4  # a venue reports more than is left of the order


def act(book_arrays: Books, out_arrays: Out, command: Record) -> int:
    """Carry out one command row (shape (1,)); the outputs are empty and large enough. Gives one of the above."""
    books = book_tables(book_arrays)
    out = out_tables(out_arrays)
    row = command[0]
    kind = row["kind"]
    if kind == CommandKind.SUBMIT:
        answer = submit_by_hand(books, out, row)
    elif kind == CommandKind.CANCEL_ALL:
        answer = cancel_all(books, out, int(Code.MANUAL))
    elif kind == CommandKind.HALT:
        answer = halt(books, out, row)
    elif kind == CommandKind.CLOSE:
        answer = close(books, out, row["flag"])
    else:
        answer = about_order(books, out, row)
    compact(books)
    weigh(books[3][0])
    return answer


def submit_by_hand(books: Books, out: Out, row: Record) -> int:
    """An order by hand may fill on the very next row: no row placed it."""
    market = books[0][books[1][row["lane"]]["instrument"]]
    order = draft(books, row["lane"], row["side"], row["quantity"], int(Code.MANUAL))
    order["kind"] = row["order_kind"]
    order["time_in_force"] = row["time_in_force"]
    order["input"] -= 1
    order["price"] = row["price"]
    order["stop_price"] = row["stop_price"]
    if order["kind"] == OrderKind.TRAILING:
        order["offset"] = row["stop_price"]
        order["stop_price"] = market["last"] + row["stop_price"] * row["side"]
    return DONE if submit_resting(books, out, order) else DENIED


def cancel_all(books: Books, out: Out, code: int) -> int:
    """Cancel every working order of the session."""
    _, _, working, accounts = books
    count = accounts[0]["working"]
    for at in range(count):
        end(books, out, working[at], OrderStatus.CANCELLED, code)
    return DONE if count > 0 else UNCHANGED


def halt(books: Books, out: Out, row: Record) -> int:
    """Halt a lane, its entries and quotes cancelled, or let it go on."""
    _, lanes, working, accounts = books
    lane = lanes[row["lane"]]
    if lane["halted"] == row["flag"]:
        return UNCHANGED
    lane["halted"] = row["flag"]
    for at in range(accounts[0]["working"]):
        order = working[at]
        if row["flag"] == 1 and order["lane"] == row["lane"] and order["reduces"] == 0 and order["origin"] != 0:
            end(books, out, order, OrderStatus.CANCELLED, int(Code.HALTED))
    return DONE


def close(books: Books, out: Out, flatten: int) -> int:
    """End of the session: all orders cancelled, with `flatten` positions closed at once, and a last mark.

    Without that mark results would end up to one `equity_interval` early. There is none before the first row.
    """
    account = books[3][0]
    cancel_all(books, out, int(Code.SESSION_END))
    compact(books)
    if flatten != 0:
        close_positions(books, out)
    if account["input"] > 0:
        put_mark(books, out)
    return DONE


def close_positions(books: Books, out: Out) -> None:
    """Every position filled as taker without limit of quantity: at the opposite quote, else the last price, slipped."""
    instruments, lanes, _, accounts = books
    for lane_index in range(accounts[0]["lanes"]):
        position = lanes[lane_index]["position"]
        market = instruments[lanes[lane_index]["instrument"]]
        if position == 0.0:
            continue
        order = draft(books, lane_index, -1 if position > 0.0 else 1, abs(position), int(Code.SESSION_END))
        order["reduces"] = 1
        place(books, out, order)
        if accounts[0]["simulated"] == 1:
            quote = opposite_quote(market, order["side"])
            price = slipped(books, order, quote if quote > 0.0 else market["last"])
            fee = fee_of(accounts[0], market, (price, order["quantity"], 0))
            book_fill(books, out, order, (price, order["quantity"], fee, 0))
            settle(books, out, order)
            compact(books)


def about_order(books: Books, out: Out, row: Record) -> int:
    """A cancel, or what the venue says of one order."""
    at = find(books, row["order"])
    if at < 0:
        return NO_ORDER
    order = books[2][at]
    kind = row["kind"]
    if kind == CommandKind.CANCEL:
        end(books, out, order, OrderStatus.CANCELLED, int(Code.MANUAL))
    elif kind == CommandKind.VENUE_FILL:
        return venue_fill(books, out, row, order)
    elif kind == CommandKind.VENUE_REJECT:
        end(books, out, order, OrderStatus.REJECTED, order["code"])
    elif kind == CommandKind.VENUE_CANCEL:
        end(books, out, order, OrderStatus.CANCELLED, order["code"])
    else:
        put_order(books, out, order, OrderStatus.UNKNOWN, order["code"])
    return DONE


def venue_fill(books: Books, out: Out, row: Record, order: Record) -> int:
    """An execution at the venue: its price, quantity and fee are facts."""
    rest = order["quantity"] - order["filled"]
    if row["quantity"] > rest * (1.0 + 1e-9):
        return TOO_MUCH
    book_fill(books, out, order, (row["price"], row["quantity"], row["fee"], int(row["flag"])))
    settle(books, out, order)
    return DONE
