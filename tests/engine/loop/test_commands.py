"""What happens between two rows: orders by hand, cancels, halts, the end, and a venue's reports."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from engine.loop.commands import CommandKind
from engine.loop.decision_loop import Answer, DecisionLoop, HandOrder, VenueFill
from engine.loop.module import load_loop
from engine.loop.spec import loop_spec
from events.errors import Conflict
from events.facts import SessionInput, SessionSpec, StrategySetting
from events.rows import DECISION_KINDS, MARKET_DTYPE, OrderKind, Side
from tests.engine.loop.driving import (
    START_NS,
    STRATEGIES,
    Desk,
    ask,
    bid,
    limits,
    market,
    plain_loop,
    spec_of,
    terms,
    trade,
)
from tests.engine.loop.kernels import SCRIPTED

LONG, QUOTE = 1, 4
BUY, SELL, LIMIT = Side.BUY, Side.SELL, OrderKind.LIMIT


def test_an_order_by_hand_may_fill_on_the_next_row() -> None:
    """It acts before the row whose ordinal it carries."""
    at = Desk(spec_of()).rows(trade(100.0)).order(BUY, 2.0).rows(trade(101.0))
    assert at.orders == [(1, 1, "ACCEPTED", "MANUAL"), (1, 1, "FILLED", "MANUAL")]
    assert at.fills == [(1, 101.0, 2.0)]
    assert at.loop.lanes["position"].tolist() == [0.0, 2.0]


def test_an_order_by_hand_may_name_a_lane() -> None:
    """To close what a strategy holds."""
    at = Desk(spec_of()).script((1, {"kind": LONG})).rows(trade(100.0), trade(100.0))
    at.order(SELL, 1.0, lane=0).rows(trade(100.0))
    assert at.loop.lanes["position"].tolist() == [0.0, 0.0]


def test_cancels_answer_what_they_did() -> None:
    """One order, an unknown one, all, none."""
    at = Desk(spec_of()).rows(trade(100.0)).order(BUY, 1.0, LIMIT, price=90.0).order(BUY, 1.0, LIMIT, price=91.0)
    answers = [at.loop.cancel(1), at.loop.cancel(1), at.loop.cancel_all(), at.loop.cancel_all()]
    assert [answer for answer, _ in answers] == [Answer.DONE, Answer.NO_ORDER, Answer.DONE, Answer.UNCHANGED]
    assert [len(decisions.orders) for _, decisions in answers] == [1, 0, 1, 0]
    assert answers[2][1].orders["order"].tolist() == [2]


def test_a_halted_lane_enters_nothing_but_may_leave() -> None:
    """Its entries are cancelled; exits go on; it goes on when told."""
    at = Desk(spec_of())
    at.script(
        (1, {"kind": LONG}),
        (1, {"kind": QUOTE, "side": 1, "price": 90.0, "quantity": 1.0}),
        (3, {"kind": LONG, "quantity": 1.0}),
        (4, {"kind": 3}),
        (6, {"kind": LONG}),
    )
    at.rows(trade(100.0), trade(100.0))
    answer, decisions = at.loop.halt(0, True)
    at.keep(decisions)
    assert (answer, at.ends[-1]) == (Answer.DONE, (2, "CANCELLED", "HALTED"))
    assert at.loop.halt(0, True)[0] is Answer.UNCHANGED
    at.rows(trade(100.0), trade(100.0), trade(100.0))
    assert [code for _, code, _ in at.denials] == ["HALTED"]
    assert at.loop.lanes[0]["position"] == 0.0
    assert at.loop.halt(0, False)[0] is Answer.DONE
    at.rows(trade(100.0), trade(100.0))
    assert at.loop.lanes[0]["position"] == 1.0


@pytest.mark.parametrize(
    ("quotes", "price"), [((), 99.99), ((bid(98.0), ask(99.0)), 97.99)], ids=["at the last price", "at the bid"]
)
def test_the_end_cancels_and_may_flatten(quotes: tuple[dict[str, Any], ...], price: float) -> None:
    """Positions are closed at once, as a taker, with slippage and fee."""
    at = Desk(spec_of(given=limits(slippage_ratio=0.0001), instrument=terms(taker_fee_ratio=0.001)))
    at.script((1, {"kind": LONG, "quantity": 2.0}), (2, {"kind": QUOTE, "side": 1, "price": 50.0, "quantity": 1.0}))
    at.rows(trade(100.0), trade(100.0), *quotes)
    inputs = at.loop.inputs
    at.keep(at.loop.close(flatten=True))
    assert at.ends[-2:] == [(2, "CANCELLED", "SESSION_END"), (3, "FILLED", "SESSION_END")]
    assert at.fills[-1] == (inputs, price, -2.0)
    assert float(at.kind(2)[-1]["fee"]) == pytest.approx(price * 2 * 0.001, rel=1e-12)
    assert at.loop.equity == at.kind(4)[-1]["equity"] == at.loop.account["cash"][0]
    assert [len(rows) for rows in at.loop.close(flatten=True).kinds()] == [0, 0, 0, 0, 1]  # the mark of the end


def test_the_end_leaves_positions_open_unless_told() -> None:
    """They stay and are marked."""
    at = Desk(spec_of()).script((1, {"kind": LONG})).rows(trade(100.0), trade(100.0))
    assert [len(rows) for rows in at.loop.close(flatten=False).kinds()] == [0, 0, 0, 0, 1]
    assert at.loop.lanes[0]["position"] == 1.0


def live(**given: Any) -> Desk:
    """A session whose fills a venue reports."""
    return Desk(spec_of(given=limits(**given), simulate_fills=False))


def test_live_orders_wait_for_the_venue() -> None:
    """Rows fill nothing; a report fills at the venue's price, quantity and fee."""
    at = live().script((1, {"kind": LONG, "quantity": 2.0})).rows(*[trade(100.0)] * 3)
    assert at.fills == []
    for quantity in (0.5, 1.5):
        answer, decisions = at.loop.venue_fill(
            VenueFill(order=1, price=100.7, quantity=quantity, fee=0.02, maker=False)
        )
        assert answer is Answer.DONE
        at.keep(decisions)
    assert at.fills == [(3, 100.7, 0.5), (3, 100.7, 1.5)]
    assert at.ends == [(1, "FILLED", "ENTRY")]
    assert float(at.loop.account["fees"][0]) == 0.04


