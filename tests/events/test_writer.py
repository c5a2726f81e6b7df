"""Group commit: what leaves, in which messages, and what happens when it cannot."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from events import decisions, frames, subjects
from events.clock import ManualClock
from events.decisions import Decision
from events.errors import Bug, FenceLost, OperatingError, OutcomeUnknown, TapeUnavailable
from events.facts import Place
from events.families import MarketFamily, SessionFamily, join, merge
from events.faults import FaultRates, Faults
from events.frames import Section
from events.memory_tape import MemoryTape
from events.rows import MARK_DTYPE, MARKET_DTYPE, SIGNAL_DTYPE, Rows, SectionKind
from events.tape import MESSAGE_ID, Append, Limits, Message
from events.writer import FencedWriter, WriterLimits


def market(first: int, count: int = 1) -> Section:
    """Rows of a source with their ordinal as the price."""
    rows = np.zeros(count, MARKET_DTYPE)
    rows["price"] = np.arange(first, first + count)
    return Section(SectionKind.MARKET, rows, first)


def decision(first: int, count: int = 1, *, epoch: int = 1, inputs: int = 0) -> Decision:
    """A decision of some signals and one mark."""
    signals, marks = np.zeros(count, SIGNAL_DTYPE), np.zeros(1, MARK_DTYPE)
    signals["strength"] = np.arange(first, first + count)
    sections = (Section(SectionKind.SIGNAL, signals, first), Section(SectionKind.MARK, marks, inputs))
    return Decision("s", sections, Place(inputs, 0), inputs, epoch)


async def stored(tape: MemoryTape) -> list[Message]:
    """All messages of the tape."""
    return [message async for message in tape.share().read()]


async def prices(tape: MemoryTape) -> list[float]:
    """Prices of all market rows on the tape in order."""
    parts: list[Rows] = [
        frames.rows_of(frames.decode(message.body), SectionKind.MARKET) for message in await stored(tape)
    ]
    return [float(price) for part in parts for price in part["price"]]


async def test_lone_item_leaves_at_once() -> None:
    """A single row is a message of its own, without waiting for company."""
    tape = MemoryTape()
    writer = FencedWriter(tape, MarketFamily("x"), 0)
    await writer.put(market(0))
    assert await writer.flush() == 1
    message = (await stored(tape))[0]
    assert (message.subject, message.headers[MESSAGE_ID]) == ("tape.market.x", "x:0")
    await writer.close()


async def test_burst_grows_while_one_is_in_flight() -> None:
    """What is put while an append is in flight leaves together in the next one, rows in order."""
    tape = MemoryTape()
    confirmed: list[tuple[int, int]] = []
    writer = FencedWriter(
        tape, MarketFamily("x"), 0, confirmed=lambda items, sequence: confirmed.append((len(items), sequence))
    )
    for number in range(100):
        await writer.put(market(number))
        if number == 0:
            await asyncio.sleep(0)
    assert await writer.flush() == writer.expected
    assert writer.messages == len(await stored(tape)) <= 3
    assert sum(count for count, _ in confirmed) == 100
    assert await prices(tape) == [float(number) for number in range(100)]
    await writer.close()


async def test_messages_keep_their_limits() -> None:
    """No message has more rows or bytes than the limits say, and rows stay in order."""
    tape = MemoryTape()
    limits = WriterLimits(rows_max=10, bytes_max=7 * 48)
    writer = FencedWriter(tape, MarketFamily("x"), 0, limits=limits)
    for number in range(50):
        await writer.put(market(number))
    await writer.flush()
    sizes = [len(frames.decode(message.body)[0].rows) for message in await stored(tape)]
    assert max(sizes) == 7
    assert await prices(tape) == [float(number) for number in range(50)]
    await writer.close()


async def test_put_waits_when_the_queue_is_full() -> None:
    """A source that is faster than the log is held back, not buffered without bound."""
    tape = MemoryTape(clock=ManualClock())
    writer = FencedWriter(tape, MarketFamily("x"), 0, limits=WriterLimits(queue_rows_max=20, rows_max=5))
    highest = 0
    for number in range(200):
        await writer.put(market(number))
        highest = max(highest, writer.unconfirmed)
    await writer.flush()
    assert highest <= 20
    assert len(await prices(tape)) == 200
    await writer.close()


async def test_linger_gathers_company() -> None:
    """With a linger, rows that come within it leave in one message."""
    tape = MemoryTape()
    writer = FencedWriter(tape, MarketFamily("x"), 0, limits=WriterLimits(linger_seconds=0.05))
    for number in range(5):
        await writer.put(market(number))
        await asyncio.sleep(0.002)
    await writer.flush()
    assert len(await stored(tape)) == 1
    await writer.close()


async def test_lost_fence_stops_the_writer() -> None:
    """A second writer of the same source stops the first, which says so from then on."""
    tape = MemoryTape()
    writer = FencedWriter(tape, MarketFamily("x"), 0)
    await tape.append(Append("tape.market.x", b"other", "other"))
    await writer.put(market(0))
    with pytest.raises(FenceLost):
        await writer.flush()
    with pytest.raises(FenceLost):
        await writer.put(market(1))
    assert isinstance(writer.failed, FenceLost)
    assert len(await stored(tape)) == 1


async def test_unknown_outcome_stops_the_writer() -> None:
    """Rows behind an append of unknown outcome are not sent."""
    rates = FaultRates(lost_reply_ratio=1.0)
    faults = Faults(rates, np.random.Generator(np.random.Philox(key=1)))
    tape = MemoryTape(clock=ManualClock(), faults=faults, limits=Limits(append_tries_max=2))
    writer = FencedWriter(tape, MarketFamily("x"), 0)
    await writer.put(market(0))
    await asyncio.sleep(0)
    await writer.put(market(1))
    with pytest.raises(OutcomeUnknown):
        await writer.flush()
    assert writer.unconfirmed == 2


async def test_stopped_tape_wakes_whoever_waits_to_put() -> None:
    """A put that waits for room is told when the writer stops."""
    tape = MemoryTape()
    writer = FencedWriter(tape, MarketFamily("x"), 0, limits=WriterLimits(queue_rows_max=1))
    await tape.close()
    await writer.put(market(0))
    with pytest.raises(TapeUnavailable):
        await writer.put(market(1))


async def test_nothing_follows_close() -> None:
    """A closed writer refuses."""
    writer = FencedWriter(MemoryTape(), MarketFamily("x"), 0)
    await writer.put(market(0))
    await writer.close()
    with pytest.raises(OperatingError, match="closed"):
        await writer.put(market(1))


async def test_decisions_of_a_burst_are_one_message() -> None:
    """Decisions that follow each other join: rows in order by kind, cause and inputs of the last."""
    tape = MemoryTape()
    writer = FencedWriter(tape, SessionFamily("s"), 0)
    for number in range(6):
        await writer.put(decision(number * 2, 2, inputs=number))
        if number == 0:
            await asyncio.sleep(0)
    await writer.flush()
    found = [decisions.from_message(message) for message in await stored(tape)]
    assert (found[-1].inputs, found[-1].cause) == (5, Place(5, 0))
    strengths = [float(row) for each in found for row in each.rows(SectionKind.SIGNAL)["strength"]]
    assert strengths == [float(number) for number in range(12)]
    assert len(found) < 6
    await writer.close()


async def test_facts_stand_between_decisions_under_one_fence() -> None:
    """A fact put between decisions leaves between them, alone, and the fence goes on over both subjects."""
    tape = MemoryTape()
    writer = FencedWriter(tape, SessionFamily("s"), 0)
    await writer.put(decision(0, inputs=0))
    await writer.put(Append(subjects.session_fact("s"), b"{}", "fact-1"))
    await writer.put(decision(1, inputs=1))
    await writer.put(decision(2, epoch=2, inputs=2))
    assert await writer.flush() == 4
    kinds = [message.subject.rpartition(".")[2] for message in await stored(tape)]
    assert kinds == ["decision", "fact", "decision", "decision"]
    await writer.close()


def test_rows_must_go_on_without_a_gap() -> None:
    """Joining rows whose ordinals do not follow each other is our bug, and stops."""
    with pytest.raises(Bug, match="ordinal 5, not at 2"):
        join([market(0, 2), market(5)])
    with pytest.raises(Bug):
        merge([decision(0), decision(7, inputs=1)])
    with pytest.raises(Bug, match="claims"):
        merge([decision(0), decision(1, epoch=2, inputs=1)])
