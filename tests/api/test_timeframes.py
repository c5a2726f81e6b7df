"""A strategy decides on bars of the timeframe that it was given, whichever way it was given."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import pytest
import pytest_asyncio

from engine import catalogue
from engine.feeds.simulated import SimulatedInstrument, SimulatedMarket
from events import frames, subjects
from events.clock import from_iso, iso
from events.frames import Section
from events.rows import BAR_DTYPE, Rows, SectionKind
from events.tape import Append
from tests.api.recordings import LiveSource, simulated_recording
from tests.api.test_jobs import hourly_recording, until
from tests.api.worlds import World, until_state, world
from tests.documents.cases_002_backtests import result

pytestmark = pytest.mark.asyncio(loop_scope="module")

SYMBOL = "TIMED"
RECORDING = "rec_" + "7" * 16
SIGNALS_MAX = 40  # looked at
MINUTE_NS = 60 * 1_000_000_000
HOUR_NS = 60 * MINUTE_NS
EMA = {"fast": 3, "slow": 9}
MARKET = SimulatedMarket(
    instruments=(SimulatedInstrument(symbol=SYMBOL, price=10.0, trades_per_second=0.05),), seed=4, duration_s=6 * 86_400
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def made(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """A house with an engine and six days of trades."""
    async with world(tmp_path_factory.mktemp("timed"), engine=True) as found:
        await simulated_recording(found.tape, MARKET, "7" * 32)
        await found.caught_up()
        yield found


async def over(made: World, path: str, body: dict[str, Any]) -> dict[str, Any]:
    """Start a session; once it is over, what it says of itself."""
    answer = await made.post(path, body)
    assert answer.status_code == 200, answer.text
    name = answer.json().get("session") or answer.json()["backtest_id"]
    await until_state(made, name, "completed")
    whole: dict[str, Any] = (await made.get(f"/api/sessions/{name}", "admin")).json()
    assert (await made.post(f"/api/sessions/{name}/verify")).json()["equal"] is True
    return whole


def timeframe_of(whole: dict[str, Any]) -> str:
    """Of the session's first strategy."""
    found: str = whole["spec"]["strategies"][0]["timeframe"]
    return found


def session(timeframe: str | None = None, strategy: str = "ema_cross") -> dict[str, Any]:
    """A body of /api/sessions."""
    own = {"strategy": strategy, "params": EMA, "timeframe": timeframe}
    return {"mode": "backtest", "recording": RECORDING, "strategies": [own]}


async def configured(made: World, timeframe: str) -> str:
    """A strategy of contract 001 that was configured for a timeframe."""
    form = {"name": f"Of {timeframe}", "type": "ema_cross", "params": {"timeframe": timeframe, **EMA}}
    found: str = (await made.post("/api/strategies/", form)).json()["id"]
    return found


async def test_a_session_decides_on_the_timeframe_it_names(made: World) -> None:
    """Signals come where bars of it close; a configured strategy's is its own unless the session names another."""
    rows, bars = await over(made, "/api/sessions", session()), await over(made, "/api/sessions", session("15m"))
    assert [timeframe_of(one) for one in (rows, bars)] == ["", "15m"]
    assert rows["counts"]["signals"] > 5 * bars["counts"]["signals"] > 100
    strategy = await configured(made, "15m")
    own = await over(made, "/api/sessions", session(strategy=strategy))
    other = await over(made, "/api/sessions", session("", strategy))
    hashes = [one["session"]["decision_hash"] for one in (rows, bars, other, own)]
    assert hashes[0] == hashes[2] != hashes[1] == hashes[3]


async def test_a_fork_may_have_another_timeframe(made: World) -> None:
    """Nothing said keeps it, alone it is of the only strategy, and as a strategy's it is that one's."""
    parent = await over(made, "/api/sessions", session("1h"))
    path, name = f"/api/sessions/{parent['session']['session']}/fork", parent["session"]["decision_hash"]
    kept, changed = await over(made, path, {}), await over(made, path, {"timeframe": "5m"})
    named = await over(made, path, {"strategies": [{"strategy": "ema_cross", "params": EMA, "timeframe": "5m"}]})
    assert [timeframe_of(one) for one in (kept, changed, named)] == ["1h", "5m", "5m"]
    hashes = [one["session"]["decision_hash"] for one in (kept, changed, named)]
    assert hashes[0] == name != hashes[1] == hashes[2]