def test_the_venues_other_reports() -> None:
    """Rejected and cancelled orders end; an unknown outcome is recorded and the order waits."""
    at = live().script(*((call, {"kind": LONG, "quantity": 1.0}) for call in (1, 2))).rows(*[trade(100.0)] * 3)
    loop = at.loop
    for kind, order, answer in (
        (CommandKind.VENUE_UNKNOWN, 1, Answer.DONE),
        (CommandKind.VENUE_REJECT, 1, Answer.DONE),
        (CommandKind.VENUE_CANCEL, 2, Answer.DONE),
        (CommandKind.VENUE_CANCEL, 2, Answer.NO_ORDER),
    ):
        got, decisions = loop.venue_report(kind, order)
        at.keep(decisions)
        assert got is answer
    assert [row[2] for row in at.orders[2:]] == ["UNKNOWN", "REJECTED", "CANCELLED"]
    assert loop.venue_fill(VenueFill(order=1, price=1.0, quantity=1.0, fee=0.0, maker=True))[0] is Answer.NO_ORDER


def test_a_venue_cannot_fill_more_than_was_ordered() -> None:
    """The report is refused and nothing changes."""
    at = live().script((1, {"kind": LONG, "quantity": 1.0})).rows(trade(100.0))
    state = at.loop.state_hash()
    answer, decisions = at.loop.venue_fill(VenueFill(order=1, price=100.0, quantity=1.5, fee=0.0, maker=False))
    assert (answer, bool(decisions), at.loop.state_hash()) == (Answer.TOO_MUCH, False, state)


def test_live_protective_exits_are_orders_for_the_venue() -> None:
    """A stop becomes a market order, a target a limit order; one at a time."""
    at = (
        live(stop_loss_ratio=0.02, take_profit_ratio=0.05)
        .script((1, {"kind": LONG, "quantity": 1.0}))
        .rows(trade(100.0))
    )
    at.loop.venue_fill(VenueFill(order=1, price=100.0, quantity=1.0, fee=0.0, maker=False))
    at.rows(trade(100.0), trade(97.0), trade(96.0))
    assert [(row["code"], row["kind"]) for row in at.kind(1)[1:]] == [(3, OrderKind.MARKET)]
    at.loop.venue_report(CommandKind.VENUE_REJECT, 2)
    at.rows(trade(106.0))
    row = at.kind(1)[-1]
    assert (row["code"], row["kind"], row["price"]) == (4, LIMIT, 105.0)


