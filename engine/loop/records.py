"""Numpy records of everything that decides. A snapshot of a session is the bytes of these arrays, nothing else.

Money is in the session's quote currency, quantities in base units, times in int64 nanoseconds UTC.
"""

from __future__ import annotations

import numpy as np

# What the loop knows of one instrument of the session.
INSTRUMENT_DTYPE = np.dtype(
    [
        ("number", "<i4"),  # number in the instrument catalogue
        ("working", "<i4"),  # orders of the session that rest on this instrument
        ("price_step", "<f8"),
        ("quantity_step", "<f8"),
        ("notional_min", "<f8"),  # smallest order, quote currency
        ("maker_fee_ratio", "<f8"),
        ("taker_fee_ratio", "<f8"),
        ("last", "<f8"),  # last trade price; mid where only quotes came so far; 0 before the first
        ("bid", "<f8"),  # best bid; 0 unknown or one-sided
        ("ask", "<f8"),
        ("bid_quantity", "<f8"),
        ("ask_quantity", "<f8"),
        ("ts_event_ns", "<i8"),  # of its newest row
        ("bar_open", "<f8"),  # of the bar being expanded
        ("bar_high", "<f8"),
        ("bar_low", "<f8"),
        ("position", "<f8"),  # sum over the session's lanes, signed
        ("rows", "<i8"),  # rows seen
    ]
)

# One strategy on one instrument.
LANE_DTYPE = np.dtype(
    [
        ("instrument", "<i4"),  # index into the session's instruments
        ("strategy", "<i4"),  # index of the kernel in the loop
        ("slot", "<i4"),  # index into that kernel's states and params
        ("kinds", "<i4"),  # bit k is set: the kernel sees rows of MarketKind k
        ("long_allowed", "i1"),
        ("short_allowed", "i1"),
        ("halted", "i1"),  # 1: no new entries (by command)
        ("working", "i1"),  # resting orders of this lane
        ("pad", "<i4"),
        ("position", "<f8"),  # signed base units
        ("entry_price", "<f8"),  # average, 0 when flat
        ("entry_ns", "<i8"),  # loop time of the entry, 0 when flat
        ("best_price", "<f8"),  # most favourable price since the entry (trailing exit)
        ("realized", "<f8"),  # before fees
        ("fees", "<f8"),
        ("reserved", "<f8"),  # notional of working orders that would add exposure
        ("allocation", "<f8"),  # quote currency this lane may have in use; inf: only the global cap
        ("position_max", "<f8"),  # quote notional; inf: no limit
        ("order_notional", "<f8"),  # size of an entry that names no quantity, quote currency
        ("stop_loss_ratio", "<f8"),  # 0: off
        ("take_profit_ratio", "<f8"),
        ("trailing_ratio", "<f8"),
        ("exits_pending", "<i8"),  # number of the protective exit order still working, 0: none
    ]
)

# One working order. The session's list is kept in order-number order.
WORKING_DTYPE = np.dtype(
    [
        ("order", "<i8"),
        ("input", "<i8"),  # input that placed it; it never fills on that row
        ("active_ns", "<i8"),
        ("lane", "<i4"),
        ("instrument", "<i4"),  # index into the session's instruments
        ("price", "<f8"),
        ("stop_price", "<f8"),  # trailing: the current stop
        ("offset", "<f8"),  # trailing offset, quote currency
        ("quantity", "<f8"),
        ("filled", "<f8"),
        ("queue_ahead", "<f8"),  # quantity before us at our price
        ("tag", "<i8"),  # the strategy's own mark
        ("kind", "i1"),
        ("side", "i1"),
        ("time_in_force", "i1"),
        ("triggered", "i1"),
        ("reduces", "i1"),  # 1: only closes a position
        ("seen", "i1"),  # 1: had its first chance to fill (IOC, FOK)
        ("code", "<i2"),
    ]
)

# The account of a session.
ACCOUNT_DTYPE = np.dtype(
    [
        ("cash", "<f8"),
        ("equity", "<f8"),
        ("exposure", "<f8"),
        ("realized", "<f8"),
        ("fees", "<f8"),
        ("reserved", "<f8"),
        ("global_cap", "<f8"),  # quote notional in use at most; inf: none
        ("fill_ratio_max", "<f8"),  # share of a row's quantity that our orders may take; 0: no limit
        ("slippage_ratio", "<f8"),
        ("slippage_jitter_ratio", "<f8"),
        ("queue_ratio", "<f8"),  # share of the visible level ahead of a new limit order
        ("latency_ns", "<i8"),
        ("latency_jitter_ns", "<i8"),
        ("equity_interval_ns", "<i8"),
        ("seed", "<u8"),
        ("input", "<i8"),  # ordinal of the next input row
        ("loop_ns", "<i8"),  # running maximum of the designated time
        ("mark_ns", "<i8"),  # loop time of the last interval mark
        ("order", "<i8"),  # number of the last order
        ("working", "<i8"),  # length of the working list
        ("signals", "<i8"),  # output ordinals: rows written so far, per kind
        ("orders", "<i8"),
        ("fills", "<i8"),
        ("denials", "<i8"),
        ("marks", "<i8"),
        ("designated", "<i4"),  # 0: ts_event_ns, 1: ts_received_ns
        ("failed", "<i4"),  # code of a kernel that failed, 0: none
        ("failed_lane", "<i4"),
        ("pad", "<i4"),
    ]
)

# What a kernel asks for. Kernels write `intents[0:n]` and return n.
INTENT_DTYPE = np.dtype(
    [
        ("kind", "i1"),  # SignalKind: ENTER_LONG, ENTER_SHORT, EXIT, QUOTE, CANCEL
        ("order_kind", "i1"),  # OrderKind; 0 means MARKET
        ("side", "i1"),  # QUOTE only: Side
        ("time_in_force", "i1"),  # 0 means GTC
        ("code", "<i2"),  # 0: ENTRY or SIGNAL_EXIT
        ("pad", "<i2"),
        ("price", "<f8"),  # limit price
        ("stop_price", "<f8"),  # stop price, or trailing offset
        ("quantity", "<f8"),  # base units; 0: the lane's order_notional decides
        ("strength", "<f8"),
        ("tag", "<i8"),  # QUOTE: kept on the order; CANCEL: which orders (0: all of the lane)
    ]
)

INTENTS_MAX = 32  # intents a kernel may write on one row
