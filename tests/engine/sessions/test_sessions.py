"""Sessions as users start them: one hash in every mode, commands, recovery, forks, sweeps."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import pytest

from engine.research import sweeping
from engine.research.forking import ForkWish, fork
from engine.research.outcome import outcome
from engine.research.sweep_table import table
from engine.research.verify import verify
from engine.sessions import history as histories
from engine.sessions.plan import SessionWish, StrategyWish
from engine.sessions.runner import RunnerSettings
from engine.sources.introducing import introduce
from engine.sources.source import Source
from events import subjects
from events.errors import Conflict, InvalidInput, NotAvailable, Unknown
from events.facts import (
    CommandAccepted,
    CommandRefused,
    HaltLane,
    SessionCosts,
    SessionLimits,
    StartSession,
    StopSession,
    SubmitOrder,
)
from events.rows import Code, SectionKind
from tests.engine.sessions.memory_house import MemoryHouse, until, walk

EMA = (StrategyWish(strategy="ema_cross", params={"fast": 5, "slow": 20}),)
LIMITS = SessionLimits(cash=10_000, global_cap=10_000, stop_loss_ratio=0.02, fill_ratio_max=0.5)


@pytest.fixture
async def house(tmp_path: Path) -> MemoryHouse:
    """An empty house in memory."""
    found = MemoryHouse(tmp_path)
    await found.start()
    return found


async def test_paper_over_a_recording_and_backtest_have_one_hash(house: MemoryHouse) -> None:
    """A recording gives the same decisions as a paper session, as a backtest, paced or not, and verifies."""
    recording = (await house.record(walk(20_000))).recording
    hashes = set()
    async with house.host():
        for mode, acceleration in (("paper", 0.0), ("backtest", 0.0), ("paper", 1e6)):
            wish = SessionWish(
                mode=mode, recording=recording.id, strategies=EMA, limits=LIMITS, acceleration=acceleration
            )
            spec = await house.start_session(wish)
            history = await house.ended(spec.session)
            assert history.ended is not None, history.failed
            assert history.ended.inputs == 20_000
            assert history.ended.counts["fill"] > 100
            hashes.add(history.ended.decision_hash)
            marks = history.held.rows(SectionKind.MARK, 0)
            assert float(marks[-1]["equity"]) == history.ended.equity == outcome(history).curve.equity[-1]
            assert int(marks[-1]["ts_event_ns"]) == int(walk(20_000)["ts_event_ns"][-1])
            verdict = await verify(house.tape, house.reader, house.decider, spec.session)
            assert verdict.equal, verdict.detail
    assert len(hashes) == 1


async def test_the_live_tail_and_its_recording_have_one_hash(tmp_path: Path) -> None:
    """What a paper session decided on a live tail, a backtest of the recording decides again."""
    source = Source(id="sim", kind="simulated", market="six_hours", seed=3, acceleration=0.0)
    source = msgspec.structs.replace(source, symbols=("BTCUSDT", "ETHUSDT", "AQTUSDT", "BRWUSDT", "CLMUSDT"))
    house = MemoryHouse(tmp_path, {"sim": source})
    await house.start()
    from engine import catalogue
    from engine.sources.source import forms_of

    await catalogue.register(house.tape, forms_of(source))
    pump = (StrategyWish(strategy="pump_v2"),)
    async with house.host():
        spec = await house.start_session(SessionWish(mode="paper", source="sim", strategies=pump, limits=LIMITS))
        library = await house.library()

        async def recorded() -> bool:
            nonlocal library
            library = await house.library()
            return any(one.completed for one in library.shelf.recordings.values())

        await until(recorded)
        await house.send(StopSession(key="stop", user="ann", session=spec.session))
        tail = await house.ended(spec.session)
        recording = next(iter(library.shelf.recordings))
        replay = await house.start_session(
            SessionWish(mode="backtest", recording=recording, strategies=pump, limits=LIMITS)
        )
        backtest = await house.ended(replay.session)
    assert tail.ended is not None, tail.failed
    assert backtest.ended is not None, backtest.failed
    assert tail.ended.reason == "stopped"
    assert tail.ended.counts["fill"] > 0
    took = house.order_times.timing()
    assert took.counts[-1] == 0
    assert 0 < sum(took.counts) <= tail.ended.counts["order"], "once a decision with orders, and none of the backtest"
    assert 0 < took.seconds < 30 * sum(took.counts)
    assert tail.ended.decision_hash == backtest.ended.decision_hash
    verdict = await verify(house.tape, house.reader, house.decider, spec.session)
    assert verdict.equal, verdict.detail


async def test_a_killed_session_goes_on_to_the_same_hash(house: MemoryHouse) -> None:
    """Hosts that die again and again in the middle of a session leave the hash of an uninterrupted one."""
    recording = (await house.record(walk(60_000))).recording
    wish = SessionWish(mode="paper", recording=recording.id, strategies=EMA, limits=LIMITS, acceleration=2_000.0)
    async with house.host():
        reference = await house.start_session(msgspec.structs.replace(wish, mode="backtest", acceleration=0.0))
        expected = await house.ended(reference.session)
    quick = RunnerSettings(snapshot_rows=5_000, snapshot_messages=50, snapshot_seconds=0.2, leave_seconds_max=0)
    async with house.host("first", quick):
        spec = await house.start_session(wish)
        await asyncio.sleep(0.4)
    for name in ("second", "third", "fourth"):
        async with house.host(name, quick):
            await asyncio.sleep(0.5)
    assert await house.blobs.names("snapshots/"), "a snapshot was written on the way"
    async with house.host("last", quick):
        history = await house.ended(spec.session)
    assert history.ended is not None, history.failed
    assert expected.ended is not None
    assert history.ended.decision_hash == expected.ended.decision_hash
    verdict = await verify(house.tape, house.reader, house.decider, spec.session)
    assert verdict.equal, verdict.detail


async def test_orders_by_hand_act_where_their_answer_says(house: MemoryHouse) -> None:
    """A hand-made order is filled, is replayed by verify, and a fork with commands repeats it."""
    recording = (await house.record(walk(40_000))).recording
    limits = msgspec.structs.replace(LIMITS, order_notional=1_000)  # leaves budget for the order by hand at any moment
    wish = SessionWish(mode="paper", recording=recording.id, strategies=EMA, limits=limits, acceleration=200.0)
    async with house.host():
        spec = await house.start_session(wish)

        async def priced() -> bool:
            fills = (await histories.read(house.tape, spec.session)).held.rows(SectionKind.FILL, 0)
            return len(fills) > 0  # without a price an order is denied

        await until(priced)
        order = SubmitOrder(key="o1", user="ann", session=spec.session, symbol="AAA", side="buy", quantity=1.5)
        answer = await house.send(order)
        again = await house.send(order)
        refused = await house.send(
            SubmitOrder(key="o2", user="ann", session=spec.session, symbol="ZZZ", side="buy", quantity=1.0)
        )
        halted = await house.send(
            HaltLane(key="h1", user="ann", session=spec.session, strategy="ema_cross", symbol="BBB", halted=True)
        )
        await house.send(msgspec.structs.replace(order, key="o4", quantity=1e9))
        huge = await house.send(msgspec.structs.replace(order, key="o3", quantity=1e9))
        stopped = await house.send(StopSession(key="s1", user="ann", session=spec.session, close_positions=True))
        history = await house.ended(spec.session)
        assert isinstance(answer, CommandAccepted)
        assert isinstance(again, CommandAccepted)
        assert answer.changed
        assert not again.changed, "the same key gives the same answer and no second order"
        assert (answer.order > 0, answer.denial) == (True, "")
        assert again.order == answer.order
        assert isinstance(huge, CommandAccepted)
        assert (huge.order, huge.denial, huge.limit) == (0, "BUDGET_EXCEEDED", limits.global_cap)
        assert isinstance(stopped, CommandAccepted)
        assert (stopped.order, stopped.denial, stopped.limit) == (0, "", 0.0), "an order's fate is in its own answer"
        assert isinstance(refused, CommandRefused)
        assert (refused.code, refused.field) == ("NOT_FOUND", "symbol")
        assert isinstance(halted, CommandAccepted)
        assert isinstance(stopped, CommandAccepted)
        assert (stopped.order, stopped.denial) == (0, ""), "what became of an order is told to who sent it"
        fills = history.held.rows(SectionKind.FILL, 0)
        by_hand = fills[fills["code"] == Code.MANUAL]
        assert by_hand["quantity"].sum() == pytest.approx(1.5)
        assert set(by_hand["order"]) == {answer.order}
        assert by_hand["input"][0] >= answer.effective_input
        verdict = await verify(house.tape, house.reader, house.decider, spec.session)
        assert verdict.equal, verdict.detail
        forked = fork(history, ForkWish(with_commands=True), "forked", "ann", await house.library())
        assert len(forked.commands) == 4
        await house.send(StartSession(key="f", user="ann", spec=forked))
        twin = await house.ended("forked")
        assert twin.ended is not None, twin.failed
        kept = twin.held.rows(SectionKind.FILL, 0)
        assert kept[kept["code"] == Code.MANUAL].tobytes() == by_hand.tobytes()
        assert (await verify(house.tape, house.reader, house.decider, "forked")).equal


async def test_a_fork_with_another_stop_differs_and_verifies(house: MemoryHouse) -> None:
    """A fork reads the same rows with other limits; its parent stays as it is."""
    recording = (await house.record(walk(20_000))).recording
    async with house.host():
        costs = SessionCosts(commission=0.001, spread=0.02)
        limits = msgspec.structs.replace(LIMITS, costs=costs)
        spec = await house.start_session(
            SessionWish(mode="backtest", recording=recording.id, strategies=EMA, limits=limits)
        )
        history = await house.ended(spec.session)
        library = await house.library()
        with pytest.raises(InvalidInput, match="no limit"):
            fork(history, ForkWish(limits={"stop": 1}), "f", "ann", library)
        for beside in ({"params": {"slow": 40}}, {"timeframe": "5m"}):
            with pytest.raises(InvalidInput, match="in each of them"):
                fork(history, ForkWish(strategies=EMA, **beside), "f", "ann", library)  # type: ignore[arg-type]
        dearer = fork(history, ForkWish(limits={"costs": {"leverage": 3.0}}), "f", "ann", library)
        assert dearer.limits.costs == msgspec.structs.replace(costs, leverage=3.0), "what is not named stays as it was"
        forked = fork(history, ForkWish(params={"slow": 40}), "f", "ann", library)
        await house.send(StartSession(key="f", user="ann", spec=forked))
        twin = await house.ended("f")
        assert twin.ended is not None
        assert history.ended is not None
        assert twin.ended.decision_hash != history.ended.decision_hash
        assert twin.started.spec.parent == spec.session
        assert (await verify(house.tape, house.reader, house.decider, "f")).equal


@pytest.mark.parametrize("acceleration", [2_000.0, 0.001])
async def test_a_fork_of_a_stopped_session_reads_what_it_had_read(house: MemoryHouse, acceleration: float) -> None:
    """Stopped in the middle of a recording, or before its second row: nothing changed is the same again."""
    recording = (await house.record(walk(20_000))).recording
    wish = SessionWish(mode="paper", recording=recording.id, strategies=EMA, limits=LIMITS, acceleration=acceleration)
    async with house.host():
        spec = await house.start_session(wish)
        await house.decided(spec.session)
        await house.send(StopSession(key="s", user="ann", session=spec.session))
        history = await house.ended(spec.session)
        await house.send(
            StartSession(key="f", user="ann", spec=fork(history, ForkWish(), "f", "ann", await house.library()))
        )
        twin = await house.ended("f")
    assert history.ended is not None
    assert twin.ended is not None, twin.failed
    assert history.ended.inputs < 20_000
    assert twin.ended.inputs == history.ended.inputs
    assert twin.ended.decision_hash == history.ended.decision_hash


@pytest.mark.parametrize("held", [128, 2])
async def test_one_run_of_a_sweep_is_the_backtest_of_its_parameters(
    house: MemoryHouse, held: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every row of a sweep has the hash that a backtest with its parameters has, however many runs are held at once."""
    monkeypatch.setattr(sweeping, "RUNS_HELD_MAX", held)
    monkeypatch.setattr(sweeping, "TABLE_ROWS_MAX", held)
    recording = (await house.record(walk(10_000))).recording
    grid = ({"fast": 3}, {"fast": 5}, {"fast": 8})
    async with house.host():
        sweep = await house.start_session(
            SessionWish(mode="backtest", recording=recording.id, strategies=EMA, limits=LIMITS, grid=grid)
        )
        await house.ended(sweep.session)
        single = await house.start_session(
            SessionWish(mode="backtest", recording=recording.id, strategies=EMA, limits=LIMITS)
        )
        backtest = await house.ended(single.session)
    rows = await table(house.tape, sweep.session)
    assert [(row.run, row.params["fast"]) for row in rows] == [(0, 3), (1, 5), (2, 8)]
    assert backtest.ended is not None
    assert rows[1].decision_hash == backtest.ended.decision_hash
    assert rows[1].equity == pytest.approx(outcome(backtest).curve.equity[-1])


