"""Why an order by hand was denied, in words: one sentence for each code of a denial."""

from __future__ import annotations

from events.rows import Code

# code -> what is wrong and what to do; `{limit:g}` is the limit that was met
SENTENCES: dict[Code, str] = {
    Code.BUDGET_EXCEEDED: "The session would have more than its global cap of {limit:g} in use. Order less.",
    Code.ALLOCATION_EXCEEDED: "The lane would have more than its allocation of {limit:g} in use. Order less.",
    Code.MAX_POSITION_EXCEEDED: "The position would be worth more than {limit:g}, the most of the session. Order less.",
    Code.BELOW_MINIMUM: "The order is smaller than the instrument's minimum of {limit:g}. Order more.",
    Code.NO_PRICE: "No price of the instrument is known yet. Order again once it was traded.",
    Code.DIRECTION_NOT_ALLOWED: "The session may not trade this side beyond what it holds.",
    Code.ORDERS_LIMIT: "{limit:g} orders work already, the most of the session. Cancel some first.",
    Code.NOT_A_NUMBER: "A price or quantity is no finite number.",
    Code.HALTED: "The lane is halted. Let it go on first.",
    Code.NO_POSITION: "There is no position to reduce.",
    Code.MARGIN_EXCEEDED: "More than {limit:g}, the leverage times the equity, would be in use. Order less.",
    Code.DAILY_LOSS_REACHED: "Equity met {limit:g}, what the day may lose. Nothing opens until the next day.",
}


def denial_message(code: str, limit: float) -> str:
    """What a denial says to whoever ordered; empty for no code."""
    return SENTENCES[Code[code]].format(limit=limit) if code else ""
