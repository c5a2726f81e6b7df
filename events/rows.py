"""Row dtypes of every frame section, with unit and meaning of each field.

A released dtype never changes: a new field is a new version of the section (`frames.SectionKind`) and an upcaster.
Padding is made of integers because numba refuses void fields. All integers and floats are little-endian.
"""

from __future__ import annotations

from enum import IntEnum, IntFlag

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.void]


class MarketKind(IntEnum):
    """What one market row says."""

    TRADE = 1
    BID = 2
    ASK = 3
    BOOK_SET = 4
    BOOK_DELETE = 5
    CLOCK = 6


class Side(IntEnum):
    """Aggressor of a trade, side of a quote, book level, order or fill."""

    SELL = -1
    NONE = 0
    BUY = 1


class MarketFlag(IntFlag):
    """Bits of `flags` in a market row. The four BAR bits are set only on rows that the loop made out of a bar."""

    NO_QUANTITY = 1  # the source has no quantities: the participation limit does not apply
    BAR_OPEN = 2
    BAR_NEAR = 4  # the extreme nearer to the open
    BAR_FAR = 8  # the other extreme
    BAR_CLOSE = 16
    SNAPSHOT = 32  # part of a book snapshot, not of a change
    CLEAR = 64  # first row of a snapshot: forget the book of this instrument
    OFF_BOOK = 128  # a print that did not come from the order book (an insurance fund, a late report)


BAR_BITS = int(MarketFlag.BAR_OPEN | MarketFlag.BAR_NEAR | MarketFlag.BAR_FAR | MarketFlag.BAR_CLOSE)

# One row of a source, in order of arrival across instruments and kinds. 48 bytes.
MARKET_DTYPE = np.dtype(
    [
        ("ts_event_ns", "<i8"),  # time at the venue, ns UTC
        ("ts_received_ns", "<i8"),  # time of receipt, ns UTC; equals ts_event_ns where the source has only one
        ("price", "<f8"),  # quote currency per base unit; 0 in a clock row
        ("quantity", "<f8"),  # base units; 0 in a book delete or clock row
        ("id", "<i8"),  # the venue's trade, update or order id; 0 where there is none
        ("instrument", "<i4"),  # number in the instrument catalogue
        ("kind", "i1"),  # MarketKind
        ("side", "i1"),  # Side
        ("flags", "<u2"),  # MarketFlag bits
    ]
)

# One bar of a source. 72 bytes.
BAR_DTYPE = np.dtype(
    [
        ("ts_event_ns", "<i8"),  # the bar's opening time, ns UTC
        ("ts_received_ns", "<i8"),  # time of receipt, ns UTC; equals the closing time where the source has none
        ("open", "<f8"),  # quote currency per base unit
        ("high", "<f8"),  # the highest price in the bar
        ("low", "<f8"),  # the lowest price in the bar
        ("close", "<f8"),  # the last price in the bar
        ("volume", "<f8"),  # base units; 0 where nothing traded or where the source has none (NO_QUANTITY)
        ("interval_ns", "<i8"),  # length of the bar
        ("instrument", "<i4"),  # number in the instrument catalogue
        ("trades", "<i4"),  # trades in the bar; 0 where unknown
    ]
)


class SignalKind(IntEnum):
    """What a strategy wants."""

    ENTER_LONG = 1
    ENTER_SHORT = 2
    EXIT = 3
    QUOTE = 4  # a resting order of the strategy's own (grid, market making)
    CANCEL = 5


class OrderKind(IntEnum):
    """How an order may be executed."""

    MARKET = 1
    LIMIT = 2
    STOP = 3
    STOP_LIMIT = 4
    TRAILING = 5


class TimeInForce(IntEnum):
    """How long an order stays."""

    GTC = 1
    IOC = 2
    FOK = 3


class OrderStatus(IntEnum):
    """Step of an order's life that one order row records."""

    ACCEPTED = 1
    TRIGGERED = 2
    FILLED = 3
    CANCELLED = 4
    EXPIRED = 5  # IOC and FOK remainders
    REJECTED = 6  # by the venue
    UNKNOWN = 7  # sent, outcome not known: queried, never sent again


class Code(IntEnum):
    """Why: one code space for signals, orders, fills and denials."""

    NONE = 0
    ENTRY = 1
    SIGNAL_EXIT = 2
    STOP_LOSS = 3
    TAKE_PROFIT = 4
    TRAILING_STOP = 5
    FLIP = 6
    MANUAL = 7
    SESSION_END = 8
    REPLACED = 9
    STRATEGY_CANCEL = 10
    IOC_REMAINDER = 11
    FOK_UNFILLED = 12
    # denials
    BUDGET_EXCEEDED = 101
    ALLOCATION_EXCEEDED = 102
    MAX_POSITION_EXCEEDED = 103
    BELOW_MINIMUM = 104
    NO_PRICE = 105
    DIRECTION_NOT_ALLOWED = 106
    ORDERS_LIMIT = 107
    NOT_A_NUMBER = 108
    HALTED = 109
    NO_POSITION = 110
    MARGIN_EXCEEDED = 111
    DAILY_LOSS_REACHED = 112  # a denial, and of orders that were cancelled when the day's floor was met


