"""Jobs are done once: by workers that come, go and die, with sessions that they start and follow."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec
import pytest

from engine.aggregates.aggregate import Asked
from engine.aggregates.answering import Answering
from engine.aggregates.jobs import JobLimits, Jobs
from engine.jobs.backtest import BacktestBody, BacktestDetail, BacktestResult
from engine.jobs.kind import Kind
from engine.jobs.kinds import KINDS
from engine.jobs.life import JobState
from engine.jobs.queue import Room
from engine.jobs.runner import sign_key
from engine.jobs.work import Work
from engine.recordings.stretches import Span
from engine.research.pips import InPips, Units
from engine.sessions.plan import StrategyWish
from events import codec, subjects
from events.errors import LimitReached, TapeUnavailable
from events.facts import CommandRefused, SessionEnded, SessionFailed
from events.facts.jobs import JobClaimed, JobCompleted, JobFailed, JobProgressed, JobQueued, JobStopped, SubmitJob
from tests.engine.jobs.job_house import JobHouse, wish
from tests.engine.sessions.memory_house import until, walk

ROWS = 4_000
BEGIN_NS = 1_700_000_000_000_000_000


class Plain(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Body and result of the test's own kinds."""

    text: str = ""


async def house_of(folder: Path, kinds: Mapping[str, Kind] = KINDS) -> tuple[JobHouse, str]:
    """A house with a recording."""
    house = JobHouse(folder, kinds)
    await house.start()
    return house, (await house.record(walk(ROWS))).recording.id


def result_of(facts: list[tuple[int, object]], job: str) -> BacktestResult:
    """The one result of a job."""
    (found,) = [one for _, one in facts if isinstance(one, JobCompleted) and one.job == job]
    return msgspec.json.decode(found.result, type=BacktestResult)


async def test_a_backtest_goes_through_the_queue(tmp_path: Path) -> None:
    """A backtest that is asked for is queued, claimed, run as a session of its own and ends with its metrics."""
    house, recording = await house_of(tmp_path)
    async with house.worker() as worker:
        await house.submit("bt1", BacktestBody(wish=wish(recording)))
        await house.until_state("bt1", JobState.COMPLETED)

        async def counted() -> bool:
            return sum(worker.runner.runs.timing().counts) == 1

        await until(counted)
        assert sum(worker.runner.waits.timing().counts) == 1
        assert worker.runner.waits.timing().seconds < 30
        assert 0 < worker.runner.runs.timing().seconds < 30
    facts = await house.facts()
    assert [type(one) for _, one in facts if not isinstance(one, JobProgressed)] == [
        JobQueued,
        JobClaimed,
        JobCompleted,
    ]
    result = result_of(facts, "bt1")
    assert (result.session, result.rows, result.recording) == ("bt1", ROWS, recording)
    history = await house.ended("bt1")
    assert history.ended is not None
    assert (history.started.spec.job, history.ended.decision_hash) == ("bt1", result.decision_hash)
    assert result.measurements.value("total_trades") is not None
    assert history.ended.counts["fill"] > 0


async def test_the_same_backtest_gives_the_same_result(tmp_path: Path) -> None:
    """Two jobs of one body come to the same figures and the same hash, whichever worker did them."""
    house, recording = await house_of(tmp_path)
    async with house.worker("w1", "m1"), house.worker("w2", "m2"):
        for name in ("a", "b"):
            await house.submit(name, BacktestBody(wish=wish(recording, seed=3)))
        for name in ("a", "b"):
            await house.until_state(name, JobState.COMPLETED)
    facts = await house.facts()
    one, other = result_of(facts, "a"), result_of(facts, "b")
    assert one == msgspec.structs.replace(other, session="a")


async def test_exits_in_pips_are_of_the_first_price(tmp_path: Path) -> None:
    """Fifty pips are half a percent of the first price; the same distance as older jobs name it gives the same."""
    house, recording = await house_of(tmp_path)
    rows = walk(ROWS)
    price = float(rows["price"][rows["instrument"] == 0][0])
    pips = BacktestBody(wish=wish(recording), symbol="AAA", in_pips=InPips(stop_loss=50.0, take_profit=100.0))
    older = BacktestBody(wish=wish(recording), symbol="AAA", stop_distance=0.005 * price, target_distance=0.01 * price)
    async with house.worker():
        for name, body in (("pips", pips), ("older", older)):
            await house.submit(name, body)
            await house.until_state(name, JobState.COMPLETED)
    facts = await house.facts()
    assert result_of(facts, "pips").units == Units(price / 10_000, 100_000 / price)
    assert result_of(facts, "older").units is None
    for name in ("pips", "older"):
        limits = (await house.ended(name)).started.spec.limits
        assert (limits.stop_loss_ratio, limits.take_profit_ratio) == (pytest.approx(0.005), pytest.approx(0.01))
    assert result_of(facts, "pips").decision_hash == result_of(facts, "older").decision_hash


