"""A batch of messages decoded at once, and what is said of the first that is wrong with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from events import codec
from events.errors import TapedeckError, Undecodable
from events.rows import SectionKind
from events.tape import Message
from projections.batch import Decided, TapeGap, decode
from tests.projections.applying import batch_of, messages_of, opened
from tests.projections.random_tapes import random_script
from tests.projections.streams import Script, rows_of

EVERYTHING = ("tape.>",)


@pytest.mark.parametrize("seed", [3, 4])
async def test_a_damaged_message_ends_a_batch_with_its_own_error(seed: int) -> None:
    """Whichever message is damaged, what is before it is decoded, and the error is the one it gives alone."""
    messages = await messages_of((await random_script(seed, steps=40)).tape, EVERYTHING)
    assert [type(event.body) is Decided for event in decode(messages).events] == [
        one.subject.endswith(".decision") for one in messages
    ]
    for at in range(0, len(messages), 3):
        one = messages[at]
        damaged = [*messages]
        for body in (one.body[:-1], codec.MAGIC + one.body):
            damaged[at] = Message(one.sequence, one.subject, one.headers, body, one.appended_ns)
            found, alone = decode(damaged), decode([damaged[at]])
            assert [event.sequence for event in found.events] == [each.sequence for each in messages[:at]]
            assert isinstance(found.failure, Undecodable)
            assert isinstance(alone.failure, Undecodable)
            assert (str(found.failure), found.failure.sequence) == (str(alone.failure), one.sequence)


async def crossing() -> Script:
    """Two sessions that decide in turn, each decision of a fill, a mark and two signals."""
    script = Script()
    for session in ("a", "b"):
        await script.start(session)
    for _ in range(3):
        for session in ("a", "b"):
            rows = {SectionKind.FILL: 1, SectionKind.MARK: 1, SectionKind.SIGNAL: 2}
            await script.decide(session, {kind: rows_of(kind, input=[1] * count) for kind, count in rows.items()})
    return script


def refusal(path: Path, messages: list[Message]) -> TapedeckError:
    """What a read model says of the messages as one batch, which it does not apply."""
    model = opened(path)
    model.begin("epoch")
    with pytest.raises(TapedeckError) as refused:
        model.apply(batch_of(model.checkpoint(), messages))
    assert model.checkpoint().sequence == 0
    model.close()
    return refused.value


async def test_the_first_rows_that_are_missing_are_named(tmp_path: Path) -> None:
    """Where several sessions lack rows in one batch, the error is of the first decision that does not follow."""
    messages = await messages_of((await crossing()).tape, EVERYTHING)
    without_two = [one for one in messages if one.sequence not in (3, 6)]
    told = refusal(tmp_path / "gaps.duckdb", without_two)
    assert (type(told), told.sequence) == (TapeGap, 5)
    assert "signal row 2 of session a, and row 0 is due" in str(told)
    told = refusal(tmp_path / "later.duckdb", [one for one in messages if one.sequence != 6])
    assert (type(told), told.sequence) == (TapeGap, 8)
    assert "signal row 4 of session b, and row 2 is due" in str(told)


async def test_missing_rows_are_told_before_what_is_refused_behind_them(tmp_path: Path) -> None:
    """An event that is refused later in a batch does not hide that rows are missing before it."""
    script = await crossing()
    script.research["nobody"] = False
    await script.decide("nobody", {SectionKind.MARK: rows_of(SectionKind.MARK, input=[1])})
    messages = await messages_of(script.tape, EVERYTHING)
    assert refusal(tmp_path / "whole.duckdb", messages).sequence == 9
    assert refusal(tmp_path / "gap.duckdb", [one for one in messages if one.sequence != 3]).sequence == 5
