"""Sessions that cannot run: refused, or failed with the reason; never claimed for ever."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import numpy as np
import pytest

from engine.research.forking import ForkWish, fork
from engine.research.verify import verify
from engine.sessions.decider import Decider
from engine.sessions.life import SessionState
from engine.sessions.plan import SessionWish, StrategyWish
from events import codec, subjects
from events.errors import InvalidInput
from events.facts import (
    CommandAccepted,
    HaltLane,
    SessionClaimed,
    SessionFailed,
    SessionLimits,
    SessionSpec,
    StartSession,
    StopSession,
    SubmitOrder,
)
from events.rows import Code, Rows, SectionKind
from tests.engine.sessions.memory_house import MemoryHouse, walk
from tests.engine.sessions.test_claims import facts_of

EMA = (StrategyWish(strategy="ema_cross", params={"fast": 5, "slow": 20}),)


@pytest.fixture
async def house(tmp_path: Path) -> MemoryHouse:
    """An empty house in memory."""
    found = MemoryHouse(tmp_path)
    await found.start()
    return found


async def start(house: MemoryHouse, spec: SessionSpec) -> None:
    """Start a session as it is specified; the desk accepts it."""
    answer = await house.send(StartSession(key=f"start-{spec.session}", user="ann", spec=spec))
    assert isinstance(answer, CommandAccepted), answer


async def test_a_fork_repeats_orders_before_one_input(house: MemoryHouse) -> None:
    """Two orders by hand before the same row act in their order again, in a fork with commands."""
    recording = (await house.record(walk(20_000))).recording
    async with house.host():
        wish = SessionWish(mode="paper", recording=recording.id, strategies=EMA, acceleration=10.0)
        spec = await house.start_session(wish)
        await house.decided(spec.session)
        await asyncio.sleep(0.3)  # a row of each instrument
        for number in range(3):
            order = SubmitOrder(
                key=f"o{number}",
                user="ann",
                session=spec.session,
                symbol="AAA",
                side="buy",
                quantity=1.0 + number,
                kind="limit",
                price=1.0,
            )
            await house.tape.append(codec.to_append(order, subjects.session_commands(spec.session), order.key))
        await house.send(StopSession(key="s", user="ann", session=spec.session))
        history = await house.ended(spec.session)
        inputs = [one.effective_input for one in history.scheduled if isinstance(one.command, SubmitOrder)]
        assert len(set(inputs)) < len(inputs), "two of them act before one input"
        await start(house, fork(history, ForkWish(with_commands=True), "forked", "ann", await house.library()))
        twin = await house.ended("forked")
        assert twin.ended is not None, twin.failed
        for each in (history, twin):
            orders = each.held.rows(SectionKind.ORDER, 0)
            by_hand = orders[(orders["code"] == Code.MANUAL) & (orders["status"] == 1)]
            assert by_hand["quantity"].tolist() == [1.0, 2.0, 3.0]
        assert (await verify(house.tape, house.reader, house.decider, "forked")).equal


async def test_a_fork_leaves_out_what_it_has_no_lane_for(house: MemoryHouse) -> None:
    """A halt of a strategy that the fork does not run is not among the commands it repeats."""
    recording = (await house.record(walk(20_000))).recording
    async with house.host():
        wish = SessionWish(mode="paper", recording=recording.id, strategies=EMA, acceleration=1.0)
        spec = await house.start_session(wish)
        halt = HaltLane(key="h", user="ann", session=spec.session, strategy="ema_cross", symbol="AAA", halted=True)
        await house.send(halt)
        await house.send(StopSession(key="s", user="ann", session=spec.session))
        history = await house.ended(spec.session)
        other = (StrategyWish(strategy="mean_reversion"),)
        spec = fork(history, ForkWish(strategies=other, with_commands=True), "other", "ann", await house.library())
        assert spec.commands == ()
        assert len(fork(history, ForkWish(with_commands=True), "same", "ann", await house.library()).commands) == 1
        await start(house, spec)
        assert (await house.ended("other")).ended is not None


@pytest.mark.parametrize(
    ("wish", "field"),
    [
        (ForkWish(strategies=(StrategyWish(strategy="ema_cross", symbols=("ZZZ",)),)), "strategies[0].symbols"),
        (ForkWish(strategies=EMA + EMA), "strategies"),
        (
            ForkWish(strategies=(StrategyWish(strategy="ema_cross", allocation_ratio=-1.0),)),
            "strategies[0].allocation_ratio",
        ),
        (ForkWish(strategies=tuple(StrategyWish(strategy=f"s{at}") for at in range(17))), "strategies"),
        (ForkWish(seed=-1), "seed"),
        (ForkWish(params={"fast": 0}), "params.fast"),
        (ForkWish(limits={"stop_loss_ratio": 2.0}), "limits.stop_loss_ratio"),
    ],
)
async def test_a_fork_is_checked_as_a_start_is(house: MemoryHouse, wish: ForkWish, field: str | None) -> None:
    """Symbols the session has not, strategies named twice or too many, shares and seeds are refused by field."""
    recording = (await house.record(walk(100))).recording
    async with house.host():
        spec = await house.start_session(SessionWish(mode="backtest", recording=recording.id, strategies=EMA))
        history = await house.ended(spec.session)
    with pytest.raises(InvalidInput) as raised:
        fork(history, wish, "forked", "ann", await house.library())
    assert raised.value.field == field


async def test_a_session_without_its_strategy_fails(house: MemoryHouse) -> None:
    """A session whose strategy is not installed here fails at once and says which."""
    recording = (await house.record(walk(100))).recording
    async with house.host():
        spec = await house.plan(SessionWish(mode="backtest", recording=recording.id, strategies=EMA))
        gone = tuple(msgspec.structs.replace(one, strategy="gone") for one in spec.strategies)
        await start(house, msgspec.structs.replace(spec, strategies=gone))
        history = await house.ended(spec.session)
    assert history.failed is not None
    assert (history.failed.code, "gone" in history.failed.message) == ("NOT_FOUND", True)


class Breaking(Decider):
    """Breaks at a row, as a bug of ours would."""

    breaks_at = 150

    def rows(self, rows: Rows, kind: SectionKind) -> object:  # type: ignore[override]
        """See `Decider.rows`."""
        if self.inputs + len(rows) > self.breaks_at:
            raise ZeroDivisionError("no such luck")
        return super().rows(rows, kind)


async def test_a_run_that_breaks_twice_fails_the_session(house: MemoryHouse) -> None:
    """An error that nobody foresaw is tried once more, then the session fails and says what it was."""
    recording = (await house.record(walk(200))).recording
    house.decider = lambda spec: Breaking(spec, house.strategies)  # type: ignore[method-assign]
    async with house.host() as host:
        spec = await house.start_session(SessionWish(mode="backtest", recording=recording.id, strategies=EMA))
        history = await house.ended(spec.session)
        kinds = [type(fact) for fact in await facts_of(house, spec)]
        assert history.failed is not None
        assert history.failed.code == "BUG"
        assert "ZeroDivisionError: no such luck" in history.failed.message
        assert kinds.count(SessionClaimed) == 2
        assert kinds[-1] is SessionFailed
        assert host.desk.ended[spec.session].state is SessionState.FAILED


async def test_a_result_that_is_no_number_fails_the_session(house: MemoryHouse) -> None:
    """Where one absurd price makes the equity infinite, the session fails and says so; the host goes on."""
    rows = walk(3_000, instruments=1)
    rows["price"] = np.maximum(rows["price"] * 1e-12, 1e-12)  # a coin of a trillionth
    rows["quantity"] *= 1e14
    rows["ts_event_ns"] = rows["ts_event_ns"][0] + np.arange(3_000) * 1_000
    rows["price"][-1] = 1e300
    recording = (await house.record(rows, steps=(0.0, 0.0))).recording
    limits = SessionLimits(cash=10_000, global_cap=1e15, order_notional=5_000)
    async with house.host() as host:
        wish = SessionWish(mode="backtest", recording=recording.id, strategies=EMA, symbols=("AAA",), limits=limits)
        spec = await house.start_session(wish)
        history = await house.ended(spec.session)
        with pytest.raises(TimeoutError):  # the host goes on
            await asyncio.wait_for(host.ended(), 0.05)
    assert history.failed is not None
    assert history.failed.code == "BUG"
    assert "equity" in history.failed.message
