"""The life of a job, and the queue of those that are not over."""

from __future__ import annotations

import itertools

import hypothesis.strategies as st
import msgspec
import pytest
from hypothesis import given

from engine.jobs.life import OVER, TRANSITIONS, Job, JobState, begin, evolve
from engine.jobs.queue import Queue, Room, fits, need
from events.errors import Bug
from events.facts import Fact
from events.facts.jobs import JobClaimed, JobCompleted, JobFailed, JobProgressed, JobQueued, JobStopped

NULL = msgspec.Raw(b"null")
FACTS: tuple[Fact, ...] = (
    JobClaimed(job="j", worker="w", epoch=1, machine="m"),
    JobProgressed(job="j", epoch=1, ratio=0.5),
    JobCompleted(job="j", epoch=1, result=NULL),
    JobFailed(job="j", epoch=1, code="BUG", message="it broke"),
    JobStopped(job="j", user="ann"),
)
ROOM = Room(cores=4.0, memory_mb=4_096)


def queued(name: str, cores: float = 1.0, memory_mb: int = 512) -> JobQueued:
    """A job that waits."""
    return JobQueued(job=name, kind="backtest", body=NULL, user="ann", cores=cores, memory_mb=memory_mb)


def queue_of(*facts: Fact) -> Queue:
    """The queue after facts in order."""
    queue = Queue()
    for sequence, fact in enumerate(facts, 1):
        queue.note(fact, sequence)
    return queue


def job_in(state: JobState) -> Job:
    """A job that stands in a state."""
    return msgspec.structs.replace(begin(queued("j"), 1), state=state)


@pytest.mark.parametrize(
    ("state", "fact"),
    list(itertools.product(JobState, FACTS)),
    ids=lambda each: getattr(each, "value", type(each).__name__),
)
def test_every_pair_of_state_and_fact(state: JobState, fact: Fact) -> None:
    """A fact leads where the table says, and one that cannot be is a bug that names job, state and fact."""
    wanted = TRANSITIONS.get((state, type(fact)))
    if wanted is None:
        with pytest.raises(Bug, match=f"Job j is {state} and met {type(fact).__name__} at sequence 2"):
            evolve(job_in(state), fact, 2)
    else:
        assert evolve(job_in(state), fact, 2).state is wanted


def test_what_is_over_stays_over() -> None:
    """No fact leads out of completed, failed or stopped."""
    assert all(after is before for (before, _), after in TRANSITIONS.items() if before in OVER)


def test_a_claim_names_its_worker() -> None:
    """Who has claimed a job last, where, and for which time, is known."""
    job = evolve(evolve(begin(queued("j"), 1), FACTS[0], 2), JobClaimed(job="j", worker="v", epoch=2, machine="n"), 3)
    assert (job.worker, job.machine, job.epoch, job.last) == ("v", "n", 2, 3)


def test_positions_count_those_that_wait() -> None:
    """The first that waits is at 1; what runs or is over has no place in the queue."""
    queue = queue_of(queued("a"), queued("b"), queued("c"), JobClaimed(job="a", worker="w", epoch=1, machine="m"))
    assert [queue.position(name) for name in ("a", "b", "c", "d")] == [0, 1, 2, 0]
    queue.note(JobStopped(job="b", user="ann"), 5)
    assert (queue.position("c"), queue.state("b"), queue.state("d")) == (1, JobState.STOPPED, None)


def test_a_stop_behind_the_end_changes_nothing() -> None:
    """A job that completed while its stop was on its way is completed, and its result stands."""
    queue = queue_of(queued("j"), *FACTS[:3], JobStopped(job="j", user="ann"))
    assert queue.state("j") is JobState.COMPLETED


def test_a_job_is_queued_once() -> None:
    """A second beginning of a job, answered by another process at the same moment, changes nothing."""
    queue = queue_of(queued("a"), JobClaimed(job="a", worker="w", epoch=1, machine="m"), queued("a", 4.0))
    assert (queue.state("a"), queue.position("a"), queue.open["a"].queued.cores) == (JobState.RUNNING, 0, 1.0)


