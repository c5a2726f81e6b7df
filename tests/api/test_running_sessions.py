"""Sessions over HTTP, run by a real engine in this process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from api.auth.users import change
from api.services.acting import Start, begin
from engine.sessions.plan import SessionWish, StrategyWish, plan
from events import codec, subjects
from events.facts import Command, SessionVerified, UserCreated
from tests.api.recordings import LIVE, LiveSource, ticks
from tests.api.worlds import World, password_hash, until_state
from tests.fixtures.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")

OTHER = "other"
RECORDING = "rec_" + "a" * 16
BACKTEST: dict[str, Any] = {"mode": "backtest", "recording": RECORDING, "strategies": [{"strategy": "ema_cross"}]}
PAPER: dict[str, Any] = {"mode": "paper", "source": LIVE, "strategies": [{"strategy": "breakout"}]}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def backtest(running: World) -> str:
    """An ended backtest."""
    answer = await running.post("/api/sessions", BACKTEST | {"seed": 3, "name": "a name"})
    assert answer.status_code == 200, answer.text
    session: str = answer.json()["session"]
    await until_state(running, session, "completed")
    return session


async def test_a_backtest_tells_all_of_itself(running: World, backtest: str) -> None:
    """An ended session says what it was asked, how it ended and what its rows hash to."""
    answer = await running.get(f"/api/sessions/{backtest}")
    body = answer.json()
    assert body["session"]["reason"] == "completed"
    assert len(body["session"]["decision_hash"]) == 64
    assert body["session"]["name"] == "a name"
    assert body["spec"]["seed"] == 3
    assert body["counts"]["fills"] == body["session"]["fills"] > 0
    assert body["session"]["started_time"] < body["session"]["ended_time"]


@pytest.mark.parametrize("rows", ["signals", "orders", "fills", "trades", "positions", "equity"])
async def test_every_list_of_a_session_pages_without_loss(running: World, backtest: str, rows: str) -> None:
    """All pages together are the whole list, each row once."""
    whole = (await running.get(f"/api/sessions/{backtest}/{rows}?limit=1000")).json()
    found, offset = [], 0
    while offset is not None:
        page = (await running.get(f"/api/sessions/{backtest}/{rows}?limit=301&offset={offset}")).json()
        found += page["rows"]
        offset = page["next_offset"]
    assert page["total"] == len(found) > 0
    assert found[:1000] == whole["rows"]
    assert len({str(row) for row in found}) == len(found)


async def test_order_and_its_fills_fit(running: World, backtest: str) -> None:
    """The steps of an order lead to what its fills add up to."""
    fill = (await running.get(f"/api/sessions/{backtest}/fills?limit=1")).json()["rows"][0]
    steps = (await running.get(f"/api/sessions/{backtest}/orders/{fill['order']}")).json()["rows"]
    fills = (await running.get(f"/api/sessions/{backtest}/fills?order_number={fill['order']}")).json()["rows"]
    assert steps[0]["status"] == "accepted"
    assert steps[-1]["filled"] == pytest.approx(sum(one["quantity"] for one in fills))


async def test_metrics_are_named_and_defined(running: World, backtest: str) -> None:
    """Every metric has its definition, and a value or the reason why it has none."""
    body = (await running.get(f"/api/sessions/{backtest}/metrics")).json()
    assert len(body["metrics"]) > 30
    assert all(one["definition"] and (one["value"] is not None or one["reason"]) for one in body["metrics"])
    sums = (await running.get(f"/api/sessions/{backtest}/trades?limit=1000")).json()["rows"]
    assert body["result"]["trade"]["total_trades"] == len(sums)
    assert {type(one["value"]) for one in body["metrics"] if one["unit"] == "count"} == {int}
    whole = ("entry_order", "exit_order", "fills", "entry_sequence")
    assert {type(one[name]) for one in sums for name in whole} == {int}, "counts are whole numbers"


async def test_metrics_are_annualised_as_asked(running: World, backtest: str) -> None:
    """Another period and another year give what was asked for."""
    path = f"/api/sessions/{backtest}/metrics?period=1h&periods_per_year=1638&quiet=skip"
    body = (await running.get(path)).json()
    assert body["annualisation"]["period_ns"] == 3_600_000_000_000
    assert body["annualisation"]["periods_per_year"] == 1638
    assert body["annualisation"]["quiet"] == "skip"


async def test_verification_finds_every_row_equal_and_the_report_says_so(running: World, backtest: str) -> None:
    """A replay of the log decides the same; the report then carries the line."""
    answer = await running.post(f"/api/sessions/{backtest}/verify", name="viewer")
    verdict = answer.json()
    assert verdict["equal"] is True
    assert verdict["decision_hash"] == verdict["held_hash"]
    page = await running.get(f"/api/sessions/{backtest}/report")
    assert page.headers["content-type"].startswith("text/html")
    assert "Verified: decided again" in page.text
    assert verdict["held_hash"] in page.text


async def test_a_fork_runs_with_another_stop(running: World, backtest: str) -> None:
    """A fork has the parent's rows and other limits; lists show it where research is asked for."""
    body = {"limits": {"stop_loss_ratio": 0.001}, "name": "tight stop"}
    answer = await running.post(f"/api/sessions/{backtest}/fork", body)
    fork = answer.json()["session"]
    ended = await until_state(running, fork, "completed")
    parent = (await running.get(f"/api/sessions/{backtest}")).json()["session"]
    assert ended["parent"] == backtest
    assert ended["inputs"] == parent["inputs"]
    assert ended["decision_hash"] != parent["decision_hash"]
    forks = (await running.get(f"/api/sessions?parent={backtest}")).json()["rows"]
    assert fork in [one["session"] for one in forks]


