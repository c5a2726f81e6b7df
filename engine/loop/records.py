"""Numpy records of everything that decides. A snapshot of a session is the bytes of these arrays, nothing else.

Money is in the session's quote currency, quantities in base units, times in int64 nanoseconds UTC. A kernel reads of
INSTRUMENT_DTYPE and LANE_DTYPE the fields marked `k`; those never change their name or meaning.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from events.rows import MARKET_DTYPE

# Arrays and records as the loop's functions take them. numba types them; to mypy they are opaque.
Record = Any
Books = tuple[Any, Any, Any, Any]  # instruments, lanes, working, account: tables of the four dtypes below
Out = tuple[Any, Any, Any, Any, Any, Any]  # signals, orders, fills, denials, marks, and int64[11] of counts
Execution = tuple[float, float, float, int]  # price, quantity, fee, maker

# What the loop knows of one instrument of the session.
INSTRUMENT_DTYPE = np.dtype(
    [
        ("number", "<i4"),  # k: number in the instrument catalogue
        ("working", "<i4"),  # orders of the session that rest on this instrument
        ("lane_first", "<i4"),  # first of its lanes, chained by `next`; -1: none
        ("pad", "<i4"),
        ("price_step", "<f8"),  # k; 0: none
        ("quantity_step", "<f8"),  # k; 0: none
        ("notional_min", "<f8"),  # k: smallest order, quote currency
        ("maker_fee_ratio", "<f8"),
        ("taker_fee_ratio", "<f8"),
        ("last", "<f8"),  # k: last trade price; mid where only quotes came so far; 0 before the first
        ("previous", "<f8"),  # `last` before this row
        ("bid", "<f8"),  # k: best bid; 0 unknown or one-sided
        ("ask", "<f8"),  # k
        ("bid_quantity", "<f8"),  # k
        ("ask_quantity", "<f8"),  # k
        ("ts_event_ns", "<i8"),  # k: of its newest row
        ("bar_open", "<f8"),  # k: of the newest bar
        ("bar_high", "<f8"),  # k: highest price of the newest bar so far
        ("bar_low", "<f8"),  # k
        ("position", "<f8"),  # k: sum over the session's lanes, signed
        ("rows", "<i8"),  # k: rows seen
        ("trades", "<i8"),  # k: trade rows seen that moved the price
    ]
)

# One strategy on one instrument. The last lanes, one for each instrument, are for orders by hand.
LANE_DTYPE = np.dtype(
    [
        ("instrument", "<i4"),  # index into the session's instruments
        ("strategy", "<i4"),  # index of the kernel in the loop; -1: orders by hand only
        ("slot", "<i4"),  # index into that kernel's states and params
        ("kinds", "<i4"),  # bit k is set: the kernel sees rows of MarketKind k
        ("next", "<i4"),  # next lane of the instrument in the session's order; -1: the last
        ("working", "<i4"),  # k: working orders of this lane
        ("long_allowed", "i1"),
        ("short_allowed", "i1"),
        ("halted", "i1"),  # k; 1: no new entries (by command)
        ("deferred", "i1"),  # 1: a bar's nearer extreme reached the target; it is taken after the stop was checked
        ("pad", "<i4"),
        ("position", "<f8"),  # k: signed base units
        ("entry_price", "<f8"),  # k: average, 0 when flat
        ("entry_ns", "<i8"),  # k: loop time of the entry, 0 when flat
        ("entry_input", "<i8"),  # input ordinal of the entry, 0 when flat
        ("best_price", "<f8"),  # most favourable price since the entry (trailing exit), 0 when flat
        ("calm_low", "<f8"),  # between the two, neither reached, no protective exit has anything to do
        ("calm_high", "<f8"),
        ("realized", "<f8"),  # k: before fees
        ("fees", "<f8"),  # k
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

# The bar that a lane with an interval is in, and the last one that closed. Only sessions with such a lane have them,
# one for each lane.
LANE_BAR_DTYPE = np.dtype(
    [
        ("interval_ns", "<i8"),  # 0: the lane's kernel sees rows as they come
        ("end_ns", "<i8"),  # from here on it has ended
        ("open", "<f8"),  # 0: no bar has begun
        ("high", "<f8"),
        ("low", "<f8"),
        ("close", "<f8"),
        ("quantity", "<f8"),  # a quarter of its volume
        ("row", MARKET_DTYPE.descr),  # the close row of the last one
        ("closed_open", "<f8"),
        ("closed_high", "<f8"),
        ("closed_low", "<f8"),
    ]
)

# One working order. The session's list is kept in order-number order; unused places are zero.
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
        ("queue_ahead", "<f8"),  # quantity before us at our price; inf: not known
        ("tag", "<i8"),  # the strategy's own mark
        ("kind", "i1"),  # OrderKind; 0: dead, taken out at the end of the step
        ("side", "i1"),
        ("time_in_force", "i1"),
        ("triggered", "i1"),  # 1: a stop or trailing order that now executes at the market (stop limit: as a limit)
        ("reduces", "i1"),  # 1: only closes a position
        ("seen", "i1"),  # 1: had its first chance to fill
        ("code", "<i2"),
        ("origin", "i1"),  # SignalKind it came from; 0: protective exit, by hand, end of session
        ("pad1", "i1"),
        ("pad2", "<i2"),
        ("pad3", "<i4"),
    ]
)

# The account of a session.
ACCOUNT_DTYPE = np.dtype(
    [
        ("cash", "<f8"),
        ("holdings", "<f8"),  # sum of positions at last prices; summed anew after each fill and for each mark
        ("equity", "<f8"),  # cash + holdings, at each row
        ("equity_peak", "<f8"),
        ("drawdown_ratio", "<f8"),  # greatest fall of equity from its peak so far, over all rows
        ("realized", "<f8"),  # before fees
        ("fees", "<f8"),
        ("reserved", "<f8"),  # sum over lanes
        ("global_cap", "<f8"),  # quote notional in use at most; inf: none
        ("fill_ratio_max", "<f8"),  # share of a row's quantity that our orders may take; 0: no limit
        ("slippage_ratio", "<f8"),
        ("slippage_jitter_ratio", "<f8"),
        ("half_spread", "<f8"),  # of a market without quotes, quote currency per base unit
        ("slippage", "<f8"),  # beside the ratio, quote currency per base unit
        ("commission", "<f8"),  # beside the ratio, quote currency per base unit
        ("leverage", "<f8"),  # notional in use at most, in equities; 0: no limit
        ("risk_ratio", "<f8"),  # share of equity that an entry loses at its stop loss; 0: order_notional decides
        ("daily_loss_ratio", "<f8"),  # share of the equity at the start of a UTC day that it may lose; 0: no limit
        ("position_risk_ratio", "<f8"),  # share of equity that a lane may lose at its stop loss; 0: no limit
        ("day_floor", "<f8"),  # equity at which the day is over; -inf: none
        ("day_end_ns", "<i8"),  # loop time at which the next day begins
        ("queue_ratio", "<f8"),  # share of the visible level ahead of a new limit order
        ("room_buy", "<f8"),  # what our orders may still buy of this row
        ("room_sell", "<f8"),
        ("room_input", "<i8"),  # input whose row the two are of
        ("latency_ns", "<i8"),
        ("latency_jitter_ns", "<i8"),
        ("equity_interval_ns", "<i8"),
        ("seed", "<u8"),
        ("input", "<i8"),  # ordinal of the next input row
        ("loop_ns", "<i8"),  # running maximum of the designated time
        ("mark_ns", "<i8"),  # loop time at which the next interval mark is due
        ("order", "<i8"),  # number of the last order
        ("working", "<i8"),  # length of the working list
        ("signals", "<i8"),  # output ordinals: rows written so far, per kind
        ("orders", "<i8"),
        ("fills", "<i8"),
        ("denials", "<i8"),
        ("marks", "<i8"),
        ("designated", "<i4"),  # 0: ts_event_ns, 1: ts_received_ns
        ("simulated", "<i4"),  # 1: fills are simulated (step 2); 0: a venue reports them
        ("failed", "<i4"),  # code of a kernel that failed, 0: none
        ("failed_lane", "<i4"),
        ("instruments", "<i4"),  # lengths of the three lists
        ("lanes", "<i4"),
        ("places", "<i4"),  # of the working list, used or not
        ("chain_most", "<i4"),  # lanes of the instrument that has most
        ("day_over", "<i4"),  # 1: nothing opens or adds until the next day
        ("dead", "<i4"),  # dead orders in the working list, only within a step
    ]
)

# What a kernel asks for. Kernels write `intents[0:n]` and return n.
INTENT_DTYPE = np.dtype(
    [
        ("kind", "i1"),  # SignalKind: ENTER_LONG, ENTER_SHORT, EXIT, QUOTE, CANCEL
        ("order_kind", "i1"),  # OrderKind; 0 means MARKET (QUOTE: LIMIT)
        ("side", "i1"),  # QUOTE only: Side
        ("time_in_force", "i1"),  # 0 means GTC
        ("code", "<i2"),  # 0: ENTRY or SIGNAL_EXIT; else a Code, or up to 99 one of the strategy's own
        ("pad", "<i2"),
        ("price", "<f8"),  # limit price
        ("stop_price", "<f8"),  # stop price, or trailing offset
        ("quantity", "<f8"),  # base units; 0: the lane's order_notional decides
        ("strength", "<f8"),
        ("tag", "<i8"),  # QUOTE: kept on the order; CANCEL: which orders (0: all of the lane)
    ]
)

INTENT_CODE_MAX = 99  # codes above are denials
INTENTS_MAX = 32  # intents a kernel may write on one row
INTENTS_OVER = -1000  # `failed` of a kernel that returned more than INTENTS_MAX
INTENTS_WRONG = -1001  # `failed` of a kernel that wrote an intent of no known kind, side, order kind or time in force

# A command between two rows, as the compiled loop takes it.
COMMAND_DTYPE = np.dtype(
    [
        ("kind", "<i4"),  # CommandKind
        ("lane", "<i4"),
        ("order", "<i8"),  # cancel, venue reports
        ("price", "<f8"),  # limit price; price of a reported fill
        ("stop_price", "<f8"),
        ("quantity", "<f8"),
        ("fee", "<f8"),  # of a reported fill, quote currency
        ("side", "i1"),
        ("order_kind", "i1"),
        ("time_in_force", "i1"),
        ("flag", "i1"),  # halt: 1 halt, 0 go on; close: 1 flatten; reported fill: 1 maker
        ("pad", "<i4"),
    ]
)