async def test_one_core_does_one_job_at_a_time(tmp_path: Path) -> None:
    """Two backtests queued on one core run one after the other, though two workers of the machine are idle."""
    house, recording = await house_of(tmp_path)
    async with house.worker("w1"), house.worker("w2"):
        for name in ("a", "b", "c"):
            await house.submit(name, BacktestBody(wish=wish(recording)))
        for name in ("a", "b", "c"):
            await house.until_state(name, JobState.COMPLETED)
    order = [(type(one), one.job) for _, one in await house.facts() if isinstance(one, JobClaimed | JobCompleted)]
    assert order == [(kind, name) for name in ("a", "b", "c") for kind in (JobClaimed, JobCompleted)]


async def test_a_symbol_and_a_range_find_their_rows(tmp_path: Path) -> None:
    """A symbol with two moments is replayed from the first row at the one to the last row before the other."""
    house, recording = await house_of(tmp_path)
    first, until = BEGIN_NS + 50_000_000_000, BEGIN_NS + 150_000_000_000
    body = BacktestBody(wish=wish(), symbol="AAA", span=Span(first, until))
    async with house.worker():
        await house.submit("bt", body)
        await house.until_state("bt", JobState.COMPLETED)
    result = result_of(await house.facts(), "bt")
    assert (result.recording, result.symbols) == (recording, ("AAA",))
    assert (result.first_ns, result.last_ns) == (first, until - 100_000_000)
    mine = walk(ROWS)
    within = (mine["ts_event_ns"] >= first) & (mine["ts_event_ns"] < until) & (mine["instrument"] == 0)
    assert result.rows == int(within.sum())


async def test_a_wish_that_cannot_be_planned_fails_and_says_why(tmp_path: Path) -> None:
    """What is not recorded, or no strategy, ends the job with the reason and what there is; nothing is run."""
    house, _ = await house_of(tmp_path)
    later = Span(BEGIN_NS + 10**18, BEGIN_NS + 2 * 10**18)
    async with house.worker():
        await house.submit("range", BacktestBody(wish=wish(), symbol="AAA", span=later))
        await house.submit("symbol", BacktestBody(wish=wish(), symbol="ZZZ"))
        for name in ("range", "symbol"):
            await house.until_state(name, JobState.FAILED)
    messages = {one.job: one.message for _, one in await house.facts() if isinstance(one, JobFailed)}
    assert "2023-11-14T22:13:20Z to" in messages["range"]
    assert "There is AAA, BBB" in messages["symbol"]
    assert await house.sessions() == []


async def test_a_dead_workers_job_is_taken_up_and_runs_once(tmp_path: Path) -> None:
    """A worker dies in the middle of a slow backtest: another finishes it, with the one session and the one result."""
    house, recording = await house_of(tmp_path)
    async with house.worker("alive", "m2"):
        async with house.worker("dying", "m1", Room(cores=8.0, memory_mb=8_192)) as dying:
            body = BacktestBody(wish=wish(recording, acceleration=800.0))
            await house.submit("bt", body, cores=4.0)
            await house.until_state("bt", JobState.RUNNING)
            await dying.tape.close()  # nothing of it reaches the tape any more
        await house.until_state("bt", JobState.COMPLETED)
    facts = await house.facts()
    assert len([one for _, one in facts if isinstance(one, JobCompleted)]) == 1
    assert await house.sessions() == ["bt"]
    assert result_of(facts, "bt").rows == ROWS


async def test_a_stop_of_one_that_waits(tmp_path: Path) -> None:
    """A job that is stopped while it waits is never begun; stopping it again changes nothing."""
    house, recording = await house_of(tmp_path)
    await house.submit("bt", BacktestBody(wish=wish(recording)))
    await house.stop("bt")
    answering = Answering(house.tape.share(), house.clock, [Jobs(KINDS)])
    await answering.start()  # alone: a worker beside it might begin the job before the stop is answered
    await house.until_state("bt", JobState.STOPPED)
    await answering.close()
    async with house.worker():
        await house.stop("bt")
        await house.submit("next", BacktestBody(wish=wish(recording)))
        await house.until_state("next", JobState.COMPLETED)
    assert [type(one) for _, one in await house.facts() if one.job == "bt"] == [JobQueued, JobStopped]