async def test_backtests_of_contract_001_decide_on_a_timeframe(made: World) -> None:
    """Configured or among `params`; empty it is none, and a word that is no timeframe is named."""
    span = {"start_date": iso(MARKET.start_ns), "end_date": iso(MARKET.start_ns + 7 * 86_400 * 1_000_000_000)}
    body = {"symbol": SYMBOL, "recording": RECORDING, **span}
    strategy = await configured(made, "4h")
    asked: tuple[tuple[str, dict[str, Any]], ...] = (
        (strategy, {}),
        ("ema_cross", {"timeframe": "4h", **EMA}),
        (strategy, {"timeframe": ""}),
        ("ema_cross", EMA),
    )
    hashes = [
        (await over(made, "/api/backtests/run", body | {"strategy": kind, "params": params}))["session"]
        for kind, params in asked
    ]
    pump = body | {"strategy": "pump_v2", "params": {"timeframe": "1m"}}
    refused = await made.post("/api/backtests/run", pump)
    assert (refused.status_code, refused.json()["field"]) == (400, "params.timeframe"), refused.text
    first, second, third, fourth = (one["decision_hash"] for one in hashes)
    assert first == second != third == fourth
    told = (await made.get(f"/api/backtests/{hashes[0]['session']}", "trader")).json()["params"]
    assert told == {"timeframe": "4h", **EMA}
    swept = await made.post("/api/jobs/sweep", body | {"strategy": strategy, "grid": {"fast": [2, 3]}})
    table = (await until(made, swept.json()["job"], "completed"))["result"]["best"]
    assert {one["decision_hash"] for one in table if one["params"]["fast"] == 3} == {first}
    wrong = await made.post("/api/backtests/run", body | {"strategy": "ema_cross", "params": {"timeframe": "7m"}})
    assert (wrong.status_code, wrong.json()["field"]) == (400, "params.timeframe")


async def test_backtests_of_contract_002_decide_on_their_timeframe(made: World) -> None:
    """The same trades on 1m and on 1h are other decisions; a walk-forward's folds have its timeframe too."""
    found = []
    for timeframe in ("1m", "1h"):
        body = {"symbol": SYMBOL, "timeframe": timeframe, "bars": 50_000, "params": EMA}
        name = (await made.post("/api/v1/backtest/run", body)).json()["data"]["jobId"]
        await result(made, name)
        found.append((await made.get(f"/api/sessions/{name}", "admin")).json())
    assert [timeframe_of(one) for one in found] == ["1m", "1h"]
    assert found[0]["counts"]["signals"] > 5 * found[1]["counts"]["signals"] > 25
    windows = {"trainWindowDays": 2, "testWindowDays": 1, "stepSizeDays": 2, "grid": {"fast": [2, 3]}}
    name = (await made.post("/api/v1/walkforward/run", body | windows)).json()["data"]["jobId"]
    await result(made, name, "walkforward")
    folds = (await made.get("/api/sessions?include_research=true&limit=100&mode=backtest", "admin")).json()["rows"]
    parts = [one["session"] for one in folds if one["session"].startswith(f"{name}_")]
    assert len(parts) >= 4
    for part in parts:
        assert timeframe_of((await made.get(f"/api/sessions/{part}", "admin")).json()) == "1h"


async def test_bars_that_are_too_long_are_refused_before_anything_is_appended(made: World) -> None:
    """Of recorded bars of an hour no session decides on five minutes: the error names the field and what there is."""
    hours = await hourly_recording(made)
    last = await made.last()
    own = {"strategy": "ema_cross", "timeframe": "5m"}
    body = {"mode": "backtest", "recording": hours.recording, "strategies": [{"strategy": "breakout"}, own]}
    for path, wanted, field in (
        ("/api/sessions", body, "strategies[1].timeframe"),
        ("/api/sessions", body | {"strategies": [own], "grid": [EMA]}, "strategies[0].timeframe"),
        ("/api/sessions", body | {"strategies": [own | {"timeframe": "2h"}]}, "strategies[0].timeframe"),
    ):
        answer = await made.post(path, wanted)
        assert (answer.status_code, answer.json()["field"]) == (400, field), answer.text
    assert 'one of "", 15m, 1d' in answer.json()["message"]
    assert await made.last() == last
    ran = await over(made, "/api/sessions", body | {"strategies": [{"strategy": "breakout"}]})
    for change in ({"timeframe": "15m"}, {"timeframe": "10m"}):
        answer = await made.post(f"/api/sessions/{ran['session']['session']}/fork", change)
        assert (answer.status_code, answer.json()["field"]) == (400, "timeframe"), answer.text


