"""The table of fill rules of docs/decision-loop.md, one golden case a row."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest

from engine.loop.chance import LATENCY, SLIPPAGE
from engine.loop.module import plain_module
from events.facts import SessionLimits
from events.rows import OrderKind, Side, TimeInForce
from tests.engine.loop.driving import (
    FREE,
    NO_QUANTITY,
    OFF_BOOK,
    ROOT,
    Desk,
    ask,
    bar,
    bid,
    limits,
    spec_of,
    terms,
    trade,
)
from tests.engine.loop.kernels import SCRIPTED

BUY, SELL = Side.BUY, Side.SELL
LIMIT, STOP, STOP_LIMIT, TRAILING = OrderKind.LIMIT, OrderKind.STOP, OrderKind.STOP_LIMIT, OrderKind.TRAILING
IOC, FOK = TimeInForce.IOC, TimeInForce.FOK
HALF = limits(fill_ratio_max=0.5)
Fills = list[tuple[int, float, float]]


def desk(given: SessionLimits = FREE, **instrument: float) -> Desk:
    """A desk with these limits and terms."""
    return Desk(spec_of(given=given, instrument=terms(**instrument)))


def quoted() -> Desk:
    """A desk that knows the quotes 99.9 x 100.1."""
    return desk().rows(bid(99.9), ask(100.1), trade(100.0))


@dataclass(frozen=True)
class Case:
    """A rule, what happens, the fills (input, price, signed quantity) and how orders end."""

    rule: str
    play: Callable[[], Desk]
    fills: Fills
    ends: tuple[tuple[int, str, str], ...] = ()


FILLED = ((1, "FILLED", "MANUAL"),)
CASES = (
    Case(
        "market-trade",
        lambda: desk().script((1, {"kind": 1, "quantity": 2.0})).rows(trade(100.0), trade(101.0), trade(102.0)),
        [(1, 101.0, 2.0)],
        ((1, "FILLED", "ENTRY"),),
    ),
    Case("market-quote", lambda: quoted().order(BUY, 2.0).rows(trade(100.0)), [(3, 100.1, 2.0)], FILLED),
    Case("market-quote", lambda: quoted().order(SELL, 2.0).rows(ask(100.2)), [(3, 99.9, -2.0)], FILLED),
    Case("market-crossed", lambda: quoted().order(BUY, 2.0).rows(bid(100.3)), [(3, 100.3, 2.0)], FILLED),
    Case(
        "market-waits", lambda: desk().rows(trade(100.0)).order(BUY, 1.0).rows(bid(99.0), ask(99.5)), [(2, 99.5, 1.0)]
    ),
    Case(
        "silent-rows",
        lambda: (
            desk()
            .rows(trade(100.0))
            .order(BUY, 1.0)
            .rows(trade(50.0, flags=OFF_BOOK), {"kind": 4, "price": 60.0}, {"kind": 6}, trade(0.0), trade(101.0))
        ),
        [(5, 101.0, 1.0)],
    ),
    Case(
        "slippage",
        lambda: (
            desk(limits(slippage_ratio=0.001)).rows(trade(100.0)).order(BUY, 1.0).order(SELL, 1.0).rows(trade(100.05))
        ),
        [(1, 100.16, 1.0), (1, 99.94, -1.0)],
    ),
    Case("limit-through", lambda: resting(99.0).rows(trade(99.0), trade(98.5)), [(2, 99.0, 2.0)], FILLED),
    Case("limit-through", lambda: resting(101.0, SELL).rows(trade(101.0), trade(101.01)), [(2, 101.0, -2.0)], FILLED),
    Case(
        "limit-queue",
        lambda: (
            desk()
            .rows(bid(99.0, 30.0), ask(101.0), trade(100.0))
            .order(BUY, 2.0, LIMIT, price=99.0)
            .rows(
                trade(99.0, 10.0, side=SELL),
                trade(99.0, 15.0, side=BUY),
                trade(99.0, 20.0, side=SELL),
                trade(99.0, 1.5),
            )
        ),
        [(6, 99.0, 2.0)],
    ),
    Case(
        "limit-queue",
        lambda: (
            desk()
            .rows(bid(99.0, 30.0), ask(101.0))
            .order(BUY, 2.0, LIMIT, price=99.0)
            .rows(trade(99.0, 31.0, side=SELL), trade(99.0, 5.0, side=SELL))
        ),
        [(2, 99.0, 1.0), (3, 99.0, 1.0)],
        FILLED,
    ),
    Case(
        "queue-shrinks",
        lambda: (
            desk()
            .rows(bid(99.0, 30.0), ask(101.0))
            .order(BUY, 2.0, LIMIT, price=99.0)
            .rows(bid(99.0, 4.0), trade(99.0, 5.0, side=SELL))
        ),
        [(3, 99.0, 1.0)],
    ),
    Case(
        "queue-gone",
        lambda: (
            desk()
            .rows(bid(99.0, 30.0), ask(101.0))
            .order(BUY, 2.0, LIMIT, price=99.0)
            .rows(bid(98.9, 5.0), trade(99.0, 5.0, side=SELL))
        ),
        [(3, 99.0, 2.0)],
        FILLED,
    ),
    Case(
        "queue-unknown",
        lambda: resting(99.0).rows(trade(99.0, 1000.0, side=SELL), bid(99.0, 3.0), trade(99.0, 4.0, side=SELL)),
        [(3, 99.0, 1.0)],
    ),
    Case(
        "queue-none",
        lambda: (
            desk(limits(queue_ratio=0.0))
            .rows(trade(100.0))
            .order(BUY, 2.0, LIMIT, price=99.0)
            .rows(trade(100.0), trade(99.0, 1.5, side=SELL))
        ),
        [(2, 99.0, 2.0)],
        FILLED,
    ),
    Case(
        "limit-quoted-through",
        lambda: desk().rows(bid(99.0), ask(101.0)).order(BUY, 2.0, LIMIT, price=99.5).rows(ask(100.0), ask(99.5)),
        [(3, 99.5, 2.0)],
        FILLED,
    ),
    Case(
        "limit-marketable",
        lambda: quoted().order(BUY, 2.0, LIMIT, price=100.5).rows(trade(100.0)),
        [(3, 100.1, 2.0)],
        FILLED,
    ),
    Case(
        "limit-marketable",
        lambda: (
            desk(limits(slippage_ratio=0.01))
            .rows(bid(99.9), ask(100.1))
            .order(BUY, 2.0, LIMIT, price=100.5)
            .rows(trade(100.0))
        ),
        [(2, 100.5, 2.0)],
        FILLED,
    ),
    Case(
        "limit-marketable-trades",
        lambda: desk().rows(trade(100.0)).order(BUY, 2.0, LIMIT, price=101.0).rows(trade(100.2)),
        [(1, 100.2, 2.0)],
        FILLED,
    ),
    Case(
        "stop",
        lambda: desk().rows(trade(100.0)).order(SELL, 2.0, STOP, stop_price=99.0).rows(trade(99.5), trade(98.7)),
        [(2, 98.7, -2.0)],
        FILLED,
    ),
    Case(
        "stop",
        lambda: quoted().order(BUY, 2.0, STOP, stop_price=101.0).rows(trade(101.0), trade(102.0)),
        [(3, 101.0, 2.0)],
        FILLED,
    ),
    Case(
        "stop",
        lambda: quoted().order(BUY, 2.0, STOP, stop_price=101.0).rows(ask(101.3), trade(101.2)),
        [(4, 101.3, 2.0)],
        FILLED,
    ),
    Case(
        "stop-limit",
        lambda: (
            desk()
            .rows(trade(100.0))
            .order(BUY, 2.0, STOP_LIMIT, stop_price=101.0, price=101.5)
            .rows(trade(100.9), trade(101.2))
        ),
        [(2, 101.2, 2.0)],
        FILLED,
    ),
    Case(
        "stop-limit",
        lambda: (
            desk()
            .rows(trade(100.0))
            .order(BUY, 2.0, STOP_LIMIT, stop_price=101.0, price=101.5)
            .rows(trade(102.0), trade(101.8), trade(101.4))
        ),
        [(3, 101.5, 2.0)],
        FILLED,
    ),
    Case(
        "trailing",
        lambda: (
            desk()
            .rows(trade(100.0))
            .order(SELL, 2.0, TRAILING, stop_price=1.0)
            .rows(trade(99.5), trade(103.0), trade(102.1), trade(101.9))
        ),
        [(4, 101.9, -2.0)],
        FILLED,
    ),
    Case(
        "ioc",
        lambda: desk(HALF).rows(trade(100.0)).order(BUY, 8.0, time_in_force=IOC).rows(trade(101.0, 10.0), trade(101.0)),
        [(1, 101.0, 5.0)],
        ((1, "EXPIRED", "IOC_REMAINDER"),),
    ),
    Case(
        "ioc",
        lambda: desk().rows(trade(100.0)).order(BUY, 8.0, LIMIT, price=99.0, time_in_force=IOC).rows(trade(99.0)),
        [],
        ((1, "EXPIRED", "IOC_REMAINDER"),),
    ),
    Case(
        "fok",
        lambda: desk(HALF).rows(trade(100.0)).order(BUY, 8.0, time_in_force=FOK).rows(trade(101.0, 10.0)),
        [],
        ((1, "EXPIRED", "FOK_UNFILLED"),),
    ),
    Case(
        "fok",
        lambda: desk(HALF).rows(trade(100.0)).order(BUY, 5.0, time_in_force=FOK).rows(trade(101.0, 10.0)),
        [(1, 101.0, 5.0)],
        FILLED,
    ),
    Case(
        "participation",
        lambda: (
            desk(HALF)
            .rows(trade(100.0))
            .order(BUY, 3.0)
            .order(SELL, 4.0)
            .order(BUY, 1.0)
            .rows(trade(100.0, 10.0), trade(101.0, 10.0))
        ),
        [(1, 100.0, 3.0), (1, 100.0, -2.0), (2, 101.0, -2.0), (2, 101.0, 1.0)],
        ((1, "FILLED", "MANUAL"), (2, "FILLED", "MANUAL"), (3, "FILLED", "MANUAL")),
    ),
    Case(
        "participation",
        lambda: desk(HALF).rows(bid(99.0, 8.0), ask(101.0, 6.0)).order(BUY, 5.0).order(SELL, 5.0).rows(ask(101.0, 6.0)),
        [(2, 101.0, 3.0), (2, 99.0, -4.0)],
    ),
    Case(
        "no-quantity",
        lambda: desk(HALF).rows(trade(100.0)).order(BUY, 50.0).rows(trade(100.0, 0.0, flags=NO_QUANTITY)),
        [(1, 100.0, 50.0)],
        FILLED,
    ),
    Case(
        "quantity-step",
        lambda: (
            desk(limits(fill_ratio_max=0.25), quantity_step=0.1)
            .rows(trade(100.0))
            .order(BUY, 1.27)
            .rows(trade(100.0, 1.3), trade(100.0, 0.3), trade(100.0, 100.0))
        ),
        [(1, 100.0, 0.3), (3, 100.0, 0.9)],
        FILLED,
    ),
    Case(
        "latency",
        lambda: desk(limits(latency_ms=1500.0)).rows(trade(100.0)).order(BUY, 1.0).rows(trade(101.0), trade(102.0)),
        [(2, 102.0, 1.0)],
    ),
    Case(
        "bar-market",
        lambda: (
            desk()
            .script((1, {"kind": 1, "quantity": 2.0}))
            .bars(bar(100.0, 101.0, 99.0, 100.5), bar(100.7, 102.0, 100.0, 101.0))
        ),
        [(4, 100.7, 2.0)],
    ),
    Case(
        "bar-limit",
        lambda: bars_after(BUY, LIMIT, price=99.0).bars(bar(100.0, 101.0, 98.0, 100.5)),
        [(6, 99.0, 2.0)],
        FILLED,
    ),
    Case(
        "bar-stop",
        lambda: bars_after(SELL, STOP, stop_price=99.0).bars(bar(100.0, 101.5, 98.0, 100.5)),
        [(6, 99.0, -2.0)],
        FILLED,
    ),
    Case(
        "bar-stop",
        lambda: bars_after(SELL, STOP, stop_price=99.0).bars(bar(97.0, 101.0, 96.5, 100.5)),
        [(4, 97.0, -2.0)],
        FILLED,
    ),
    Case(
        "bar-still",
        lambda: bars_after(BUY, OrderKind.MARKET, HALF).bars(bar(100.0, 100.0, 100.0, 100.0, 0.0)),
        [],
    ),
    Case(
        "bar-no-volume",
        lambda: bars_after(BUY, OrderKind.MARKET, HALF).bars(bar(100.0, 100.2, 100.0, 100.1, 0.0)),
        [(4, 100.0, 2.0)],
        FILLED,
    ),
)


def resting(price: float, side: Side = BUY) -> Desk:
    """A limit order of 2, given when trades are at 100."""
    at = desk()
    at.rows(trade(100.0))
    return at.order(side, 2.0, LIMIT, price=price)


def bars_after(side: Side, kind: OrderKind, given: SessionLimits = FREE, **prices: float) -> Desk:
    """An order of 2 given after one bar around 100."""
    at = desk(given)
    at.bars(bar(100.0, 100.5, 99.5, 100.0))
    return at.order(side, 2.0, kind, **prices)


@pytest.mark.parametrize("case", CASES, ids=[f"{at}-{case.rule}" for at, case in enumerate(CASES)])
def test_each_rule_fills_as_the_table_says(case: Case) -> None:
    """The documented rule, with its numbers."""
    desk = case.play()
    assert desk.fills == case.fills
    if case.ends:
        assert tuple(desk.ends) == case.ends


def test_every_rule_has_a_row_in_the_documentation_and_a_case() -> None:
    """The table in the docs and the cases here name the same rules."""
    page = (ROOT / "docs" / "decision-loop.md").read_text()
    table = page.split("## Fill rules")[1].split("\n## ")[0]
    documented = {line.split("`")[1] for line in table.splitlines() if line.startswith("| `")}
    assert documented == {case.rule for case in CASES}


def test_makers_and_takers_pay_their_fee() -> None:
    """A resting order pays the maker fee, one that takes the taker fee, of price times quantity."""
    at = desk(limits(), maker_fee_ratio=0.001, taker_fee_ratio=0.002)
    at.rows(trade(100.0)).order(BUY, 2.0, LIMIT, price=99.0).order(SELL, 1.0).rows(trade(100.0), trade(98.0))
    rows = at.kind(2)
    assert [(float(row["fee"]), int(row["maker"])) for row in rows] == [(100.0 * 0.002, 0), (99.0 * 2 * 0.001, 1)]


def test_latency_jitter_and_slippage_come_from_the_counter() -> None:
    """Chance hangs on the seed, the order's number and the purpose alone."""
    module = plain_module([SCRIPTED])
    given = limits(latency_ms=10.0, latency_jitter_ms=100.0, slippage_jitter_ratio=0.01)
    at = Desk(spec_of(given=given, instrument=terms(price_step=0.0), seed=77))
    at.rows(trade(100.0)).order(BUY, 1.0).order(BUY, 1.0).rows(trade(100.0))
    with np.errstate(over="ignore"):
        drawn = [[module.chance(np.uint64(77), order, what) for what in (LATENCY, SLIPPAGE)] for order in (1, 2)]
    for order, (late, slip) in enumerate(drawn):
        row = at.kind(1)[order]
        assert row["active_ns"] - row["ts_event_ns"] == 10_000_000 + int(late * 100_000_000)
        assert at.kind(2)[order]["price"] == pytest.approx(100.0 * (1.0 + 0.01 * slip), rel=1e-15)
    assert drawn[0] != drawn[1]


def test_an_order_never_fills_on_the_row_that_placed_it() -> None:
    """Neither as a market order nor as a limit order that the row would fill."""
    at = desk().script((1, {"kind": 4, "side": 1, "price": 101.0, "quantity": 1.0}), (1, {"kind": 1, "quantity": 1.0}))
    at.rows(trade(100.0))
    assert at.fills == []
    at.rows(trade(100.5))
    assert at.fills == [(1, 100.5, 1.0), (1, 100.5, 1.0)]
