"""Contract 002, backtests and walk-forwards: run, list, whole result, compared, folds."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from itertools import pairwise
from typing import Any

import httpx
import pytest

from engine import catalogue
from engine.catalogue import InstrumentForm
from engine.feeds.simulated import SimulatedInstrument, SimulatedMarket
from tests.api.asgi_socket import connected
from tests.api.recordings import month_recorded
from tests.api.worlds import World
from tests.documents.shapes import inventory, misfits

ENTRIES = inventory("s2.")
SYMBOL = "EURUSD"
DAYS = 31
# some weeks, so that every figure of a year is defined
MARKET = SimulatedMarket(
    instruments=(
        SimulatedInstrument(
            symbol=SYMBOL,
            price=1.08,
            price_step=0.00001,
            trades_per_second=0.002,
            volatility=0.006,
            spread_ratio=0.00002,
        ),
    ),
    seed=21,
    duration_s=DAYS * 86_400,
)
COIN = "BTC_USDT"
COINS = SimulatedMarket(
    instruments=(
        SimulatedInstrument(symbol=COIN, price=40_000.0, trades_per_second=0.002, volatility=0.03, spread_ratio=0.0001),
    ),
    seed=22,
    duration_s=7 * 86_400,
)
FOREX = InstrumentForm(
    symbol=SYMBOL, venue="SIM", asset_type="forex", base="EUR", quote="USD", price_step=0.00001, quantity_step=1.0
)
PARAMS = {"fast": 10, "slow": 40}


async def asked(made: World, example: str = "s2.backtest.run", **changes: Any) -> dict[str, Any]:
    """The contract's own request over what is recorded, with averages that cross often enough."""
    await catalogue.register(made.tape, [FOREX])  # the same again appends nothing, here and below
    await month_recorded(made.tape, MARKET, "c" * 32)
    return {**ENTRIES[example]["request_example"], "params": PARAMS} | changes


async def queue_one(made: World, **changes: Any) -> str:
    """Queue a backtest; its id."""
    answer = await made.client.post("/api/v1/backtest/run", json=await asked(made, **changes))
    assert answer.status_code == 201, answer.text
    assert misfits(answer.json(), ENTRIES["s2.backtest.run"]["response_shape"]) == []
    name: str = answer.json()["data"]["jobId"]
    return name


async def result(made: World, name: str, kind: str = "backtest", seconds: float = 60.0) -> dict[str, Any]:
    """Wait for a result; its data."""
    async with asyncio.timeout(seconds):
        while True:
            answer = await made.get(f"/api/v1/{kind}/results/{name}")
            if answer.status_code == 200:
                data: dict[str, Any] = answer.json()["data"]
                return data
            assert (answer.status_code, answer.json()["error"]["code"]) == (404, "NOT_FOUND"), answer.text
            job = (await made.get(f"/api/jobs/{name}", "admin")).json()["job"]
            assert job["state"] in ("queued", "running", "completed"), job
            await asyncio.sleep(0.05)


async def runs_backtests(made: World) -> None:
    """The documented request is taken without a token; every wrong field is named, and nothing is appended then."""
    name = await queue_one(made, recording="rec_" + "c" * 16)
    assert name.startswith("backtest_")
    whole = await result(made, name)
    assert whole["metrics"]["trade"]["totalTrades"] > 10
    assert whole["config"]["recording"] == "rec_" + "c" * 16
    last = await made.last()
    for change, field in (
        ({"symbol": "DOGEUSD"}, "symbol"),
        ({"timeframe": "2h"}, "timeframe"),
        ({"strategy": "pump_v2", "params": {}}, '"timeframe":["pump_v2 never signals on bars of'),
        ({"bars": 0}, "bars"),
        ({"config": {"leverage": 0}}, "config.leverage"),
        ({"config": {"nSimulations": 10_001}}, "config.nSimulations"),
        ({"config": {"pipSize": 0}}, "config.pipSize"),
        ({"config": {"riskPerTrade": 2}}, "config.riskPerTrade"),
        ({"config": {"riskPerTrade": 0.03}}, "above maxPositionSize, which is 0.02"),
        ({"config": {"monteCarloMethod": "luck"}}, "config.monteCarloMethod"),
        ({"strategy": "nosuch"}, "strategy"),
        ({"recording": "nosuch"}, "recording"),
        ({"params": {"fast": 1}}, "params.fast"),
        ({"surely": 1}, "surely"),
    ):
        answer = await made.client.post("/api/v1/backtest/run", json=await asked(made, **change))
        assert answer.status_code == 400, answer.text
        assert field in answer.text
    assert await made.last() == last
    await _trades_a_coin(made)


