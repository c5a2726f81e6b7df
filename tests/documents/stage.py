"""What has to be there for the documented requests to succeed, made when it is asked for."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.api.worlds import World, until_state
from tests.documents.cases_001_backtests import asked, broken, busy, over, queue_one
from tests.documents.cases_001_keys import store
from tests.documents.cases_001_strategies import create as configure
from tests.documents.cases_002_backtests import PARAMS, result
from tests.documents.cases_002_logs import entry, written
from tests.documents.cases_003_executions import DAY_NS, ORDER, START_NS, Desk, submit
from tests.documents.cases_003_explorer import asked as queried
from tests.documents.cases_003_operations import processes
from tests.documents.cases_003_signals import page, session
from tests.documents.cases_004_instruments import create
from tests.documents.forex import recorded
from tests.documents.shapes import inventory

RECORDING = "rec_" + "a" * 16


async def recording(_: World) -> str:
    """The recorded hour."""
    return RECORDING


async def running_session(made: World) -> str:
    """A paper session of the trader's that runs."""
    body = {"mode": "paper", "source": "live", "symbols": ["BTC_USDT"], "strategies": [{"strategy": "ema_cross"}]}
    answer = await made.post("/api/sessions", body)
    assert answer.status_code == 200, answer.text
    session: str = answer.json()["session"]
    await until_state(made, session, "running")
    return session


async def traded_symbol(made: World) -> str:
    """A symbol that a session of the trader's takes orders of."""
    await running_session(made)
    return "BTC_USDT"


async def new_symbol(made: World) -> str:
    """A symbol that nobody has registered."""
    return f"NEW{await made.last()}_USDT"


async def instrument(made: World) -> int:
    """An instrument made by hand."""
    found: int = (await create(made, await new_symbol(made)))["id"]
    return found


async def signal(made: World) -> str:
    """A signal."""
    return str((await _signals(made))[0]["id"])


async def cursor(made: World) -> str:
    """Where the second page of signals begins."""
    await session(made)
    return str((await page(made, "limit=5"))["nextCursor"])


