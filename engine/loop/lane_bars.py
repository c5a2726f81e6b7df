"""Bars that the loop makes for lanes with an interval: their kernels are called with closed bars and nothing else.

A bar is made of the instrument's trades, or of shorter bars; its interval counts from the UTC epoch. Time is the row's
designated one, of a bar's rows the event time. A bar closes with the first row of the instrument at or beyond its end,
whatever the row; out of shorter bars with the close row of the last of them, and all four rows of a bar belong where
it opened. A trade that comes late belongs to the bar of now, and never to one that has closed: an interval has one bar
at most, and without a trade none.

What the kernel gets is the row that `engine.loop.bars` makes of a bar's close, a quarter of the volume with it, and in
the market record the prices of that bar: bars of the lane's own interval decide as without one. Everything else, fills,
exits and marks, goes by the rows as they are. Only loops with such a lane hold this code.
"""

from __future__ import annotations

from typing import Any

from engine.loop.advance import call_kernel, carry_out, close_row
from engine.loop.exits import protect
from engine.loop.fills import match
from engine.loop.market import FILLS, PRICED, SHOWN, open_room, see
from engine.loop.records import Books, Out, Record
from events.rows import BAR_BITS, MarketFlag, MarketKind

INNER = int(MarketFlag.BAR_NEAR | MarketFlag.BAR_FAR | MarketFlag.BAR_CLOSE)  # rows of a bar behind its open


def step_with_bars(books: Books, out: Out, row: Record, index: int, intents: Record, memory: Any) -> bool:
    """`engine.loop.advance.step` in a session with intervals; the lanes' bars are the last of `memory`."""
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
        shown = row
        bar = memory[-1][lane_index]
        if bar["interval_ns"] > 0:
            calls = bar_closes(bar, row, said, account["designated"] == 1)
            shown = bar["row"]
            swap_prices(market, bar, calls)
        else:
            calls = said & SHOWN != 0 and (lane["kinds"] >> row["kind"]) & 1 != 0
        if calls:
            asked = call_kernel(shown, market, lane, intents, memory)
            swap_prices(market, bar, bar["interval_ns"] > 0)
            if asked != 0 and not carry_out(books, out, intents, lane_index, asked):
                return False
        lane_index = lane["next"]
    close_row(books, out)
    return True


def bar_closes(bar: Record, row: Record, said: int, received: bool) -> bool:
    """Take a row into a lane's bar; whether one has closed with it, which `bar["row"]` and its prices then are."""
    is_trade = row["kind"] == MarketKind.TRADE
    bits = row["flags"] & BAR_BITS if is_trade else 0
    time_ns = row["ts_received_ns"] if received and bits == 0 else row["ts_event_ns"]
    closes = False
    if bar["open"] > 0.0 and bits & INNER == 0 and time_ns >= bar["end_ns"]:
        put_close(bar, row, bar["end_ns"] - 1)
        closes = True
    if is_trade and said & PRICED != 0:
        take(bar, row, bits, time_ns)
        if bits & MarketFlag.BAR_CLOSE != 0 and time_ns + 1 >= bar["end_ns"]:
            put_close(bar, row, time_ns)
            closes = True
    return closes


def take(bar: Record, row: Record, bits: int, time_ns: int) -> None:
    """One more price, and a quarter of its quantity; a shorter bar's with its close row."""
    price = row["price"]
    if bar["open"] == 0.0:
        bar["end_ns"] = (max(time_ns, bar["end_ns"]) // bar["interval_ns"] + 1) * bar["interval_ns"]
        bar["open"] = price
        bar["high"] = price
        bar["low"] = price
    bar["high"] = max(bar["high"], price)
    bar["low"] = min(bar["low"], price)
    bar["close"] = price
    if bits == 0:
        bar["quantity"] += row["quantity"] * 0.25
    elif bits & MarketFlag.BAR_CLOSE != 0:
        bar["quantity"] += row["quantity"]


def put_close(bar: Record, row: Record, time_ns: int) -> None:
    """The bar's close row; `row` is the one it closes with. Behind it no bar has begun."""
    made = bar["row"]
    made["ts_event_ns"] = time_ns
    made["ts_received_ns"] = row["ts_received_ns"]
    made["price"] = bar["close"]
    made["quantity"] = bar["quantity"]
    made["instrument"] = row["instrument"]
    made["kind"] = MarketKind.TRADE
    made["flags"] = MarketFlag.BAR_CLOSE
    if bar["quantity"] == 0.0 and bar["high"] != bar["low"]:
        made["flags"] = MarketFlag.BAR_CLOSE | MarketFlag.NO_QUANTITY
    bar["closed_open"] = bar["open"]
    bar["closed_high"] = bar["high"]
    bar["closed_low"] = bar["low"]
    bar["open"] = 0.0
    bar["quantity"] = 0.0


def swap_prices(market: Record, bar: Record, swaps: bool) -> None:
    """Exchange the market's bar prices with those of the lane's bar: before its kernel is called, and back."""
    if swaps:
        opened = bar["closed_open"]
        high = bar["closed_high"]
        low = bar["closed_low"]
        bar["closed_open"] = market["bar_open"]
        bar["closed_high"] = market["bar_high"]
        bar["closed_low"] = market["bar_low"]
        market["bar_open"] = opened
        market["bar_high"] = high
        market["bar_low"] = low