def test_a_machine_is_not_filled_twice() -> None:
    """What runs on a machine takes of its room until it is over; other machines do not matter."""
    facts = [queued("a", 3.0), JobClaimed(job="a", worker="w", epoch=1, machine="m"), queued("b", 2.0)]
    queue = queue_of(*facts)
    assert queue.free("m", ROOM) == Room(cores=1.0, memory_mb=3_584)
    assert queue.next("m", ROOM, 5) is None
    found = queue.next("n", ROOM, 5)
    assert found is not None
    assert found.id == "b"
    queue.note(JobCompleted(job="a", epoch=1, result=NULL), 4)
    assert queue.next("m", ROOM, 5) is not None


def test_memory_counts_as_cores_do() -> None:
    """A job that wants more memory than is left waits, whatever cores are free."""
    queue = queue_of(
        queued("a", 1.0, 3_000), JobClaimed(job="a", worker="w", epoch=1, machine="m"), queued("b", 0.5, 2_000)
    )
    assert queue.next("m", ROOM, 5) is None


def test_a_job_larger_than_any_machine_runs_alone() -> None:
    """A job that asks for more than there is takes all of a machine: it waits for an empty one, not for ever."""
    queue = queue_of(queued("a"), JobClaimed(job="a", worker="w", epoch=1, machine="m"), queued("b", 64.0, 10**6))
    assert queue.next("m", ROOM, 5) is None
    queue.note(JobCompleted(job="a", epoch=1, result=NULL), 4)
    found = queue.next("m", ROOM, 5)
    assert found is not None
    assert found.id == "b"


def test_the_head_is_passed_a_few_times_only() -> None:
    """Small jobs may pass one that waits for room; after `overtakes_max` of them the machine is kept free for it."""
    queue = queue_of(queued("a"), JobClaimed(job="a", worker="w", epoch=1, machine="m"), queued("large", 4.0))
    for number in range(3):
        queue.note(queued(f"s{number}"), 10 + 10 * number)
        found = queue.next("m", ROOM, 2)
        if number < 2:
            assert found is not None
            assert found.id == f"s{number}"
            queue.note(JobClaimed(job=found.id, worker="w", epoch=1, machine="m"), 11 + 10 * number)
            queue.note(JobCompleted(job=found.id, epoch=1, result=NULL), 12 + 10 * number)
        else:
            assert found is None
    queue.note(JobCompleted(job="a", epoch=1, result=NULL), 50)
    found = queue.next("m", ROOM, 2)
    assert found is not None
    assert found.id == "large"


@given(
    st.lists(st.tuples(st.floats(0.1, 6), st.integers(1, 6_000)), min_size=1, max_size=12),
    st.integers(0, 3),
    st.randoms(),
)
def test_every_job_is_begun_and_no_machine_is_overfilled(
    wanted: list[tuple[float, int]], overtakes_max: int, chance: object
) -> None:
    """Whatever jobs ask for and in whatever order they end, all are begun, and together they never exceed the room."""
    queue, sequence = queue_of(*(queued(f"j{at}", *one) for at, one in enumerate(wanted))), 100
    begun: set[str] = set()
    while queue.open:
        while (job := queue.next("m", ROOM, overtakes_max)) is not None:
            sequence += 1
            queue.note(JobClaimed(job=job.id, worker="w", epoch=1, machine="m"), sequence)
            begun.add(job.id)
            left = queue.free("m", ROOM)
            assert fits(Room(cores=0.0, memory_mb=0), left)
            assert fits(need(job, ROOM), ROOM)
        ending = chance.choice(queue.running())  # type: ignore[attr-defined]
        sequence += 1
        queue.note(JobCompleted(job=ending.id, epoch=1, result=NULL), sequence)
    assert begun == {f"j{at}" for at in range(len(wanted))}


def test_only_the_newest_jobs_that_are_over_are_remembered() -> None:
    """A queue that has seen many jobs keeps the state of the newest; those that wait are never forgotten."""
    queue, sequence = Queue(over_max=3), itertools.count(1)
    queue.note(queued("waits"), next(sequence))
    for number in range(10):
        queue.note(queued(f"j{number}"), next(sequence))
        queue.note(JobStopped(job=f"j{number}", user="ann"), next(sequence))
    assert list(queue.over) == ["j7", "j8", "j9"]
    assert queue.state("j6") is None
    assert queue.state("waits") is JobState.QUEUED
    assert set(queue.overtaken) <= {"waits"}