async def _trades_a_coin(made: World) -> None:
    """The documented request trades what is no currency pair too; what its result says of it gives the same again."""
    await month_recorded(made.tape, COINS, "e" * 32)
    body = await result(made, await queue_one(made, symbol=COIN, timeframe="1m"))
    assert body["metrics"]["trade"]["totalTrades"] > 10
    assert set(body["denials"]) <= {"DAILY_LOSS_REACHED"}
    kept = body["config"]["config"]
    assert kept["pipSize"] == pytest.approx(4.0, rel=0.01)
    assert kept["lotSize"] * kept["pipSize"] == pytest.approx(10.0)
    limits = (await made.get(f"/api/sessions/{body['session']}")).json()["spec"]["limits"]
    assert (limits["stop_loss_ratio"], limits["take_profit_ratio"]) == (pytest.approx(0.005), pytest.approx(0.01))
    price = kept["pipSize"] * 10_000
    assert limits["costs"]["commission"] == pytest.approx(7.0 / 100_000 * price)
    assert _notional(body) == pytest.approx(200 / 0.005, rel=0.01)
    answer = await made.client.post("/api/v1/backtest/run", json=body["config"])
    assert answer.status_code == 201, answer.text
    again = await result(made, answer.json()["data"]["jobId"])
    assert (again["decisionHash"], again["config"]) == (body["decisionHash"], body["config"])
    # with hardly any margin an entry is smaller, not denied for ever
    poor = await result(made, await queue_one(made, symbol=COIN, timeframe="1m", config={"leverage": 1}))
    assert poor["metrics"]["trade"]["totalTrades"] > 10
    assert set(poor["denials"]) <= {"DAILY_LOSS_REACHED"}
    assert _notional(poor) == pytest.approx(10_000, rel=0.01)


def _notional(body: dict[str, Any]) -> float:
    """Of the first trade, quote currency."""
    first: dict[str, float] = body["trades"][0]
    return first["size"] * body["config"]["config"]["lotSize"] * first["entryPrice"]


async def lists_backtests(made: World) -> None:
    """Newest first, by symbol and by Sharpe ratio, with the page beside the data."""
    first, second = await queue_one(made, monteCarlo=False), await queue_one(made, params={"fast": 20, "slow": 50})
    for name in (first, second):
        await result(made, name)
    body = (await made.get(f"/api/v1/backtest/results?symbol={SYMBOL}&limit=1000")).json()
    assert misfits(body, ENTRIES["s2.backtest.results"]["response_shape"]) == []
    rows = body["data"]["results"]
    assert {type(row["summary"]["totalTrades"]) for row in rows} == {int}
    names = [row["resultId"] for row in rows]
    assert names.index(second) < names.index(first)
    assert body["data"]["total"] == body["pagination"]["total"] == len(rows)
    ratios = sorted(row["summary"]["sharpeRatio"] for row in rows)
    good = (await made.get(f"/api/v1/backtest/results?symbol={SYMBOL}&minSharpe={ratios[-1]}")).json()["data"]
    assert {row["summary"]["sharpeRatio"] for row in good["results"]} == {ratios[-1]}
    none = (await made.get("/api/v1/backtest/results?symbol=DOGEUSD")).json()
    assert (none["data"]["results"], none["pagination"]["hasMore"]) == ([], False)
    wrong = await made.get("/api/v1/backtest/results?minSharpe=x")
    assert (wrong.status_code, list(wrong.json()["error"]["details"])) == (400, ["minSharpe"])


