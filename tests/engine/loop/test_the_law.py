"""The law: however rows are cut into calls and wherever a full output interrupts, the same bytes come out."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.loop.decision_loop import OUT_DTYPES, DecisionLoop
from engine.loop.hashing import decision_hash
from engine.loop.module import load_loop
from engine.loop.spec import LoopSpec
from engine.sessions.decision_hash import DecisionHash
from events.rows import DECISION_KINDS, SectionKind
from tests.engine.loop.crowd import STRATEGIES, crowd, outcome, spec, spec_with_intervals
from tests.engine.loop.driving import ROOT, plain_loop

ROWS = crowd(6_000, seed=3)


@pytest.fixture(scope="module")
def whole() -> tuple[list[bytes], str]:
    """The outcome of one call with room for everything."""
    got = outcome(DecisionLoop(spec(), STRATEGIES, capacity=200_000), [ROWS])
    assert min(len(data) for data in got[0]) > 5_000, "every kind of output is there in numbers"
    return got


@settings(max_examples=150, deadline=None)
@given(cuts=st.lists(st.integers(0, len(ROWS)), max_size=40), capacity=st.integers(0, 400))
def test_any_cutting_and_any_capacity_give_the_same_bytes(
    whole: tuple[list[bytes], str], cuts: list[int], capacity: int
) -> None:
    """A session decides the same however its rows arrive."""
    edges = [0, *sorted(cuts), len(ROWS)]
    parts = [ROWS[first:last] for first, last in itertools.pairwise(edges)]
    assert outcome(DecisionLoop(spec(), STRATEGIES, capacity=capacity), parts) == whole


@settings(max_examples=30, deadline=None)
@given(cuts=st.lists(st.integers(0, 2_000), max_size=40), capacity=st.integers(0, 400))
def test_bars_of_lanes_know_no_cuts(cuts: list[int], capacity: int) -> None:
    """The bars that the loop makes are the same however rows arrive, and wherever a snapshot goes on."""
    rows, given_spec = ROWS[:2_000], spec_with_intervals()
    want = outcome(DecisionLoop(given_spec, STRATEGIES), [rows])
    edges = [0, *sorted(cuts), len(rows)]
    parts = [rows[first:last] for first, last in itertools.pairwise(edges)]
    assert outcome(DecisionLoop(given_spec, STRATEGIES, capacity=capacity), parts) == want
    first, second = DecisionLoop(given_spec, STRATEGIES), DecisionLoop(given_spec, STRATEGIES)
    before, _ = outcome(first, [rows[: edges[1]]])
    second.restore(first.snapshot())
    after, state = outcome(second, [rows[edges[1] :]])
    assert ([one + other for one, other in zip(before, after, strict=True)], state) == want


def test_the_decision_hash_knows_no_cuts(whole: tuple[list[bytes], str]) -> None:
    """The hash over rows at hand is the running hash over them in pieces; one changed bit changes it."""
    rows = {
        kind: np.frombuffer(data, dtype) for kind, data, dtype in zip(DECISION_KINDS, whole[0], OUT_DTYPES, strict=True)
    }
    running = DecisionHash()
    for kind, held in rows.items():
        for at in range(0, len(held), 777):
            running.add(kind, held[at : at + 777])
    assert decision_hash(rows) == running.hexdigest()
    fills = rows[SectionKind.FILL].copy()
    fills[0]["maker"] ^= 1
    assert decision_hash({**rows, SectionKind.FILL: fills}) != running.hexdigest()
    assert decision_hash({}) == DecisionHash().hexdigest()


def test_one_row_a_call_gives_the_same_bytes(whole: tuple[list[bytes], str]) -> None:
    """Live, rows come one by one."""
    assert outcome(DecisionLoop(spec(), STRATEGIES), [ROWS[at : at + 1] for at in range(len(ROWS))]) == whole


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10**6), cut=st.integers(0, 1500))
def test_a_snapshot_at_any_cut_goes_on_to_the_same_bytes(seed: int, cut: int) -> None:
    """A process that restores a snapshot decides what the first one would have."""
    rows = crowd(1_500, seed)
    want, state = outcome(DecisionLoop(spec(), STRATEGIES), [rows])
    first, second = DecisionLoop(spec(), STRATEGIES), DecisionLoop(spec(), STRATEGIES)
    before, _ = outcome(first, [rows[:cut]])
    second.restore(first.snapshot())
    after, got = outcome(second, [rows[cut:]])
    assert got == state
    assert [one + other for one, other in zip(before, after, strict=True)] == want


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 10**6), intervals=st.booleans())
def test_plain_python_gives_the_same_bytes(seed: int, intervals: bool) -> None:
    """What numba compiled is what the source says."""
    rows, given_spec = crowd(400, seed), spec_with_intervals() if intervals else spec()
    compiled = outcome(DecisionLoop(given_spec, STRATEGIES), [rows])
    with np.errstate(all="ignore"):
        plain = outcome(DecisionLoop(given_spec, STRATEGIES, loop=plain_loop(STRATEGIES.values(), intervals)), [rows])
    assert plain == compiled


def test_a_lane_alone_in_its_own_loop_decides_as_in_the_loop_of_all() -> None:
    """A kernel chosen by index decides as the one a loop is specialised to."""
    given = spec()
    one = LoopSpec(
        instruments=given.instruments, lanes=given.lanes[:1], limits=given.limits, seed=given.seed, working_max=24
    )
    alone = outcome(DecisionLoop(one, STRATEGIES), [ROWS])[0]
    assert alone == outcome(DecisionLoop(one, STRATEGIES, loop=load_loop(list(STRATEGIES.values()))), [ROWS])[0]


def test_the_state_does_not_hang_on_the_hash_seed() -> None:
    """PYTHONHASHSEED changes nothing."""
    code = (
        "from tests.engine.loop import crowd as law;"
        "print(law.outcome(law.DecisionLoop(law.spec(), law.STRATEGIES), [law.crowd(800, 5)])[1])"
    )
    states = set()
    for seed in ("0", "9"):
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
        )
        states.add(done.stdout)
    assert len(states) == 1
