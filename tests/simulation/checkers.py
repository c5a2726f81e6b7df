"""What must hold in every world. Checkers read only the tape and the read model."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from pathlib import Path

import numpy as np

from engine.research.metrics.trades import trades_from_fills
from engine.sessions import history as histories
from engine.sessions.history import History
from events import codec
from events.decisions import from_message
from events.facts import Command, CommandAccepted, CommandRefused, SubmitOrder
from events.rows import OrderStatus, SectionKind
from events.tape import Tape
from projections.duckdb.read_model import DuckReadModel
from projections.read_models.answers import Scope
from projections.read_models.equity import mark_rows
from projections.read_models.fills import fill_rows
from projections.read_models.orders import order_rows
from projections.read_models.sessions import counts
from projections.read_models.sessions import session as one_session
from projections.read_models.signals import signal_rows
from projections.read_models.trades import trade_sums

ROWS_OF = {
    SectionKind.ORDER: order_rows,
    SectionKind.FILL: fill_rows,
    SectionKind.SIGNAL: signal_rows,
    SectionKind.MARK: mark_rows,
}


async def every_command_has_one_answer(tape: Tape) -> None:
    """No command without an answer, none with two."""
    commands, answers = [], Counter[int]()
    async for message in tape.read(1):
        if codec.is_frame(message.body):
            continue
        body = codec.decode(message.body, message.sequence)
        if isinstance(body, Command):
            commands.append(message.sequence)
        elif isinstance(body, CommandAccepted | CommandRefused):
            answers[body.cause] += 1
    assert all(answers[sequence] == 1 for sequence in commands), (commands, answers)


async def equal_keys_have_equal_answers(tape: Tape) -> None:
    """A repeated key is answered as the first time, and changes nothing again."""
    first: dict[str, type] = {}
    changed = Counter[str]()
    async for message in tape.read(1):
        if codec.is_frame(message.body):
            continue
        body = codec.decode(message.body, message.sequence)
        if isinstance(body, CommandAccepted | CommandRefused):
            assert first.setdefault(body.key, type(body)) is type(body), body
            changed[body.key] += isinstance(body, CommandAccepted) and body.changed
    assert max(changed.values(), default=0) <= 1, changed


async def answers_name_their_orders(tape: Tape) -> None:
    """Who sent an order is told its number, or why it was denied, where the loop met it; no other answer names one."""
    commands: dict[int, Command] = {}
    answers: list[CommandAccepted] = []
    placed: set[tuple[str, int]] = set()
    async for message in tape.read(1):
        if message.subject.endswith(".decision"):
            decision = from_message(message)
            placed |= {(decision.session, int(row["order"])) for row in decision.rows(SectionKind.ORDER)}
        elif not codec.is_frame(message.body):
            body = codec.decode(message.body, message.sequence)
            if isinstance(body, Command):
                commands[message.sequence] = body
            elif isinstance(body, CommandAccepted):
                answers.append(body)
    for answer in answers:
        command = commands[answer.cause]
        if isinstance(command, SubmitOrder):
            assert (answer.order > 0) != (answer.denial != ""), answer
            assert not answer.order or (command.session, answer.order) in placed, answer
        else:
            assert (answer.order, answer.denial) == (0, ""), answer


async def ordinals_have_no_gap(tape: Tape, session: str) -> None:
    """Decision rows of each kind follow each other, none twice, none missing."""
    expected = Counter[SectionKind]()
    history = await histories.read(tape, session)
    subject = f"tape.session.{session}.decision"
    async for message in tape.read(history.started_at, subjects=(subject,)):
        for section in from_message(message).sections:
            assert section.ordinal == expected[section.kind], (message.sequence, section.kind)
            expected[section.kind] += len(section.rows)
    assert history.ended is not None, history.failed
    assert {kind.name.lower(): count for kind, count in expected.items()} == {
        name: count for name, count in history.ended.counts.items() if count
    }


async def orders_and_money_add_up(tape: Tape, session: str) -> None:
    """No order filled beyond its size or after its end; cash is what the fills say, to the last digit of a float."""
    history = await histories.read(tape, session)
    orders = history.held.rows(SectionKind.ORDER, 0)
    fills = history.held.rows(SectionKind.FILL, 0)
    sizes = {int(row["order"]): float(row["quantity"]) for row in orders}
    filled: Counter[int] = Counter()
    for row in fills:
        filled[int(row["order"])] += float(row["quantity"])
    assert history.ended is not None, history.failed
    for order, quantity in filled.items():
        assert order in sizes, f"order {order} was filled and never accepted"
        assert quantity <= sizes[order] * (1 + 1e-9), order
    ends = [int(row["order"]) for row in orders if row["status"] in (OrderStatus.FILLED, OrderStatus.CANCELLED)]
    assert len(ends) == len(set(ends)), "an order ended twice"
    cash = Decimal(history.started.spec.limits.cash)
    for row in fills:
        notional = Decimal(float(row["price"])) * Decimal(float(row["quantity"]))
        cash -= int(row["side"]) * notional + Decimal(float(row["fee"]))
        assert abs(cash - Decimal(float(row["cash"]))) < Decimal("1e-6"), row
    marks = history.held.rows(SectionKind.MARK, 0)
    assert np.isfinite(marks["equity"]).all()


def the_read_model_says_the_same(path: Path, history: History) -> None:
    """Orders, fills, signals, equity, trades and counts of the read model are those of the tape."""
    session, fills = history.started.spec.session, history.held.rows(SectionKind.FILL, 0)
    model = DuckReadModel(path)
    model.open()
    try:
        with model.store.read(None) as snapshot:
            for kind, rows_of in ROWS_OF.items():
                assert rows_of(snapshot, session).tobytes() == history.held.rows(kind, 0).tobytes(), kind
            sums, counted = trade_sums(snapshot, Scope(session=session)), counts(snapshot, session)
            assert history.ended is not None, history.failed
            life = one_session(snapshot, session)
    finally:
        model.close()
    trades = trades_from_fills(fills)
    ended = trades[trades["open"] == 0]
    assert (sums.trades, counted.trades) == (len(ended), len(ended))
    assert abs(sums.pnl - float(ended["pnl"].sum())) < 1e-6
    of = history.ended.counts
    assert (counted.orders, counted.fills, counted.signals) == (of["order"], of["fill"], of["signal"])
    assert (counted.denials, counted.marks) == (of["denial"], of["mark"])
    assert life.decision_hash == history.ended.decision_hash
