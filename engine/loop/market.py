"""Step 1: what a row says about its instrument, and how much of it our orders may take."""

from __future__ import annotations

import math

from engine.loop.records import Record
from events.rows import BAR_BITS, MarketFlag, MarketKind, Side

PRICE_MAX = 1e300  # what is above is no price

# What a row may do, as `see` says it: a sum of these.
QUOTED = 1  # may fill orders
PRICED = 2  # may fill orders, and has set `last`
SHOWN = 4  # kernels see it
FILLS = QUOTED | PRICED
UNUSUAL = BAR_BITS | int(MarketFlag.OFF_BOOK)


def see(market: Record, row: Record, account: Record) -> int:
    """Bring the instrument up to the row; say what the row may do.

    A trade OFF_BOOK, or without a finite price above 0, does nothing. Of a bar kernels see the close only. Quotes set
    `last`, to their mid, until the first trade. Book levels and clock rows are for kernels alone.
    """
    market["ts_event_ns"] = row["ts_event_ns"]
    market["rows"] += 1
    kind = row["kind"]
    if kind == MarketKind.TRADE:
        return see_trade(market, row, account)
    if kind == MarketKind.BID or kind == MarketKind.ASK:
        see_quote(market, row)
        if market["trades"] == 0 and market["bid"] > 0.0 and market["ask"] > 0.0:
            set_last(market, (market["bid"] + market["ask"]) * 0.5, account)
            return PRICED | SHOWN
        return QUOTED | SHOWN
    return SHOWN


def see_trade(market: Record, row: Record, account: Record) -> int:
    """A trade, or one of the four rows of a bar."""
    price = row["price"]
    flags = row["flags"]
    said = PRICED | SHOWN
    if not 0.0 < price <= PRICE_MAX:
        return 0
    if flags & UNUSUAL != 0:
        if flags & MarketFlag.OFF_BOOK != 0:
            return 0
        see_bar(market, row)
        if flags & MarketFlag.BAR_CLOSE == 0:
            said = PRICED
    market["trades"] += 1
    set_last(market, price, account)
    return said


def set_last(market: Record, price: float, account: Record) -> None:
    """A new last price, and what it makes of the holdings."""
    last = market["last"]
    account["holdings"] += market["position"] * (price - last)
    market["previous"] = last
    market["last"] = price


def see_bar(market: Record, row: Record) -> None:
    """The prices of the bar so far."""
    price = row["price"]
    if row["flags"] & MarketFlag.BAR_OPEN != 0:
        market["bar_open"] = price
        market["bar_high"] = price
        market["bar_low"] = price
    else:
        market["bar_high"] = max(market["bar_high"], price)
        market["bar_low"] = min(market["bar_low"], price)


def see_quote(market: Record, row: Record) -> None:
    """A best bid or ask; a price or quantity that is not above 0 means that there is none."""
    known = 0.0 < row["price"] <= PRICE_MAX and (row["quantity"] > 0.0 or row["flags"] & MarketFlag.NO_QUANTITY != 0)
    price = row["price"] if known else 0.0
    quantity = row["quantity"] if known else 0.0
    if row["kind"] == MarketKind.BID:
        market["bid"] = price
        market["bid_quantity"] = quantity
    else:
        market["ask"] = price
        market["ask_quantity"] = quantity


def open_room(market: Record, row: Record, account: Record) -> None:
    """How much our orders may take of this row: a share of what traded, or of the quote they take. Once a row."""
    if account["room_input"] == account["input"]:
        return
    account["room_input"] = account["input"]
    ratio = account["fill_ratio_max"]
    if ratio == 0.0 or row["flags"] & MarketFlag.NO_QUANTITY != 0:
        account["room_buy"] = math.inf
        account["room_sell"] = math.inf
    elif row["kind"] == MarketKind.TRADE:
        account["room_buy"] = row["quantity"] * ratio
        account["room_sell"] = row["quantity"] * ratio
    else:
        account["room_buy"] = market["ask_quantity"] * ratio
        account["room_sell"] = market["bid_quantity"] * ratio


def take_room(row: Record, account: Record, side: int, quantity: float) -> None:
    """A fill used this much of the row; a trade's quantity is shared by both sides."""
    if side > 0 or row["kind"] == MarketKind.TRADE:
        account["room_buy"] = max(account["room_buy"] - quantity, 0.0)
    if side < 0 or row["kind"] == MarketKind.TRADE:
        account["room_sell"] = max(account["room_sell"] - quantity, 0.0)


def opposite_quote(market: Record, side: int) -> float:
    """The quote that an order of `side` takes, the worse of the two where they are crossed; 0 where it is unknown."""
    bid = market["bid"]
    ask = market["ask"]
    if side == Side.BUY:
        return max(ask, bid) if ask > 0.0 else 0.0
    return min(bid, ask) if bid > 0.0 and ask > 0.0 else bid


def taker_price(market: Record, row: Record, side: int) -> float:
    """What an order of `side` pays or gets on this row before slippage; 0: the row gives no price.

    The opposite quote where it is known, else the price of the trade. Bars know no quotes.
    """
    is_trade = row["kind"] == MarketKind.TRADE
    if is_trade and row["flags"] & BAR_BITS != 0:
        return row["price"]
    quote = opposite_quote(market, side)
    if quote > 0.0:
        return quote
    return row["price"] if is_trade else 0.0