def test_commands_compiled_and_plain_give_the_same_bytes() -> None:
    """Commands too have a plain-Python twin."""
    rows = market([trade(100.0 + at % 7) for at in range(40)])
    states = []
    for loop in (load_loop([SCRIPTED]), plain_loop([SCRIPTED])):
        at = Desk(spec_of(given=limits(stop_loss_ratio=0.01)), loop=loop)
        at.script((2, {"kind": LONG}), (4, {"kind": QUOTE, "side": -1, "price": 110.0, "quantity": 1.0}))
        with np.errstate(all="ignore"):
            at.keep(at.loop.advance(rows[:20]))
            at.order(BUY, 1.0).order(SELL, 2.0, OrderKind.TRAILING, stop_price=1.0).order(BUY, 3.0, LIMIT, price=99.0)
            at.keep(at.loop.halt(0, True)[1])
            at.keep(at.loop.advance(rows[20:]))
            at.keep(at.loop.cancel(3)[1])
            at.keep(at.loop.close(flatten=True))
        states.append((at.loop.state_hash(), [at.kind(kind).tobytes() for kind in range(5)]))
    assert states[0] == states[1]


def test_snapshots_of_another_shape_code_or_bytes_are_refused() -> None:
    """Nothing is restored by halves."""
    loop = DecisionLoop(spec_of(), STRATEGIES)
    loop.advance(market([trade(100.0)]))
    good, state = loop.snapshot(), loop.state_hash()
    other = DecisionLoop(spec_of(working_max=7), STRATEGIES).snapshot()
    plain = DecisionLoop(spec_of(), STRATEGIES, loop=plain_loop([SCRIPTED])).snapshot()
    for bad in (good[:-1], good[:100] + b"x" + good[101:], b"", other, plain):
        with pytest.raises(Conflict):
            loop.restore(bad)
    assert loop.state_hash() == state
    loop.restore(good)
    assert loop.state_hash() == state


def test_sections_carry_the_ordinals_of_their_first_rows() -> None:
    """Decisions become frame sections without counting again."""
    at = Desk(spec_of())
    assert at.loop.advance(market([])).sections() == ()
    first = at.loop.advance(market([trade(100.0)])).sections()
    assert [(section.kind, section.ordinal, len(section.rows)) for section in first] == [(DECISION_KINDS[4], 0, 1)]
    decisions = at.loop.submit(HandOrder(lane=1, side=BUY, quantity=1.0))[1]
    assert [section.ordinal for section in decisions.sections()] == [0]
    sections = at.loop.advance(market([trade(100.0)], 1)).sections()
    assert [(section.kind.name, section.ordinal) for section in sections] == [("ORDER", 1), ("FILL", 0), ("MARK", 1)]
    assert not sections[0].rows.flags.writeable


def test_a_session_becomes_a_loop() -> None:
    """Lanes strategy by strategy, instrument by instrument, with their symbols and shares."""
    session = SessionSpec(
        session="s",
        mode="live",
        user="u",
        input=SessionInput(source="x"),
        instruments=(terms(4), terms(9)),
        strategies=(
            StrategySetting(strategy="scripted", params={}, allocation_ratio=0.25),
            StrategySetting(strategy="ema_cross", params={"fast": 3}, symbols=("S9",)),
        ),
        limits=limits(),
        seed=5,
        code_hash="",
        designated="received",
    )
    spec = loop_spec(session)
    assert [(lane.strategy, lane.instrument) for lane in spec.lanes] == [
        ("scripted", 0),
        ("scripted", 1),
        ("ema_cross", 1),
    ]
    assert (spec.simulate_fills, spec.designated, spec.seed) == (False, "received", 5)


def test_rows_of_a_frame_are_read_as_they_lie() -> None:
    """Read-only rows at any address in a message are read without a copy and left unchanged."""
    rows = market([trade(100.0 + at) for at in range(9)])
    body = b"abc" + rows.tobytes()
    view = np.frombuffer(body, MARKET_DTYPE, offset=3)
    one, two = Desk(spec_of()), Desk(spec_of())
    one.keep(one.loop.advance(rows))
    two.keep(two.loop.advance(view))
    assert one.loop.state_hash() == two.loop.state_hash()
    assert one.loop.instruments[0]["ts_event_ns"] == START_NS + 8_000_000_000