async def gives_the_whole_result(made: World) -> None:
    """Every group of metrics, curves side by side, trades that add up, simulations; costs make it cost."""
    name, plain = await queue_one(made), await queue_one(made, realisticMode=False, monteCarlo=False)
    drawn = {**ENTRIES["s2.backtest.run"]["request_example"]["config"], "monteCarloMethod": "returns", "blockLength": 3}
    by_returns = await queue_one(made, config=drawn)
    body, free, blocks = await result(made, name), await result(made, plain), await result(made, by_returns)
    for one in (body, free, blocks):
        assert misfits({"data": one}, ENTRIES["s2.backtest.result"]["response_shape"]) == [], one["reasons"]
    series, trades = body["timeSeries"], body["trades"]
    assert len(series["equityCurve"]) == len(series["drawdownCurve"]) == len(series["timestamps"]) <= 1_000
    assert (series["equityCurve"][0], series["drawdownCurve"][0]) == (10_000, 0)
    assert min(series["drawdownCurve"]) == pytest.approx(body["metrics"]["risk"]["maxDrawdown"])
    counts = [value for name, value in body["metrics"]["trade"].items() if name.endswith("Trades")]
    assert [type(count) for count in counts] == [int] * 4
    ended = [one for one in trades if one["status"] != "open"]
    assert len(ended) == body["metrics"]["trade"]["totalTrades"]
    gained = sum(one["pnl"] for one in trades)
    assert series["equityCurve"][-1] == pytest.approx(10_000 + gained, rel=1e-4)
    assert {one["status"] for one in ended} >= {"signal", "tp_hit"}
    assert all(one["pnlPercent"] == pytest.approx(one["pnl"] / 10_000) for one in trades)
    simulated = body["monteCarlo"]
    assert simulated["simulations"] == 1_000
    assert simulated["finalEquity"]["percentile5"] < simulated["finalEquity"]["mean"]
    assert simulated["maxDrawdown"]["percentile95"] < simulated["maxDrawdown"]["mean"] < 0
    assert "monteCarlo" not in free
    assert (simulated["method"], simulated["steps"]) == ("trades", body["metrics"]["trade"]["totalTrades"])
    # the same backtest with its daily returns drawn in blocks of three
    assert blocks["decisionHash"] == body["decisionHash"]
    assert [blocks["monteCarlo"][key] for key in ("method", "blockLength")] == ["returns", 3]
    assert DAYS - 1 <= blocks["monteCarlo"]["steps"] <= DAYS + 1
    assert blocks["monteCarlo"]["finalEquity"] != simulated["finalEquity"]
    # half the spread and the slippage on each side, and a commission: the first trade is dearer by just that
    dear, cheap = trades[0], free["trades"][0]
    assert dear["direction"] == cheap["direction"]
    away = (1.5 / 2 + 1.0) * 0.0001 * (1 if dear["direction"] == "long" else -1)
    assert dear["entryPrice"] - cheap["entryPrice"] == pytest.approx(away, abs=1.1e-5)
    config = body["config"]["config"]
    assert (config["stopLossPips"], config["pipSize"], config["lotSize"]) == (50.0, 0.0001, 100_000.0)
    assert body["currency"] == "USD"
    session = (await made.get(f"/api/sessions/{body['session']}")).json()
    assert session["session"]["decision_hash"] == body["decisionHash"]
    limits = session["spec"]["limits"]
    assert (limits["daily_loss_ratio"], limits["position_risk_ratio"], limits["costs"]["risk_ratio"]) == (
        0.05,
        0.02,
        0.02,
    )
    for one in (body, free):  # a size by risk comes just as far as a position may
        denials = (await made.get(f"/api/sessions/{one['session']}/denials")).json()["rows"]
        assert {row["code"] for row in denials} <= {"DAILY_LOSS_REACHED"}
    # the end of the job is told with the same result, without what it would be too long with
    long = {"currency", "timeSeries", "trades", "tradesTotal"}
    assert await _told(made, name) == {key: value for key, value in body.items() if key not in long}
    await _keeps_limits(made)
    missing = await made.get("/api/v1/backtest/results/nosuch")
    assert (missing.status_code, missing.json()["error"]["code"]) == (404, "NOT_FOUND")


async def _told(made: World, name: str) -> dict[str, Any]:
    """The result of a job as who subscribes to it on the socket is told."""
    async with connected(made.app) as socket:
        await socket.send({"type": "subscribe", "channel": "backtest", "jobId": name})
        while (message := await socket.receive(30.0))["type"] != "job_complete":
            pass
    found: dict[str, Any] = message["data"]["result"]
    return found


async def _keeps_limits(made: World) -> None:
    """A day that lost its share opens nothing more, and an entry risks no more than a position may."""
    careful = {"maxDailyLoss": 0.001, "maxPositionSize": 0.005}
    body = await result(made, await queue_one(made, realisticMode=False, config=careful))
    kept = body["config"]["config"]
    assert (kept["maxDailyLoss"], kept["maxPositionSize"]) == (0.001, 0.005)
    path = f"/api/sessions/{body['session']}"
    assert (await made.get(path)).json()["spec"]["limits"]["costs"]["risk_ratio"] == 0.005
    denials = (await made.get(f"{path}/denials?limit=1000")).json()["rows"]
    assert {row["code"] for row in denials} == {"DAILY_LOSS_REACHED"}
    assert body["metrics"]["trade"]["totalTrades"] > 0
    free = await result(
        made, await queue_one(made, realisticMode=False, config={"maxDailyLoss": 0, "maxPositionSize": 0})
    )
    assert free["metrics"]["trade"]["totalTrades"] > body["metrics"]["trade"]["totalTrades"]