async def test_the_same_seed_gives_the_same_hash(running: World, backtest: str) -> None:
    """A backtest started again over HTTP decides the same bytes."""
    answer = await running.post("/api/sessions", BACKTEST | {"seed": 3})
    again = await until_state(running, answer.json()["session"], "completed")
    assert again["decision_hash"] == (await running.get(f"/api/sessions/{backtest}")).json()["session"]["decision_hash"]


async def test_an_order_by_hand_is_filled_and_cancelled(running: World) -> None:
    """A market order is filled by the next row; a limit order far away works until it is cancelled."""
    session = (await running.post("/api/sessions", PAPER)).json()["session"]
    await until_state(running, session, "running")
    path = f"/api/sessions/{session}"
    order = {"symbol": "BTC_USDT", "side": "buy", "quantity": 0.01}
    source = LiveSource(running.tape)
    await source.give(ticks(3))
    bought = await running.post(f"{path}/orders", order, **{"Idempotency-Key": "once"})
    assert bought.status_code == 200, bought.text
    again = await running.post(f"{path}/orders", order, **{"Idempotency-Key": "once"})
    placed = {"status": "placed", "order": bought.json()["order"], "code": None, "message": ""}
    assert bought.json() == {"session": session, "changed": True} | placed
    assert again.json() == {"session": session, "changed": False} | placed
    large = (await running.post(f"{path}/orders", order | {"quantity": 1e9})).json()
    assert (large["status"], large["order"], large["code"]) == ("denied", None, "BUDGET_EXCEEDED")
    assert "global cap of 10000" in large["message"], large
    far = await running.post(f"{path}/orders", order | {"kind": "limit", "price": 10.0})
    assert far.status_code == 200, far.text
    await source.give(ticks(3, start=10))
    await _until_fills(running, session, 1)
    working = (await running.get(f"{path}/orders?working=true")).json()["rows"]
    assert [(one["kind"], one["order"]) for one in working] == [("limit", far.json()["order"])]
    gone = await running.client.delete(f"{path}/orders/{working[0]['order']}", headers=running.bearer())
    assert gone.status_code == 200
    await running.caught_up()
    assert (await running.get(f"{path}/orders?working=true")).json()["rows"] == []
    unknown = await running.client.delete(f"{path}/orders/99", headers=running.bearer())
    assert unknown.status_code == 404
    assert (await running.client.delete(f"{path}/orders", headers=running.bearer())).status_code == 200
    halted = await running.post(f"{path}/halt", {"strategy": "breakout", "symbol": "ETH_USDT", "halted": True})
    assert halted.status_code == 200, halted.text
    assert (await running.post(f"{path}/code", {})).json()["message"].endswith("is not suspended.")
    stopped = await running.post(f"{path}/stop", {"close_positions": True})
    assert stopped.status_code == 200
    ended = await until_state(running, session, "stopped")
    assert ended["fills"] == 2
    late = await running.post(f"{path}/orders", order)
    assert late.status_code == 409
    assert (await running.post(f"{path}/verify", name="viewer")).json()["equal"] is True
    kept = await verified(running, session)
    while not kept:
        await asyncio.sleep(0.02)
        kept = await verified(running, session)
    assert kept[0].equal
    assert (await running.post(f"{path}/verify", name="viewer")).json()["equal"] is True
    assert len(await verified(running, session)) == 1, "what was found again is kept once"


async def verified(running: World, session: str) -> list[SessionVerified]:
    """What the tape says of verifications of a session."""
    read = running.tape.read(1, subjects=(subjects.session_fact(session),))
    facts = [codec.decode(message.body, message.sequence) async for message in read]
    return [fact for fact in facts if isinstance(fact, SessionVerified)]


async def test_a_running_session_cannot_be_verified_or_forked(running: World) -> None:
    """Both need an end; the answer says so, and nothing is appended."""
    session = (await running.post("/api/sessions", PAPER | {"name": "second"})).json()["session"]
    await until_state(running, session, "running")
    last = await running.caught_up()
    assert (await running.post(f"/api/sessions/{session}/verify")).status_code == 409
    assert (await running.post(f"/api/sessions/{session}/fork", {})).status_code == 409
    report = await running.get(f"/api/sessions/{session}/report")
    assert "these figures are not its last" in report.text
    assert await running.last() == last
    await running.post(f"/api/sessions/{session}/stop")
    await until_state(running, session, "stopped")


