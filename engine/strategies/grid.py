"""Quote a grid: buy a step under the price, sell a step above it, and earn the step each time the price comes back.

The levels stand at `reference x (1 + step_ratio)^n` for whole n; the reference is the first price seen. The centre is
a level; `levels` limit orders to buy rest on the levels under it and as many to sell on those above it. The rule of
re-centring: when the price trades through the level next to the centre, the centre moves to the level just behind the
price; orders that are still in the grid stay in their queues, the others are cancelled, free levels are quoted. So
what was bought at one level is offered at the next one up. When the price jumps over the grid (or over 7 levels), all
orders are cancelled and it is laid anew around the price. So it is where no order of the lane works any more (all
cancelled by hand, a protective exit, all filled) and when a halt ends; while the lane is halted it asks for nothing.
Where quotes were denied or cancelled it asks again only when the price has left the levels next to the centre: if fewer
orders work than the price can have left, the grid is laid anew.

Each level quotes the same quantity. The grid never quotes to hold more than `inventory_max` level quantities long or
short (long only where the lane may not go short): a trend against it stops it there, and the session's protective
exits do the rest. Tags: `2 x (level + 2^31)`, plus 1 for a sell order.

Sources: the grid rule as exchanges offer it to retail users ("spot grid"); the bound on inventory after M.
Avellaneda, S. Stoikov, "High-frequency trading in a limit order book", Quantitative Finance 8 (2008). Signal
strength: the level's distance from the centre, levels; typical is 3, the middle one of the 5 of a side by default.
"""

from __future__ import annotations

import math
from typing import Annotated, Any

import msgspec
import numpy as np
from msgspec import Meta

from engine.compiled import compiled
from engine.strategies.strategy import Strategy

QUOTE = 4  # SignalKind
CANCEL = 5
LIMIT = 2  # OrderKind
BUY = 1  # Side
SELL = -1

LEVELS_MAX = 15  # one cancel and two orders a level are 31 intents of the 32 a kernel may write
MOVE_MAX = 7  # levels that a grid moves at most before it is laid anew: four intents for each
SLOTS = 64  # over 2 x LEVELS_MAX + 1 + MOVE_MAX: no two levels of an old and its new grid share a slot
INTENTS_LAST = 30  # no level is begun after so many intents, for one takes up to two; the next move takes it up
TAG_ZERO = 2147483648  # 2^31: tags are positive
ROUND = 1e-9  # share of a step that counts as none