async def test_a_sweep_is_stopped_by_a_command(house: MemoryHouse) -> None:
    """A stop is answered soon and ends the sweep without results; any other command is refused meanwhile."""
    recording = (await house.record(walk(100_000))).recording
    grid = tuple({"fast": fast, "slow": slow} for fast in range(2, 32) for slow in range(60, 70))
    wish = SessionWish(mode="backtest", recording=recording.id, strategies=EMA, limits=LIMITS, grid=grid)
    async with house.host():
        sweep = await house.start_session(wish)
        order = SubmitOrder(key="o", user="ann", session=sweep.session, symbol="S0", side="buy", quantity=1.0)
        refused, accepted = await asyncio.gather(
            house.send(order), house.send(StopSession(key="stop", user="ann", session=sweep.session))
        )
        ended = (await house.ended(sweep.session)).ended
    assert isinstance(refused, CommandRefused)
    assert isinstance(accepted, CommandAccepted)
    assert ended is not None
    assert (ended.reason, ended.counts["fill"]) == ("stopped", 0)
    results = subjects.session_fact(sweep.session, research=True)
    assert [one async for one in house.tape.read(1, subjects=(results,)) if b"ResearchCompleted" in one.body] == []
    assert await table(house.tape, sweep.session) == []


async def test_the_desk_replaces_repeats_and_refuses(house: MemoryHouse) -> None:
    """The same body is answered with the running session; another body stops it; an id is used once."""
    recording = (await house.record(walk(50_000))).recording
    wish = SessionWish(mode="paper", recording=recording.id, strategies=EMA, acceleration=10.0)
    async with house.host():
        first = await house.plan(wish)
        same = msgspec.structs.replace(first, session="other")
        started = await house.send(StartSession(key="a", user="ann", spec=first, replaces=True, idempotent=True))
        repeated = await house.send(StartSession(key="b", user="ann", spec=same, replaces=True, idempotent=True))
        assert isinstance(started, CommandAccepted)
        assert isinstance(repeated, CommandAccepted)
        assert (repeated.session, repeated.changed) == (first.session, False)
        twice = await house.send(StartSession(key="c", user="ann", spec=first))
        assert isinstance(twice, CommandRefused)
        assert twice.code == "CONFLICT"
        another = await house.plan(msgspec.structs.replace(wish, seed=1))
        await house.send(StartSession(key="d", user="ann", spec=another, replaces=True, idempotent=True))
        over = await house.ended(first.session)
        assert over.ended is not None
        assert over.ended.reason == "replaced"
        late = await house.send(
            SubmitOrder(key="e", user="ann", session=first.session, symbol="AAA", side="buy", quantity=1)
        )
        assert isinstance(late, CommandRefused)
        unknown = await house.send(StopSession(key="f", user="ann", session="nobody"))
        assert isinstance(unknown, CommandRefused)
        assert unknown.code == "NOT_FOUND"
        await house.send(StopSession(key="g", user="ann", session=another.session))
        await house.ended(another.session)


