"""The life of a session: every state with every fact."""

from __future__ import annotations

import msgspec
import pytest

from engine.sessions.life import OVER, TRANSITIONS, Session, SessionState, begin, evolve
from events.errors import Bug
from events.facts import (
    CodeChanged,
    Fact,
    Place,
    SessionClaimed,
    SessionEnded,
    SessionFailed,
    SessionInput,
    SessionLimits,
    SessionProgressed,
    SessionSpec,
    SessionStarted,
    SessionSuspended,
    SessionVerified,
)

SPEC = SessionSpec(
    session="s",
    mode="paper",
    user="ann",
    input=SessionInput(source="sim"),
    instruments=(),
    strategies=(),
    limits=SessionLimits(),
    seed=0,
    code_hash="one",
)
ENDED = SessionEnded(session="s", reason="stopped", inputs=9, place=Place(9, 9), decision_hash="", counts={}, equity=1)
FACTS: tuple[Fact, ...] = (
    SessionClaimed(session="s", engine="other", epoch=7),
    SessionProgressed(session="s", epoch=7, inputs=5, place=Place(5, 5)),
    SessionSuspended(session="s", code_hash="one", found_hash="two"),
    CodeChanged(session="s", code_hash="two", inputs=0, user="ann"),
    SessionFailed(session="s", code="BUG", message="", at=Place(8, 8)),
    ENDED,
    SessionVerified(session="s", equal=True, decision_hash="", rows=0),
)


def session(state: SessionState) -> Session:
    """A session in a state."""
    return msgspec.structs.replace(begin(SessionStarted(spec=SPEC), 1), state=state)


@pytest.mark.parametrize("fact", FACTS, ids=lambda fact: type(fact).__name__)
@pytest.mark.parametrize("state", list(SessionState))
def test_every_pair_is_in_the_table_or_a_bug(state: SessionState, fact: Fact) -> None:
    """A fact leads where the table says; what is not there is a bug; one that is over, or no life cycle, stays."""
    before = session(state)
    if state in OVER or isinstance(fact, SessionVerified):
        assert evolve(before, fact, 2) is before
    elif (state, type(fact)) not in TRANSITIONS:
        with pytest.raises(Bug, match=f"is {state} and met {type(fact).__name__} at sequence 2"):
            evolve(before, fact, 2)
    else:
        after = evolve(before, fact, 2)
        stopped = SessionState.STOPPED if isinstance(fact, SessionEnded) else TRANSITIONS[state, type(fact)]
        assert (after.state, after.last) == (stopped, 2)


def test_a_session_carries_what_its_facts_say() -> None:
    """Engine, epoch, code, place and inputs are those of the newest fact that names them."""
    running = evolve(session(SessionState.STARTED), FACTS[0], 2)
    assert (running.engine, running.epoch) == ("other", 7)
    read = evolve(running, FACTS[1], 3)
    assert (read.inputs, read.place) == (5, Place(5, 5))
    changed = evolve(evolve(read, FACTS[2], 4), FACTS[3], 5)
    assert (changed.state, changed.code_hash) == (SessionState.RUNNING, "two")
    completed = msgspec.structs.replace(ENDED, reason="completed")
    assert evolve(changed, completed, 6).state is SessionState.COMPLETED