async def compares(made: World) -> None:
    """Results as they were named, and the best of them by three figures; an unknown one is a 404."""
    names = [await queue_one(made, params={"fast": fast, "slow": 40}) for fast in (5, 20)]
    for name in names:
        await result(made, name)
    answer = await _compare(made, names)
    assert misfits(answer.json(), ENTRIES["s2.backtest.compare"]["response_shape"]) == []
    data = answer.json()["data"]
    assert [one["resultId"] for one in data["results"]] == names
    gains = [one["metrics"]["returns"]["totalReturn"] for one in data["results"]]
    assert data["comparison"]["bestByReturn"] == names[gains.index(max(gains))]
    falls = [one["metrics"]["risk"]["maxDrawdown"] for one in data["results"]]
    assert data["comparison"]["bestByDrawdown"] == names[falls.index(max(falls))]
    assert (await _compare(made, [*names, "nosuch"])).status_code == 404
    assert (await _compare(made, [])).status_code == 400
    assert (await _compare(made, names * 30)).status_code == 400


async def _compare(made: World, names: list[str]) -> httpx.Response:
    return await made.client.post("/api/v1/backtest/compare", json={"resultIds": names})


async def walk(made: World, **changes: Any) -> httpx.Response:
    """Ask for a walk-forward over a few weeks."""
    windows = {"trainWindowDays": 14, "testWindowDays": 7, "stepSizeDays": 7}
    grid = {"fast": [5, 10], "slow": [30, 60]}
    body = await asked(made, "s2.walkforward.run", **({**windows, "grid": grid} | changes))
    return await made.client.post("/api/v1/walkforward/run", json=body)


async def runs_walkforwards(made: World) -> None:
    """The folds are estimated from the windows; windows that do not fit are named."""
    answer = await walk(made)
    assert answer.status_code == 201, answer.text
    assert misfits(answer.json(), ENTRIES["s2.walkforward.run"]["response_shape"]) == []
    assert answer.json()["data"]["estimatedFolds"] == (DAYS - 21) // 7 + 1
    for change, field in (
        ({"trainWindowDays": 180}, "trainWindowDays"),
        ({"stepSizeDays": 0}, "stepSizeDays"),
        ({"grid": {"fast": [1]}}, "grid"),
        ({"grid": {"surely": [1]}}, "grid"),
        ({"symbol": "DOGEUSD"}, "symbol"),
    ):
        refused = await walk(made, **change)
        assert refused.status_code == 400, refused.text
        assert field in refused.text


async def gives_folds(made: World) -> None:
    """Each fold with its days, what was fitted and what the test came to; the aggregate is of just these."""
    name = (await walk(made)).json()["data"]["jobId"]
    body = await result(made, name, "walkforward")
    assert misfits({"data": body}, ENTRIES["s2.walkforward.result"]["response_shape"]) == []
    folds = body["folds"]
    assert len(folds) == body["nFolds"] >= 2
    assert await _told(made, name) == body
    assert (body["pipSize"], body["lotSize"]) == (0.0001, 100_000.0)
    assert [fold["fold"] for fold in folds] == list(range(len(folds)))
    for fold, following in pairwise(folds):
        assert fold["trainStart"] < fold["trainEnd"] <= fold["testStart"] < fold["testEnd"]
        assert following["testStart"] > fold["testStart"]
        assert (fold["params"]["fast"], fold["params"]["slow"]) in [(5, 30), (5, 60), (10, 30), (10, 60)]
    gains = [fold["metrics"]["totalReturn"] for fold in folds]
    found = body["aggregate"]["totalReturn"]
    assert (found["min"], found["max"]) == (min(gains), max(gains))
    assert found["mean"] == pytest.approx(sum(gains) / len(gains))
    falls = [fold["metrics"]["maxDrawdown"] for fold in folds]
    assert (body["aggregate"]["maxDrawdown"]["min"], body["aggregate"]["maxDrawdown"]["max"]) == (
        max(falls),
        min(falls),
    )
    profitable = sum(gain > 0 for gain in gains)
    assert body["consistency"] == {"profitableFolds": profitable, "profitableRatio": profitable / len(folds)}
    assert (await made.get("/api/v1/walkforward/results/nosuch")).status_code == 404


CASES: dict[str, Callable[[World], Awaitable[None]]] = {
    "s2.backtest.run": runs_backtests,
    "s2.backtest.results": lists_backtests,
    "s2.backtest.result": gives_the_whole_result,
    "s2.backtest.compare": compares,
    "s2.walkforward.run": runs_walkforwards,
    "s2.walkforward.result": gives_folds,
}