class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Distances as ratios, sizes in quote currency."""

    step_ratio: Annotated[float, Meta(ge=0.0001, le=0.5, description="distance from level to level, ratio")] = 0.005
    levels: Annotated[int, Meta(ge=1, le=LEVELS_MAX, description="orders on each side, count")] = 5
    level_notional: Annotated[
        float, Meta(ge=0.0, le=1e12, description="size of an order; 0: the session's order size, quote currency")
    ] = 0.0
    inventory_max: Annotated[int, Meta(ge=1, le=1000, description="holding at most, orders of one level")] = 10


STATE = np.dtype(
    [
        ("laid", "<i8"),  # 1: there is a grid
        ("reference", "<f8"),  # price of level 0
        ("centre", "<i8"),  # level without an order
        ("moved", "<i8"),  # levels of the last move, 0 where the grid was laid anew
        ("stood", "<i8"),  # 1: orders of the newest grid were seen to work, or it had none to ask for
        ("lost", "<i8"),  # 1: the grid is to be laid anew as soon as the lane may quote
        ("quantity", "<f8"),  # of one level, base units
        ("sides", "i1", (SLOTS,)),  # side quoted at a level, in slot `level mod SLOTS`; 0: none
    ]
)


def kernel(row: Any, market: Any, lane: Any, state: Any, params: Any, intents: Any) -> int:
    """Nothing while the price stays between the levels next to the centre; else the orders that move the grid."""
    price = row["price"]
    if price <= 0.0:
        return 0
    if lane["halted"] != 0:
        state["lost"] = 1
        return 0
    if state["laid"] == 0:
        return begin(price, market, lane, state, params, intents)
    at = math.log(price / state["reference"]) / math.log1p(params["step_ratio"])
    within = abs(at - state["centre"]) <= 1
    if lane["working"] != 0:
        state["stood"] = 1
    elif state["stood"] == 1 or not within:
        state["lost"] = 1
    if within and state["lost"] == 0:
        return 0
    if state["lost"] == 1 or lane["working"] < standing(at, state, params):
        return lay(math.floor(at + 0.5), market, lane, state, params, intents)
    return move(at, market, lane, state, params, intents)


@compiled
def standing(at: float, state: Any, params: Any) -> int:
    """How many orders must still work at a price of `at` levels if none was denied: those it has not reached."""
    count = 0
    for level in range(state["centre"] - params["levels"], state["centre"] + params["levels"] + 1):
        side = state["sides"][level % SLOTS]
        if (side == BUY and level < at) or (side == SELL and level > at):
            count += 1
    return count


@compiled
def move(at: float, market: Any, lane: Any, state: Any, params: Any, intents: Any) -> int:
    """The centre moves to the level just behind the price; what is still in the grid stays in its queue."""
    centre = state["centre"]
    moved = (math.ceil(at) if at < centre else math.floor(at)) - centre
    if abs(moved) > min(params["levels"], MOVE_MAX):
        return lay(centre + moved, market, lane, state, params, intents)
    state["centre"] = centre + moved
    state["moved"] = moved
    return quote(0, market, lane, state, params, intents)


@compiled
def begin(price: float, market: Any, lane: Any, state: Any, params: Any, intents: Any) -> int:
    """The first grid; the price is level 0 from now on."""
    notional = params["level_notional"] if params["level_notional"] > 0.0 else lane["order_notional"]
    quantity = whole_steps(notional / price, market["quantity_step"])
    if quantity <= 0.0:
        return 0
    state["laid"] = 1
    state["reference"] = price
    state["quantity"] = quantity
    return quote(0, market, lane, state, params, intents)


@compiled
def lay(centre: int, market: Any, lane: Any, state: Any, params: Any, intents: Any) -> int:
    """Cancel whatever still works and quote every level around this one."""
    state["centre"] = centre
    state["moved"] = 0
    state["lost"] = 0
    for slot in range(SLOTS):
        state["sides"][slot] = 0
    first = 0
    if lane["working"] != 0:
        intents[0]["kind"] = CANCEL
        intents[0]["tag"] = 0
        first = 1
    count = quote(first, market, lane, state, params, intents)
    state["stood"] = 1 if count == first else 0
    return count


@compiled
def quote(count: int, market: Any, lane: Any, state: Any, params: Any, intents: Any) -> int:
    """Change each level of the old and the new grid from what it has to what it shall have, after `count` intents.

    It begins at the end that the grid leaves: what has to be cancelled is, whatever room the quotes find.
    """
    centre = state["centre"]
    moved = state["moved"]
    levels = params["levels"]
    for index in range(2 * levels + 1 + abs(moved)):
        distance = index - levels - moved if moved >= 0 else levels - moved - index
        level = centre + distance
        has = state["sides"][level % SLOTS] if abs(distance + moved) <= levels else 0
        shall = side_wanted(distance, levels, lane, state["quantity"], params["inventory_max"])
        price = outward(state["reference"] * math.exp(level * math.log1p(params["step_ratio"])), shall, market)
        if price <= 0.0:
            shall = 0
        if has == shall or count > INTENTS_LAST:
            continue
        state["sides"][level % SLOTS] = shall
        if has != 0:
            intents[count]["kind"] = CANCEL
            intents[count]["tag"] = tag_of(level, has)
            count += 1
        if shall != 0:
            intents[count]["kind"] = QUOTE
            intents[count]["order_kind"] = LIMIT
            intents[count]["side"] = shall
            intents[count]["price"] = price
            intents[count]["quantity"] = state["quantity"]
            intents[count]["strength"] = distance
            intents[count]["tag"] = tag_of(level, shall)
            count += 1
    return count


@compiled
def side_wanted(distance: int, levels: int, lane: Any, quantity: float, inventory_max: int) -> int:
    """Side that a level shall quote, 0 for none. `distance`: levels above the centre."""
    if distance == 0 or abs(distance) > levels:
        return 0
    held = lane["position"] / quantity - distance  # levels held once the grid has filled up to this one
    if distance < 0:
        most = inventory_max if lane["long_allowed"] == 1 else 0
        return BUY if held <= most + ROUND else 0
    most = inventory_max if lane["short_allowed"] == 1 else 0
    return SELL if held >= -most - ROUND else 0


@compiled
def outward(price: float, side: int, market: Any) -> float:
    """The price in whole steps, away from the centre: down for a buy, up for a sell."""
    step = market["price_step"]
    if step <= 0.0:
        return price
    return math.floor(price / step + ROUND) * step if side == BUY else math.ceil(price / step - ROUND) * step


@compiled
def whole_steps(quantity: float, step: float) -> float:
    """The quantity rounded down to whole steps."""
    return math.floor(quantity / step + ROUND) * step if step > 0.0 else quantity


@compiled
def tag_of(level: int, side: int) -> int:
    """The tag of the order on a level."""
    return 2 * (level + TAG_ZERO) + (1 if side == SELL else 0)


STRATEGY = Strategy(
    id="grid",
    name="Grid",
    description="Rests limit orders to buy under and to sell above the price and moves the grid along with it.",
    params=Params,
    state=STATE,
    kernel=kernel,
    direction="both",
    category="market making",
    tags=("grid", "limit orders"),
    typical_strength=3.0,
)