async def test_a_stop_of_one_that_runs(tmp_path: Path) -> None:
    """A running job is broken off where it is stopped: it has no result, its session stops, and the next one begins."""
    house, recording = await house_of(tmp_path)
    async with house.worker():
        await house.submit("slow", BacktestBody(wish=wish(recording, acceleration=1.0)))
        await house.submit("next", BacktestBody(wish=wish(recording)))
        await house.until_state("slow", JobState.RUNNING)
        await house.until_session("slow")
        await house.stop("slow")
        await house.until_state("slow", JobState.STOPPED)
        await house.until_state("next", JobState.COMPLETED)
        history = await house.ended("slow")
    assert isinstance(history.ended, SessionEnded)
    assert history.ended.reason == "stopped"
    assert not [one for _, one in await house.facts() if isinstance(one, JobCompleted) and one.job == "slow"]


async def test_work_that_breaks_off_is_tried_again_and_given_up_in_the_end(tmp_path: Path) -> None:
    """What fails for a passing reason is begun again; a job that never gets anywhere is given up, with that reason."""
    tries: list[str] = []

    async def breaks(body: Plain, work: Work) -> Plain:
        tries.append(work.job.id)
        if body.text == "once" and len(tries) > 1:
            return body
        raise TapeUnavailable("not now")

    kinds = {"plain": Kind(name="plain", body=Plain, do=breaks)}
    house, _ = await house_of(tmp_path, kinds)
    async with house.worker():
        await house.submit("a", Plain("once"), kind="plain")
        await house.until_state("a", JobState.COMPLETED)
        await house.submit("b", Plain("never"), kind="plain")
        await house.until_state("b", JobState.FAILED)
    failed = [one for _, one in await house.facts() if isinstance(one, JobFailed)]
    assert [(one.job, one.code) for one in failed] == [("b", "GIVEN_UP")]
    assert failed[0].message.endswith("the last time for TAPE_UNAVAILABLE: not now")
    assert tries.count("b") == 10


async def test_a_job_whose_session_fails_ends_with_the_sessions_reason(tmp_path: Path) -> None:
    """A backtest whose session fails ends once, under its first claim, with the code and message of the session."""
    house, recording = await house_of(tmp_path)
    async with house.worker():
        await house.submit("bt", BacktestBody(wish=wish(recording, acceleration=1.0)))
        await house.until_session("bt")
        fact = SessionFailed(session="bt", code="KERNEL_FAILED", message="row 7")
        await house.tape.append(codec.to_append(fact, subjects.session_fact("bt", research=True), "bt:failed"))
        await house.until_state("bt", JobState.FAILED)
    failed = [one for _, one in await house.facts() if isinstance(one, JobFailed)]
    assert [(one.epoch, one.code, one.message) for one in failed] == [(1, "KERNEL_FAILED", "row 7")]


async def test_a_job_tells_of_itself_beside_its_session(tmp_path: Path) -> None:
    """A session that has the id of its job tells of its first inputs while the job tells of its progress."""
    house, recording = await house_of(tmp_path)
    async with house.worker():
        await house.submit("bt", BacktestBody(wish=wish(recording, acceleration=1.0)))
        await house.until_session("bt")
        told = "a session's first tellings"
        for number in range(1, 4):
            other = codec.to_append(JobProgressed(job="x", epoch=1, ratio=0, description=told), "tape.job.x", "x")
            await house.tape.append(msgspec.structs.replace(other, message_id=f"bt:progress:1:{number}"))

        async def went_on() -> bool:
            mine = [one for _, one in await house.facts() if isinstance(one, JobProgressed) and one.job == "bt"]
            return len(mine) > 3

        await until(went_on)
        assert (await house.queue()).state("bt") is JobState.RUNNING