async def signals_of(made: World, name: str) -> list[dict[str, Any]]:
    """The signals of a session, each with its cause."""
    await made.caught_up()
    count = (await made.get(f"/api/sessions/{name}", "admin")).json()["counts"]["signals"]
    assert count > 10
    return [(await made.get(f"/api/signals/{name}-{at}")).json() for at in range(min(count, SIGNALS_MAX))]


async def test_the_cause_of_a_signal_is_the_row_that_closed_its_bar(made: World) -> None:
    """The first trade at or behind the end of the quarter of an hour, and the one before it lies in that quarter."""
    name = (await over(made, "/api/sessions", session("15m") | {"mode": "paper"}))["session"]["session"]
    for one in await signals_of(made, name):
        cause = one["cause"]
        message = await made.tape.get(cause["sequence"])
        assert message is not None
        rows = frames.decode(message.body)[0].rows
        assert cause["price"] == rows[cause["index"]]["price"] == one["meta"]["price"]
        if cause["index"]:
            quarters = rows["ts_event_ns"][cause["index"] - 1 : cause["index"] + 1] // (15 * MINUTE_NS)
            assert quarters[0] < quarters[1]


def hourly(number: int) -> Rows:
    """Bars of an hour, of which one in three is missing."""
    at = np.flatnonzero(np.random.Generator(np.random.Philox(2)).random(900) < 0.67)
    rows = np.zeros(len(at), BAR_DTYPE)
    rows["ts_event_ns"] = 1_700_000_000_000_000_000 // (24 * HOUR_NS) * 24 * HOUR_NS + at * HOUR_NS
    rows["ts_received_ns"] = rows["ts_event_ns"] + HOUR_NS
    rows["open"] = 10.0 + np.sin(at / 9.0)
    rows["close"], rows["high"], rows["low"] = (rows["open"] * by for by in (1.001, 1.002, 0.999))
    rows["volume"], rows["interval_ns"], rows["instrument"] = 1e6, HOUR_NS, number
    return rows


async def test_over_bars_the_cause_is_the_close_or_behind_a_gap_the_open(made: World) -> None:
    """Four hours of recorded hours: what the session knew of the cause is what it says of it."""
    await LiveSource(made.tape, ("GAPPY",), "gappy").open()
    rows = hourly((await catalogue.load(made.tape)).find("GAPPY").number)
    await made.caught_up()
    own = {"strategy": "ema_cross", "params": {"fast": 2, "slow": 3}, "timeframe": "4h"}
    answer = await made.post("/api/sessions", {"mode": "paper", "source": "gappy", "strategies": [own]})
    name = answer.json()["session"]
    await until_state(made, name, "running")
    for at in range(0, len(rows), 50):
        body = frames.encode([Section(SectionKind.BAR, rows[at : at + 50])])
        await made.tape.append(Append(subjects.market("gappy"), body, f"gappy:{at}"))
    await made.post(f"/api/sessions/{name}/stop", {})
    await until_state(made, name, "stopped")
    wrong = {"mode": "paper", "source": "gappy", "strategies": [own | {"timeframe": "5m"}]}
    assert (await made.post("/api/sessions", wrong)).json()["field"] == "strategies[0].timeframe"
    causes = [(one["cause"], one["meta"]["price"]) for one in await signals_of(made, name)]
    assert all(cause["price"] == price for cause, price in causes)
    ends = [from_iso(cause["time"]) % (4 * HOUR_NS) for cause, _ in causes]
    opens = [cause["quantity"] == 0.0 for cause, _ in causes]
    assert 0 < sum(opens) < len(opens)
    assert all(end == 0 for end, opened in zip(ends, opens, strict=True) if not opened)