async def high_score(made: World) -> float:
    """A score that some signals reach, and not all."""
    scores = sorted(abs(one["score"]) for one in await _signals(made))
    return float(scores[len(scores) // 2])


async def late_time(made: World) -> str:
    """A time that some signals are behind of, and not all."""
    times = sorted(one["time"] for one in await _signals(made))
    return str(times[len(times) // 2])


async def _signals(made: World) -> list[dict[str, Any]]:
    await session(made)
    found: list[dict[str, Any]] = (await page(made, "limit=500"))["signals"]
    return found


async def token(made: World) -> str:
    """A trader's access token."""
    return made.token("trader")


async def new_name(made: World) -> str:
    """A name that no strategy has."""
    return f"Named {await made.last()}"


async def strategy(made: World) -> str:
    """A configured strategy."""
    return str((await configure(made, await new_name(made)))["id"])


async def start(made: World) -> str:
    """Where the recorded month begins."""
    return str((await asked(made))["start_date"])


async def end(made: World) -> str:
    """Where the recorded month ends."""
    return str((await asked(made))["end_date"])


async def backtest(made: World) -> str:
    """A backtest that has ended well."""
    name = await queue_one(made)
    assert (await over(made, name))["status"] == "success"
    return name


async def late_candle(made: World) -> str:
    """A time within the recorded hour."""
    candles = (await made.get("/api/market/data?symbol=BTC_USDT&timeframe=1m")).json()
    return str(candles[len(candles) // 2]["timestamp"])


async def holding(made: World) -> str:
    """A running session that has held a position for three days."""
    desk = Desk(made, "staged")
    await desk.open()
    assert (await submit(made, ORDER)).status_code == 200
    await desk.filled(1)
    for day, price in enumerate((100.0, 120.0, 90.0)):
        await desk.give([price] * 3, START_NS + day * DAY_NS + 7_200 * 1_000_000_000)
    return desk.session


async def research(made: World, path: str, kind: str, **more: Any) -> str:
    """The result of what contract 002's example asks for, and more."""
    await recorded(made)
    (example,) = (one for one in inventory("s2.").values() if one["path"] == path and one["request_example"])
    answer = await made.client.post(path, json=example["request_example"] | more)
    assert answer.status_code == 201, answer.text
    name: str = answer.json()["data"]["jobId"]
    await result(made, name, kind)
    return name


async def research_result(made: World) -> str:
    """The documented backtest, and with averages that cross often."""
    return await research(made, "/api/v1/backtest/run", "backtest", params=PARAMS)


async def other_result(made: World) -> str:
    """Another one."""
    return await research(made, "/api/v1/backtest/run", "backtest", params=PARAMS | {"fast": 20})


async def walk_forward(made: World) -> str:
    """The documented walk-forward, with few values to choose from."""
    grid = {name: [value] for name, value in PARAMS.items()}
    return await research(made, "/api/v1/walkforward/run", "walkforward", grid=grid)


async def good_ratio(made: World) -> float:
    """A Sharpe ratio that some results have, and not all."""
    found = (await made.get("/api/v1/backtest/results?limit=1000")).json()["data"]["results"]
    ratios = sorted(one["summary"]["sharpeRatio"] for one in found)
    assert ratios[0] < ratios[-1]
    return float(ratios[-1])


async def log_file(made: World) -> str:
    """A log file with lines of two levels."""
    lines = [entry("tick", second=second) for second in range(3)]
    return written(made, "staged.log", *lines, entry("stopped", "warning", 7, reason="No Room")).name


async def explorer(made: World) -> None:
    """The explorer's copy of the views, which the first query asks for."""
    assert (await queried(made, "SELECT 1")).status_code == 200


@asynccontextmanager
async def nothing(_: World) -> AsyncIterator[None]:
    """Nothing goes on."""
    yield


Maker = Callable[[World], Awaitable[Any]]
MAKERS: dict[str, Maker] = {
    "recording": recording,
    "running session": running_session,
    "traded symbol": traded_symbol,
    "instrument": instrument,
    "spare instrument": instrument,
    "signal": signal,
    "cursor": cursor,
    "a high score": high_score,
    "a late time": late_time,
    "token": token,
    "key": store,
    "spare key": store,
    "strategy": strategy,
    "spare strategy": strategy,
    "start": start,
    "end": end,
    "backtest": backtest,
    "failed backtest": broken,
    "a late candle": late_candle,
    "holding": holding,
    "forex": recorded,
    "result": research_result,
    "other result": other_result,
    "walk-forward": walk_forward,
    "a good ratio": good_ratio,
    "log file": log_file,
    "explorer": explorer,
}
ANEW = frozenset(
    {"running session", "spare instrument", "spare key", "spare strategy", "token"}
)  # what a request uses up
DURING: dict[str, Callable[[World], AbstractAsyncContextManager[Any]]] = {
    "": nothing,
    "processes": processes,
    "busy": busy,
}


@dataclass(slots=True)
class Stage:
    """What was made in a house."""

    made: World
    known: dict[str, Any] = field(default_factory=dict)

    async def make(self, name: str) -> Any:
        """What stands under a name; made where it is not there, or is used up by who asks for it."""
        if name in ANEW:
            return await MAKERS[name](self.made)
        if name not in self.known:
            self.known[name] = await MAKERS[name](self.made)
            await self.made.caught_up()
        return self.known[name]

    def during(self, name: str) -> AbstractAsyncContextManager[Any]:
        """What goes on while a request is answered."""
        return DURING[name](self.made)

    @contextmanager
    def broken(self) -> Iterator[None]:
        """What the house reads from raises what nobody foresaw."""

        async def fails(*_: object) -> None:
            raise RuntimeError("secret-canary")

        reader, sound = self.made.house.reader, self.made.house.reader.run
        reader.run = fails  # type: ignore[method-assign,assignment]
        try:
            yield
        finally:
            reader.run = sound  # type: ignore[method-assign]
