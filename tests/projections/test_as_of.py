"""A read as of a moment is the read that could have been made then."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

import pytest
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st

from events.clock import iso
from events.errors import InvalidInput
from projections.as_of import Instant, on_tape, parse
from projections.duckdb.read_model import DuckReadModel
from tests.projections.applying import answer, built, every_query, messages_of
from tests.projections.random_tapes import random_script
from tests.projections.streams import START_NS, Script

PHASES = (Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink)


@settings(max_examples=8, deadline=None, phases=PHASES)
@given(seed=st.integers(0, 2**31), steps=st.integers(1, 70), data=st.data())
def test_every_query_as_of_equals_a_read_model_built_so_far(seed: int, steps: int, data: st.DataObject) -> None:
    """Whatever is asked as of a sequence, the answer is that of a read model that has applied no more."""
    asyncio.run(_compare(seed, steps, data))


async def _compare(seed: int, steps: int, data: st.DataObject) -> None:
    script = await random_script(seed, steps)
    last = (await script.tape.info()).last
    with tempfile.TemporaryDirectory() as folder:
        whole_path, part_path = Path(folder, "whole.duckdb"), Path(folder, "part.duckdb")
        messages = await messages_of(script.tape, DuckReadModel.subjects)
        sizes = data.draw(st.lists(st.integers(1, 30), min_size=1, max_size=4), label="batch sizes")
        whole = built(whole_path, messages, sizes)
        whole.seen(last)
        names = sorted(script.research)
        queries = every_query(data.draw(st.lists(st.sampled_from(names), min_size=1, max_size=2, unique=True)))
        for sequence in data.draw(st.sets(st.integers(0, last), min_size=1, max_size=2), label="as of"):
            part = built(part_path.with_stem(f"part{sequence}"), [one for one in messages if one.sequence <= sequence])
            part.seen(sequence)
            for name, query in queries.items():
                with whole.store.read(sequence) as then, part.store.read() as now:
                    assert then.sequence == now.sequence == sequence
                    assert answer(query, then) == answer(query, now), f"{name} as of {sequence}"
            part.close()
        whole.close()


@example(seed=1048575, steps=2, offset_ns=0)  # the last event is not one of the read model's, and later
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**31), steps=st.integers(1, 30), offset_ns=st.integers(-(10**9), 60 * 10**9))
def test_an_instant_is_the_last_sequence_not_later(seed: int, steps: int, offset_ns: int) -> None:
    """Asked as of an instant, the tape gives the last event appended by then, and the read model knows its own."""
    asyncio.run(_instant(seed, steps, START_NS + offset_ns))


async def _instant(seed: int, steps: int, instant: int) -> None:
    instant = instant // 1000 * 1000  # texts have microseconds
    script = await random_script(seed, steps)
    everything = [message async for message in script.tape.read()]
    expected = max((one.sequence for one in everything if one.appended_ns <= instant), default=0)
    with tempfile.TemporaryDirectory() as folder:
        ours = await messages_of(script.tape, DuckReadModel.subjects)
        model = built(Path(folder, "a.duckdb"), ours, [3])
        model.seen(everything[-1].sequence)
        assert await on_tape(script.tape, Instant(instant), *model.store.around(instant)) == expected
        applied = [one.sequence for one in ours if one.sequence <= expected]
        with model.store.read(iso(instant)) as snapshot:
            assert snapshot.sequence >= expected
            assert [one.sequence for one in ours if one.sequence <= snapshot.sequence] == applied
        model.close()


@pytest.mark.parametrize("text", ["", "yesterday", "-1", "1.5", "9" * 30, "2024-13-01", "0x10", "١٢", "None"])
def test_what_is_neither_sequence_nor_instant_is_refused(text: str) -> None:
    """A wrong `as_of` is an error that names the field."""
    with pytest.raises(InvalidInput) as error:
        parse(text)
    assert error.value.field == "as_of"


def test_digits_are_a_sequence_and_texts_without_zone_are_utc() -> None:
    """`as_of` comes as text from a query string."""
    assert parse("12") == (12, None)
    assert parse("2023-11-14T22:13:20") == (None, START_NS)
    assert parse(None) == (None, None)


@pytest.mark.parametrize("value", [-1, 2**63, True])
def test_numbers_that_are_no_sequence_are_refused(value: int) -> None:
    """Sequences start at 0 and end where the tape's do."""
    with pytest.raises(InvalidInput):
        parse(value)


async def test_later_than_applied_is_refused(tmp_path: Path) -> None:
    """Nobody gets an answer as of a sequence that the read model has not seen."""
    script = Script()
    await script.start("s1")
    model = built(tmp_path / "a.duckdb", await messages_of(script.tape, DuckReadModel.subjects))
    with pytest.raises(InvalidInput, match="up to 1"), model.store.read(2):
        pass
    model.seen(2)
    with model.store.read(2) as snapshot:
        assert snapshot.sequence == 2
    model.close()
