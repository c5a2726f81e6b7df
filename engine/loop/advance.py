"""The loop itself: row by row, and for each row lane by lane in the session's order.

`advance` is the template of every generated loop. `call_kernel` stands here for the one function that is written anew
for each set of kernels.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.loop.day import begin_day, end_day
from engine.loop.decide import follow
from engine.loop.exits import protect
from engine.loop.fills import match
from engine.loop.market import FILLS, PRICED, SHOWN, open_room, see
from engine.loop.outputs import COUNTS, TOTAL, book_tables, out_tables, put_mark, row_fits
from engine.loop.records import INTENTS_MAX, INTENTS_OVER, INTENTS_WRONG, Books, Out, Record

NO_INDEX = -1  # of an instrument that the session has not


def call_kernel(row: Record, market: Record, lane: Record, intents: Record, memory: Any) -> int:
    """Call the kernel of a lane on its own state and params, `memory[2k][slot]` and `memory[2k + 1][slot]`."""
    raise NotImplementedError("the generated module has its own")


def advance(rows: Record, lookup: Record, book_arrays: Books, out_arrays: Out, intents: Record, memory: Any) -> int:
    """Read rows until they end or an output could overflow on the next; give how many were read.

    `lookup`: int32, catalogue number -> index of the session's instrument, -1: not in the session; such rows are
    skipped and have no ordinal. A kernel that fails sets `failed` in the account; its row is not counted as read.
    """
    books = book_tables(book_arrays)
    out = out_tables(out_arrays)
    account = books[3][0]
    if account["failed"] != 0:
        return 0
    received = account["designated"] == 1
    known = np.uint32(len(lookup))
    number = NO_INDEX
    index = NO_INDEX
    fits = row_fits(books, out)
    total = out[COUNTS][TOTAL]
    for at in range(len(rows)):
        row = rows[at]
        if row["instrument"] != number:
            number = row["instrument"]
            index = lookup[number] if np.uint32(number) < known else NO_INDEX
        if index < 0:
            continue
        if not fits:
            return at
        stamp_ns = row["ts_received_ns"] if received else row["ts_event_ns"]
        account["loop_ns"] = max(account["loop_ns"], stamp_ns)
        if account["loop_ns"] >= account["day_end_ns"]:
            begin_day(account)
        if not step(books, out, row, index, intents, memory):
            return at
        if out[COUNTS][TOTAL] != total:
            total = out[COUNTS][TOTAL]
            fits = row_fits(books, out)
    return len(rows)


def step(books: Books, out: Out, row: Record, index: int, intents: Record, memory: Any) -> bool:
    """Steps 1 to 6 for one row; False where a kernel failed."""
    instruments, lanes, _, accounts = books
    account = accounts[0]
    market = instruments[index]
    said = see(market, row, account)
    if market["working"] > 0 and said & FILLS != 0 and account["simulated"] == 1:
        open_room(market, row, account)
        match(books, out, row, index, said)
    lane_index = market["lane_first"]
    while lane_index >= 0:
        lane = lanes[lane_index]
        if said & PRICED != 0 and not lane["calm_low"] < market["last"] < lane["calm_high"]:
            protect(books, out, row, lane_index)
        if said & SHOWN != 0 and (lane["kinds"] >> row["kind"]) & 1 != 0:
            asked = call_kernel(row, market, lane, intents, memory)
            if asked != 0 and not carry_out(books, out, intents, lane_index, asked):
                return False
        lane_index = lane["next"]
    close_row(books, out)
    return True


def carry_out(books: Books, out: Out, intents: Record, lane_index: int, asked: int) -> bool:
    """Follow a kernel's intents; False where the kernel failed."""
    account = books[3][0]
    code = asked
    if asked > INTENTS_MAX:
        code = INTENTS_OVER
    elif asked > 0:
        if follow(books, out, intents, lane_index, asked):
            return True
        code = INTENTS_WRONG
    account["failed"] = code
    account["failed_lane"] = lane_index
    return False


def close_row(books: Books, out: Out) -> None:
    """Equity at this row, and a mark where loop time crossed an interval."""
    account = books[3][0]
    weigh(account)
    if account["equity"] <= account["day_floor"] and account["day_over"] == 0:
        end_day(books, out)
    if account["loop_ns"] >= account["mark_ns"]:
        interval_ns = account["equity_interval_ns"]
        account["mark_ns"] = (account["loop_ns"] // interval_ns + 1) * interval_ns
        put_mark(books, out)
    account["input"] += 1


def weigh(account: Record) -> None:
    """Equity, its peak and its greatest fall."""
    equity = account["cash"] + account["holdings"]
    account["equity"] = equity
    peak = account["equity_peak"]
    if equity > peak:
        account["equity_peak"] = equity
    elif peak - equity > account["drawdown_ratio"] * peak:
        account["drawdown_ratio"] = (peak - equity) / peak if peak > 0.0 else 0.0