async def test_a_sessions_past_can_be_read(running: World, backtest: str) -> None:
    """As of a sequence within its life a session is still running, and as of one before it is unknown."""
    spans = (await running.get(f"/api/sessions/{backtest}")).json()["session"]
    started, ended = spans["sequence"], spans["changed_at"]
    before = await running.get(f"/api/sessions/{backtest}?as_of={started - 1}")
    during = await running.get(f"/api/sessions/{backtest}?as_of={ended - 1}")
    assert before.status_code == 404
    assert during.json()["session"]["state"] == "running"
    assert during.headers["Tape-Sequence"] == str(ended - 1)


async def _until_fills(made: World, session: str, count: int) -> None:
    for _ in range(200):
        await made.caught_up()
        if (await made.get(f"/api/sessions/{session}/fills")).json()["total"] >= count:
            return
    raise AssertionError(f"no {count} fills")


async def test_a_session_of_a_job_is_nobodys_default_and_takes_no_commands_of_others(running: World) -> None:
    """Starts and stops of a user's own sessions leave it alone; another trader may not end it."""
    house = running.house
    await change(running.vault, UserCreated(name=OTHER, role="trader", password_hash=password_hash()))
    await until(lambda: house.users.find(OTHER) is not None)
    await house.lookups.current(house.tape)
    wish = SessionWish(mode="paper", source=LIVE, strategies=(StrategyWish(strategy="breakout"),))
    spec = plan(wish, "exec_of_a_job", "trader", house.lookups.library())
    await begin(house, msgspec.structs.replace(spec, job="job-1"), None, Start())
    body = {
        "session_type": "paper",
        "symbols": ["BTC_USDT"],
        "strategy_config": {"strategies": ["pump_v2"]},
        "config": {"budget": {"global_cap": 1_000, "allocations": {}}},
    }
    mine = (await running.post("/sessions/start", body)).json()["data"]["data"]["session_id"]
    await until_state(running, mine, "running")
    assert (await running.post("/api/system/mode", {"mode": "paper"})).status_code == 200
    assert (await running.post("/api/system/start", {})).json()["session_id"] == mine
    assert (await running.post("/api/system/stop", {})).json()["sessions"] == [mine]
    for path, told in (
        ("/sessions/stop", {"session_id": "exec_of_a_job"}),
        ("/api/sessions/exec_of_a_job/stop", {}),
        ("/api/sessions/exec_of_a_job/orders", {"symbol": "BTC_USDT", "side": "buy", "quantity": 1.0}),
    ):
        refused = await running.post(path, told, OTHER)
        assert (refused.status_code, refused.json()["error_code"]) == (403, "NOT_YOURS"), path
    assert [one async for one in _commands(running) if getattr(one, "session", "") == "exec_of_a_job"] == []


async def _commands(running: World) -> AsyncIterator[Command]:
    async for message in running.tape.read(1, subjects=(subjects.COMMANDS,)):
        body = codec.decode(message.body, message.sequence)
        assert isinstance(body, Command)
        yield body


async def test_what_no_session_can_be_is_refused_before_it_begins(running: World) -> None:
    """A grid on paper, a collect session of a recording, a fork without a strategy: 400, and nothing is appended."""
    collect = (await running.post("/api/sessions", {"mode": "collect", "source": LIVE})).json()["session"]
    await running.post(f"/api/sessions/{collect}/stop", {})  # nobody here claims what only collects
    await until_state(running, collect, "stopped")
    last = (await running.tape.info()).last
    for path, body, field in (
        ("/api/sessions", PAPER | {"grid": [{"entry_window": 20}]}, "grid"),
        ("/api/sessions", {"mode": "collect", "recording": RECORDING}, "recording"),
        (f"/api/sessions/{collect}/fork", {}, "strategies"),
    ):
        refused = await running.post(path, body)
        assert (refused.status_code, refused.json()["field"]) == (400, field), refused.text
    assert (await running.tape.info()).last == last
    refused = await running.post(f"/api/sessions/{collect}/verify", {})
    assert (refused.status_code, refused.json()["error_code"]) == (409, "NOT_VERIFIABLE")


async def test_a_sweep_is_not_said_to_differ(running: World) -> None:
    """It keeps no decisions of its own: a verification says so, and writes nothing about it."""
    sweep = BACKTEST | {"grid": [{"fast": 5, "slow": 20}, {"fast": 10, "slow": 30}]}
    session = (await running.post("/api/sessions", sweep)).json()["session"]
    await until_state(running, session, "completed")
    refused = await running.post(f"/api/sessions/{session}/verify", {})
    assert (refused.status_code, refused.json()["error_code"]) == (409, "NOT_VERIFIABLE")