@pytest.mark.parametrize(
    ("change", "error", "field"),
    [
        ({"mode": "live"}, NotAvailable, "mode"),
        ({"recording": None}, InvalidInput, "recording"),
        ({"source": "live"}, InvalidInput, "source"),
        ({"recording": "nothing"}, Unknown, "recording"),
        ({"symbols": ("ZZZ",)}, InvalidInput, "symbols"),
        ({"symbols": ("AAA", "AAA")}, InvalidInput, "symbols"),
        ({"strategies": ()}, InvalidInput, "strategies"),
        ({"strategies": (StrategyWish(strategy="nothing"),)}, Unknown, "strategies[0].strategy"),
        ({"acceleration": float("nan")}, InvalidInput, "acceleration"),
        ({"acceleration": -1.0}, InvalidInput, "acceleration"),
        ({"seed": -1}, InvalidInput, "seed"),
        ({"limits": SessionLimits(stop_loss_ratio=float("nan"))}, InvalidInput, "limits.stop_loss_ratio"),
        ({"limits": SessionLimits(global_cap=-5)}, InvalidInput, "limits.global_cap"),
    ],
)
async def test_a_wrong_wish_is_refused_with_its_field(
    house: MemoryHouse, change: dict[str, object], error: type[Exception], field: str
) -> None:
    """Every wrong value of a wish is refused with its name, before anything is appended."""
    recording = (await house.record(walk(100))).recording
    last = (await house.tape.info()).last
    wish = SessionWish(mode="backtest", recording=recording.id, strategies=EMA)
    with pytest.raises(error) as raised:
        await house.plan(msgspec.structs.replace(wish, **change))
    assert raised.value.field == field  # type: ignore[attr-defined]
    assert (await house.tape.info()).last == last


async def test_an_open_session_cannot_be_verified(house: MemoryHouse) -> None:
    """Verification asks for an ended session and says so."""
    recording = (await house.record(walk(50_000))).recording
    async with house.host():
        spec = await house.start_session(
            SessionWish(mode="paper", recording=recording.id, strategies=EMA, acceleration=1.0)
        )
        with pytest.raises(Conflict, match="has not ended"):
            await verify(house.tape, house.reader, house.decider, spec.session)
        await house.send(StopSession(key="s", user="ann", session=spec.session))
        await house.ended(spec.session)


async def test_instruments_of_a_configured_source_have_numbers(house: MemoryHouse) -> None:
    """A session on a source that never ran can be planned; introducing it again appends nothing."""
    source = Source(id="fresh", kind="simulated", symbols=("BTC_USDT", "ETH_USDT"))
    house.known["fresh"] = source
    wish = SessionWish(mode="paper", source="fresh", strategies=EMA)
    with pytest.raises(Unknown):
        await house.plan(wish)
    for _ in range(2):
        await introduce(house.tape, house.clock, house.known.values())
        assert (await house.tape.info()).last == 2
    assert [one.symbol for one in (await house.plan(wish)).instruments] == ["BTC_USDT", "ETH_USDT"]