async def test_progress_is_of_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A backtest tells how many of its rows are read, also where few messages hold them all: the share grows."""
    monkeypatch.setattr("engine.jobs.work.FOLLOW_SECONDS", 0.02)
    house, _ = await house_of(tmp_path)
    rows = walk(ROWS)[walk(ROWS)["instrument"] == 0]
    alone = await house.record(rows, "a10e")
    async with house.worker():
        await house.submit("bt", BacktestBody(wish=wish(alone.recording.id, acceleration=200.0)))
        await house.until_state("bt", JobState.COMPLETED)
    told = [one for _, one in await house.facts() if isinstance(one, JobProgressed)]
    ratios = [one.ratio for one in told if 0.0 < one.ratio < 1.0]
    assert ratios == sorted(ratios)
    assert len(set(ratios)) > 3
    details = {msgspec.json.decode(one.detail, type=BacktestDetail) for one in told}
    assert details == {BacktestDetail(rows=len(rows))}


async def test_a_bug_ends_its_job_only(tmp_path: Path) -> None:
    """An error that is ours ends the job with its name; the worker goes on with the next."""

    async def odd(body: Plain, work: Work) -> Plain:
        if body.text == "odd":
            raise ZeroDivisionError("by zero")
        await work.progress(0.5, "half")
        return body

    house, _ = await house_of(tmp_path, {"plain": Kind(name="plain", body=Plain, do=odd)})
    async with house.worker():
        await house.submit("a", Plain("odd"), kind="plain")
        await house.submit("b", Plain("good"), kind="plain")
        await house.until_state("b", JobState.COMPLETED)
    facts = [one for _, one in await house.facts()]
    assert [(one.job, one.code, one.message) for one in facts if isinstance(one, JobFailed)] == [
        ("a", "BUG", "ZeroDivisionError: by zero")
    ]
    assert [(one.ratio, one.description) for one in facts if isinstance(one, JobProgressed)] == [(0.5, "half")]


async def test_what_cannot_be_a_job_is_refused(tmp_path: Path) -> None:
    """An unknown kind, a body it cannot read, an estimate out of bounds or a taken id is refused with its field."""
    house, recording = await house_of(tmp_path)
    good = BacktestBody(wish=wish(recording))
    await house.submit("a", good)
    asked: list[tuple[str, dict[str, object], msgspec.Struct]] = [
        ("kind", {"kind": "dance"}, good),
        ("body", {}, Plain("x")),
        ("cores", {"cores": 0.0}, good),
        ("cores", {"cores": 2_000.0}, good),
        ("memory_mb", {"memory_mb": -1}, good),
        ("title", {"title": "x" * 201}, good),
        ("job", {"job": "a"}, good),
        ("job", {"job": "no good"}, good),
    ]
    async with house.worker():
        for field, fields, body in asked:
            name = fields.pop("job", f"n{field}")
            answer = await house.answer(await house.submit(str(name), body, **fields))
            assert isinstance(answer, CommandRefused), (field, answer)
            assert answer.field == field


def test_one_user_does_not_fill_the_queue() -> None:
    """A user has so many jobs that wait or run; another's are still taken, and the first's again when one is over."""
    jobs = Jobs(KINDS, JobLimits(queued_per_user_max=2))
    body = msgspec.Raw(msgspec.json.encode(BacktestBody(wish=wish("rec"))))

    def submit(number: int, user: str) -> None:
        command = SubmitJob(key=f"k{number}", user=user, job=f"j{number}", kind="backtest", body=body)
        for fact in jobs.decide(command, Asked(number, 0)).facts:
            jobs.evolve(fact, number, 0)

    submit(1, "ann")
    submit(2, "ann")
    with pytest.raises(LimitReached, match="of ann"):
        submit(3, "ann")
    submit(4, "bob")
    jobs.evolve(JobStopped(job="j1", user="ann"), 5, 0)
    submit(6, "ann")


async def test_a_job_runs_several_sessions_and_sweeps(tmp_path: Path) -> None:
    """A kind may sweep first and then run what was best, in sessions that are named after the job."""

    async def best(body: Plain, work: Work) -> Plain:
        grid = tuple({"fast": fast} for fast in (3, 5, 9))
        swept = await work.plan(wish(body.text, grid=grid), "sweep")
        await work.run(swept, (0.0, 0.5))
        rows = await work.table(swept.session)
        chosen = max(rows, key=lambda row: row.equity).params["fast"]
        params = {"fast": int(chosen), "slow": 20}
        strategies = (StrategyWish(strategy="ema_cross", params=params),)
        history = await work.run(await work.plan(wish(body.text, strategies=strategies), "best"), (0.5, 1.0))
        assert history.ended is not None
        return Plain(f"{chosen} {history.ended.equity == max(row.equity for row in rows)}")

    house, recording = await house_of(tmp_path, {"plain": Kind(name="plain", body=Plain, do=best)})
    async with house.worker():
        await house.submit("j", Plain(recording), kind="plain")
        await house.until_state("j", JobState.COMPLETED, JobState.FAILED)
    (result,) = [one.result for _, one in await house.facts() if isinstance(one, JobCompleted)]
    assert msgspec.json.decode(result, type=Plain).text.endswith(" True")
    assert await house.sessions() == ["j_sweep", "j_best"]


async def test_a_worker_shows_that_it_lives(tmp_path: Path) -> None:
    """While a worker runs, its key is there; when it ends, it is gone."""
    house, _ = await house_of(tmp_path)
    async with house.worker("w1"):
        assert await house.keys.get(sign_key("w1")) is not None
    assert await house.keys.get(sign_key("w1")) is None
