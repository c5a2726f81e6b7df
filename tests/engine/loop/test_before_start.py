"""A session that reads rows before its start: warm where trading begins, and nothing before it."""

from __future__ import annotations

import itertools

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.loop import before_start
from engine.loop.decision_loop import DecisionLoop
from engine.loop.spec import LoopSpec
from events.errors import Conflict
from tests.engine.loop.crowd import STRATEGIES, crowd, outcome, spec, spec_with_intervals
from tests.engine.loop.driving import START_NS

ROWS = crowd(2_000, seed=5)
FROM_NS = int(ROWS["ts_event_ns"][800])


def warm(given_spec: LoopSpec) -> LoopSpec:
    """The same, trading from the middle of the rows on."""
    return msgspec.structs.replace(given_spec, trade_from_ns=FROM_NS)


def test_what_a_start_means_is_code(monkeypatch: pytest.MonkeyPatch) -> None:
    """A session with a start that goes on under another meaning of it finds other code; one without finds the same."""
    cold, begun = DecisionLoop(spec(), STRATEGIES), DecisionLoop(warm(spec()), STRATEGIES)
    kept, hashes = begun.snapshot(), (cold.code_hash, begun.code_hash)
    assert hashes[0] != hashes[1]
    begun.restore(kept)
    monkeypatch.setattr(before_start, "MEANING", before_start.MEANING + 1)
    assert cold.code_hash == hashes[0]
    assert begun.code_hash not in hashes
    with pytest.raises(Conflict):
        begun.restore(kept)


@settings(max_examples=30, deadline=None)
@given(cuts=st.lists(st.integers(0, len(ROWS)), max_size=30), capacity=st.integers(0, 400), intervals=st.booleans())
def test_any_cutting_and_a_snapshot_anywhere_give_the_same_bytes(
    cuts: list[int], capacity: int, intervals: bool
) -> None:
    """What comes before the start knows no cuts either, and a snapshot before it goes on before it."""
    given_spec = warm(spec_with_intervals() if intervals else spec())
    want = outcome(DecisionLoop(given_spec, STRATEGIES), [ROWS])
    edges = [0, *sorted(cuts), len(ROWS)]
    parts = [ROWS[first:last] for first, last in itertools.pairwise(edges)]
    assert outcome(DecisionLoop(given_spec, STRATEGIES, capacity=capacity), parts) == want
    first, second = DecisionLoop(given_spec, STRATEGIES), DecisionLoop(given_spec, STRATEGIES)
    before, _ = outcome(first, [ROWS[: edges[1]]])
    second.restore(first.snapshot())
    after, state = outcome(second, [ROWS[edges[1] :]])
    assert ([one + other for one, other in zip(before, after, strict=True)], state) == want


def test_nothing_is_decided_before_the_start_and_the_account_begins_there() -> None:
    """Every row that is written lies at or behind the start, ordinals begin at 0, the first mark has the capital."""
    loop = DecisionLoop(warm(spec()), STRATEGIES)
    early, late = loop.advance(ROWS[:700]), loop.advance(ROWS[700:])
    assert not early
    assert late.first == (0, 0, 0, 0, 0)
    for kind in late.kinds():
        assert len(kind)
        assert kind["ts_event_ns"].min() >= FROM_NS
    assert late.marks["equity"][0] == spec().limits.cash
    assert loop.inputs > len(late.marks), "rows before the start have their ordinals"


def test_a_start_before_the_first_row_is_none() -> None:
    """A session that may trade from its first row on decides as one that names no start."""
    named = msgspec.structs.replace(spec(), trade_from_ns=START_NS - 10**12)
    assert outcome(DecisionLoop(named, STRATEGIES), [ROWS]) == outcome(DecisionLoop(spec(), STRATEGIES), [ROWS])
