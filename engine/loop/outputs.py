"""Step 6: rows into the preallocated outputs. `out` is (signals, orders, fills, denials, marks, counts)."""

from __future__ import annotations

import math

from engine.loop.records import INTENTS_MAX, Books, Out, Record
from engine.loop.table_mark import table
from events.rows import Side

# Places in `out`, and in its counts: rows that wait to be drained, per kind and in all; from ROOM on the lengths.
SIGNALS = 0
ORDERS = 1
FILLS = 2
DENIALS = 3
MARKS = 4
COUNTS = 5
TOTAL = 5
ROOM = 6
COUNTS_SIZE = 11


def book_tables(arrays: Books) -> Books:
    """The books as tables."""
    return (table(arrays[0]), table(arrays[1]), table(arrays[2]), table(arrays[3]))


def out_tables(arrays: Out) -> Out:
    """The outputs as tables."""
    return (table(arrays[0]), table(arrays[1]), table(arrays[2]), table(arrays[3]), table(arrays[4]), table(arrays[5]))


def claim(out: Out, kind: int) -> int:
    """The next free place of one kind."""
    counts = out[COUNTS]
    place = counts[kind]
    counts[kind] = place + 1
    counts[TOTAL] += 1
    return place


def row_fits(books: Books, out: Out) -> bool:
    """Whether the outputs can take all that one more row could cause.

    Each working order can be triggered, filled and ended, and ordered anew as far as it closes; each lane of one
    instrument can exit once and ask for INTENTS_MAX things, each of at most two orders that may end on the same row.
    """
    account = books[3][0]
    counts = out[COUNTS]
    working = account["working"]
    lanes = account["chain_most"]
    asked = lanes * INTENTS_MAX
    return (
        counts[SIGNALS] + asked <= counts[ROOM + SIGNALS]
        and counts[ORDERS] + 3 * working + 3 * lanes + 4 * asked <= counts[ROOM + ORDERS]
        and counts[FILLS] + working + lanes <= counts[ROOM + FILLS]
        and counts[DENIALS] + 2 * asked <= counts[ROOM + DENIALS]
        and counts[MARKS] + working + lanes + 1 <= counts[ROOM + MARKS]
    )


def finite(value: float) -> float:
    """The value, 0 where it is no finite number: rows hold none."""
    return value if -math.inf < value < math.inf else 0.0


def put_signal(books: Books, out: Out, lane_index: int, intent: Record, side: int, code: int) -> None:
    """What a strategy said."""
    instruments, lanes, _, accounts = books
    account = accounts[0]
    instrument = lanes[lane_index]["instrument"]
    row = out[SIGNALS][claim(out, SIGNALS)]
    row["input"] = account["input"]
    row["ts_event_ns"] = account["loop_ns"]
    row["price"] = instruments[instrument]["last"]
    row["strength"] = finite(intent["strength"])
    row["lane"] = lane_index
    row["instrument"] = instruments[instrument]["number"]
    row["kind"] = intent["kind"]
    row["side"] = side
    row["code"] = code
    account["signals"] += 1


def put_order(books: Books, out: Out, order: Record, status: int, code: int) -> None:
    """One step of an order's life."""
    account = books[3][0]
    row = out[ORDERS][claim(out, ORDERS)]
    row["input"] = account["input"]
    row["ts_event_ns"] = account["loop_ns"]
    row["order"] = order["order"]
    row["price"] = order["price"]
    row["stop_price"] = order["offset"] if order["offset"] != 0.0 else order["stop_price"]
    row["quantity"] = order["quantity"]
    row["filled"] = order["filled"]
    row["lane"] = order["lane"]
    row["instrument"] = books[0][order["instrument"]]["number"]
    row["kind"] = order["kind"]
    row["side"] = order["side"]
    row["status"] = status
    row["time_in_force"] = order["time_in_force"]
    row["code"] = code
    row["active_ns"] = order["active_ns"]
    account["orders"] += 1


def put_denial(books: Books, out: Out, order: Record, code: int, limit: float) -> None:
    """An order that our risk check refused; `order` is its draft."""
    account = books[3][0]
    market = books[0][order["instrument"]]
    row = out[DENIALS][claim(out, DENIALS)]
    row["input"] = account["input"]
    row["ts_event_ns"] = account["loop_ns"]
    row["price"] = finite(order["price"]) if finite(order["price"]) != 0.0 else market["last"]
    row["quantity"] = finite(order["quantity"])
    row["limit"] = finite(limit)
    row["lane"] = order["lane"]
    row["instrument"] = market["number"]
    row["side"] = order["side"] if order["side"] != 0 else Side.NONE
    row["kind"] = order["kind"]
    row["code"] = code
    account["denials"] += 1


def put_fill(
    books: Books, out: Out, order: Record, execution: tuple[float, float, float, int], realized: float
) -> None:
    """One execution, after the account took it. `execution` is (price, quantity, fee, maker)."""
    account = books[3][0]
    row = out[FILLS][claim(out, FILLS)]
    row["input"] = account["input"]
    row["ts_event_ns"] = account["loop_ns"]
    row["order"] = order["order"]
    row["price"] = execution[0]
    row["quantity"] = execution[1]
    row["fee"] = execution[2]
    row["realized"] = realized
    row["position"] = books[1][order["lane"]]["position"]
    row["cash"] = account["cash"]
    row["lane"] = order["lane"]
    row["instrument"] = books[0][order["instrument"]]["number"]
    row["side"] = order["side"]
    row["maker"] = execution[3]
    row["code"] = order["code"]
    account["fills"] += 1


def put_mark(books: Books, out: Out) -> None:
    """The account's worth, every sum made anew."""
    instruments, lanes, _, accounts = books
    account = accounts[0]
    exposure = 0.0
    unrealized = 0.0
    for index in range(account["lanes"]):
        lane = lanes[index]
        if lane["position"] != 0.0:
            last = instruments[lane["instrument"]]["last"]
            exposure += abs(lane["position"]) * last
            unrealized += lane["position"] * (last - lane["entry_price"])
    holdings = 0.0
    for index in range(account["instruments"]):
        holdings += instruments[index]["position"] * instruments[index]["last"]
    account["holdings"] = holdings
    row = out[MARKS][claim(out, MARKS)]
    row["input"] = account["input"]
    row["ts_event_ns"] = account["loop_ns"]
    row["cash"] = account["cash"]
    row["equity"] = account["cash"] + holdings
    row["exposure"] = exposure
    row["realized"] = account["realized"]
    row["unrealized"] = unrealized
    row["fees"] = account["fees"]
    account["marks"] += 1