# What a strategy said. 48 bytes.
SIGNAL_DTYPE = np.dtype(
    [
        ("input", "<i8"),  # ordinal of the session input that caused it, 0 is the first
        ("ts_event_ns", "<i8"),  # loop time: running maximum of the designated time
        ("price", "<f8"),  # last price of the instrument
        ("strength", "<f8"),  # the kernel's own measure; its unit is in the strategy's docs
        ("lane", "<i4"),  # number of the lane in the session
        ("instrument", "<i4"),  # number in the instrument catalogue
        ("kind", "i1"),  # SignalKind
        ("side", "i1"),  # Side of the order it asks for; NONE for cancel
        ("code", "<i2"),  # Code
        ("pad", "<i4"),  # zero
    ]
)

# One step of an order's life. 80 bytes.
ORDER_DTYPE = np.dtype(
    [
        ("input", "<i8"),  # ordinal of the session input that caused it, 0 is the first
        ("ts_event_ns", "<i8"),  # loop time: running maximum of the designated time, ns UTC
        ("order", "<i8"),  # session-local order number, 1 is the first
        ("price", "<f8"),  # limit price; 0 where the kind has none
        ("stop_price", "<f8"),  # stop price, or trailing offset in quote currency; 0 where the kind has none
        ("quantity", "<f8"),  # ordered, base units, > 0
        ("filled", "<f8"),  # filled so far, base units
        ("lane", "<i4"),  # number of the lane in the session
        ("instrument", "<i4"),  # number in the instrument catalogue
        ("kind", "i1"),  # OrderKind
        ("side", "i1"),  # Side
        ("status", "i1"),  # OrderStatus
        ("time_in_force", "i1"),  # TimeInForce
        ("code", "<i2"),  # Code
        ("pad", "<i2"),  # zero
        ("active_ns", "<i8"),  # loop time from which it may be filled (simulated latency)
    ]
)

# One execution of part of an order. 88 bytes.
FILL_DTYPE = np.dtype(
    [
        ("input", "<i8"),  # ordinal of the session input that caused it, 0 is the first
        ("ts_event_ns", "<i8"),  # loop time: running maximum of the designated time, ns UTC
        ("order", "<i8"),  # session-local order number
        ("price", "<f8"),  # after slippage
        ("quantity", "<f8"),  # base units, > 0
        ("fee", "<f8"),  # quote currency, >= 0 is paid
        ("realized", "<f8"),  # profit of the closed part, quote currency, before fees
        ("position", "<f8"),  # of the lane after this fill, base units, signed
        ("cash", "<f8"),  # of the account after this fill, quote currency
        ("lane", "<i4"),  # number of the lane in the session
        ("instrument", "<i4"),  # number in the instrument catalogue
        ("side", "i1"),  # Side
        ("maker", "i1"),  # 1 maker, 0 taker
        ("code", "<i2"),  # Code of the order
        ("pad", "<i4"),  # zero
    ]
)

# An order refused by our risk check. 56 bytes.
DENIAL_DTYPE = np.dtype(
    [
        ("input", "<i8"),  # ordinal of the session input that caused it, 0 is the first
        ("ts_event_ns", "<i8"),  # loop time: running maximum of the designated time, ns UTC
        ("price", "<f8"),  # quote currency per base unit
        ("quantity", "<f8"),  # base units
        ("limit", "<f8"),  # what was exceeded, in the unit of the limit
        ("lane", "<i4"),  # number of the lane in the session
        ("instrument", "<i4"),  # number in the instrument catalogue
        ("side", "i1"),  # Side
        ("kind", "i1"),  # OrderKind asked for
        ("code", "<i2"),  # Code, a denial
        ("pad", "<i4"),  # zero
    ]
)

# The account's worth: after each fill and at each equity interval. 72 bytes.
MARK_DTYPE = np.dtype(
    [
        ("input", "<i8"),  # ordinal of the session input that caused it, 0 is the first
        ("ts_event_ns", "<i8"),  # loop time: running maximum of the designated time, ns UTC
        ("cash", "<f8"),  # quote currency
        ("equity", "<f8"),  # cash + sum of positions at last prices
        ("exposure", "<f8"),  # sum of |position| at last prices
        ("realized", "<f8"),  # so far, before fees
        ("unrealized", "<f8"),  # profit of what is held at last prices, quote currency
        ("fees", "<f8"),  # so far
        ("pad", "<i8"),  # zero
    ]
)


class SectionKind(IntEnum):
    """Kinds of frame section; the number is on the wire for ever."""

    MARKET = 1
    BAR = 2
    SIGNAL = 16
    ORDER = 17
    FILL = 18
    DENIAL = 19
    MARK = 20


# (kind, version) -> dtype. A new version is a new row; upcasters stand in `frames.py`.
ROW_DTYPES: dict[tuple[SectionKind, int], np.dtype] = {
    (SectionKind.MARKET, 1): MARKET_DTYPE,
    (SectionKind.BAR, 1): BAR_DTYPE,
    (SectionKind.SIGNAL, 1): SIGNAL_DTYPE,
    (SectionKind.ORDER, 1): ORDER_DTYPE,
    (SectionKind.FILL, 1): FILL_DTYPE,
    (SectionKind.DENIAL, 1): DENIAL_DTYPE,
    (SectionKind.MARK, 1): MARK_DTYPE,
}

DECISION_KINDS = (
    SectionKind.SIGNAL,
    SectionKind.ORDER,
    SectionKind.FILL,
    SectionKind.DENIAL,
    SectionKind.MARK,
)

FLOAT_FIELDS: dict[np.dtype, tuple[str, ...]] = {
    dtype: tuple(name for name in dtype.names or () if dtype[name].kind == "f") for dtype in ROW_DTYPES.values()
}
