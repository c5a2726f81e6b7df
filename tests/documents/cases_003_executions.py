"""Contracts 003 and 001: orders by hand, what was executed, holdings and the portfolio of running sessions."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import numpy as np
import pytest

from events.rows import MARKET_DTYPE, MarketKind, Rows
from tests.api.recordings import LiveSource
from tests.api.worlds import World, until_state
from tests.documents.shapes import inventory, misfits

DAY_NS = 86_400 * 1_000_000_000
START_NS = 1_700_000_000_000_000_000 // DAY_NS * DAY_NS + 3_600 * 1_000_000_000  # an hour into a day
SYMBOL = "PF_USDT"
ORDER = {"symbol": SYMBOL, "side": "buy", "quantity": 2.0, "type": "market"}
NEVER = {"strategy": "ema_cross", "params": {"fast": 4_000, "slow": 5_000}}
CASH = 10_000.0


def trades(prices: list[float], instrument: int, at_ns: int) -> Rows:
    """Trades a second apart."""
    rows = np.zeros(len(prices), MARKET_DTYPE)
    rows["ts_event_ns"] = rows["ts_received_ns"] = at_ns + np.arange(len(prices)) * 1_000_000_000
    rows["price"], rows["quantity"], rows["kind"], rows["instrument"] = prices, 1e6, MarketKind.TRADE, instrument
    return rows


class Desk:
    """A running paper session on a source of its own."""

    def __init__(self, made: World, name: str, symbol: str = SYMBOL, *others: str) -> None:
        self.made = made
        self.symbols = (symbol, *others)
        self.source = LiveSource(made.tape, self.symbols, name)
        self.symbol = symbol
        self.name = name
        self.session = ""

    async def open(self, at_ns: int = START_NS) -> None:
        """Start it, with a first price of 100."""
        await self.source.open()
        await self.made.caught_up()
        found = [(await self.made.get(f"/api/instruments?symbol={one}")).json() for one in self.symbols]
        self.numbers = [one[0]["id"] for one in found]
        limits = {"cash": CASH, "global_cap": CASH}
        body: dict[str, Any] = {"mode": "paper", "source": self.name, "symbols": self.symbols, "strategies": [NEVER]}
        body["limits"] = limits
        answer = await self.made.post("/api/sessions", body)
        assert answer.status_code == 200, answer.text
        self.session = answer.json()["session"]
        await until_state(self.made, self.session, "running")
        await self.give([100.0], at_ns)

    async def give(self, prices: list[float], at_ns: int, which: int = 0) -> None:
        """Further trades of one of its symbols."""
        await self.source.give(trades(prices, self.numbers[which], at_ns))

    async def filled(self, count: int) -> list[dict[str, Any]]:
        """The executions, once there are so many."""
        for at in range(200):
            await self.give([100.0], START_NS + (at + 1) * 1_000_000_000)
            await self.made.caught_up()
            found = (await self.made.get(f"/api/executions?session_id={self.session}")).json()
            if found["total"] >= count:
                executions: list[dict[str, Any]] = found["executions"]
                return executions
        pytest.fail(f"{count} executions did not come")

    async def close(self) -> None:
        """Stop it."""
        await self.made.post("/sessions/stop", {"session_id": self.session})
        await until_state(self.made, self.session, "stopped")
        await self.made.caught_up()


async def submit(made: World, body: dict[str, Any], name: str = "trader", **headers: str) -> httpx.Response:
    """Submit an order."""
    return await made.client.post("/api/executions", json=body, headers={**made.bearer(name), **headers})


async def submits(made: World) -> None:
    """An order goes to the newest running session of the symbol, once under one key, and says what became of it.

    Bad ones name their field.
    """
    none = await submit(made, ORDER)
    assert (none.status_code, none.json()["error_code"]) == (409, "NO_RUNNING_SESSION")
    desk = Desk(made, "desk_submits")
    await desk.open()
    for _ in range(2):
        answer = await submit(made, ORDER, **{"Idempotency-Key": "e-1"})
        assert answer.status_code == 200, answer.text
        said = answer.json()
        assert (said["status"], said["session_id"], said["order"]) == ("placed", desk.session, 1)
        large = (await submit(made, ORDER | {"quantity": 1e9}, **{"Idempotency-Key": "e-2"})).json()
        assert (large["status"], large["order"], large["code"]) == ("denied", None, "BUDGET_EXCEEDED")
        assert large["message"].startswith("The session would have more than its global cap of 10000")
    (execution,) = await desk.filled(1)
    assert (execution["side"], execution["quantity"], execution["price"] >= 100) == ("buy", 2.0, True)
    others = await submit(made, ORDER, "admin")
    assert others.status_code == 409, "an admin has no session of the symbol"
    last = await made.last()
    for change, field in (
        ({"quantity": 0}, "quantity"),
        ({"quantity": -1}, "quantity"),
        ({"side": "hold"}, "side"),
        ({"type": "limit"}, "price"),
        ({"type": "market", "price": 5}, "price"),
        ({"who": 1}, "who"),
        ({"symbol": ""}, "symbol"),
    ):
        wrong = await submit(made, ORDER | change)
        assert (wrong.status_code, wrong.json()["field"]) == (400, field), wrong.text
    unknown = await submit(made, ORDER | {"session_id": "nosuch"})
    assert unknown.status_code == 404
    other = await submit(made, ORDER | {"session_id": desk.session, "symbol": "NOT_TRADED"})
    assert (other.status_code, other.json()["field"]) == (404, "symbol")
    assert await made.last() == last
    await desk.close()
    last = await made.last()
    over = await submit(made, ORDER | {"session_id": desk.session})
    assert (over.status_code, over.json()["field"]) == (409, "session_id"), over.text
    assert await made.last() == last


async def lists(made: World) -> None:
    """Executions are walked from the newest to the oldest, each once; of a symbol, a session, since a time."""
    desk = Desk(made, "desk_lists")
    await desk.open()
    for number in range(3):
        assert (await submit(made, ORDER)).status_code == 200
        await desk.filled(number + 1)
    met, query = [], f"session_id={desk.session}&limit=2"
    while True:
        found = (await made.get(f"/api/executions?{query}")).json()
        met += [one["id"] for one in found["executions"]]
        if "nextCursor" not in found:
            break
        query = f"session_id={desk.session}&limit=2&cursor={found['nextCursor']}"
    assert met == [f"{desk.session}-{ordinal}" for ordinal in (2, 1, 0)]
    assert (await made.get("/api/executions?symbol=NO_SUCH")).json()["executions"] == []
    assert (await made.get("/api/executions?session_id=nosuch")).status_code == 404
    assert (await made.get("/api/executions?cursor=x")).json()["field"] == "cursor"
    await desk.close()


async def says_who_asks(made: World) -> None:
    """Without a token where to get one; with a token whose it is."""
    nobody = (await made.get("/mcp/login")).json()
    assert (nobody["authenticated"], nobody["login"]) == (False, "/api/auth/login")
    assert (await made.get("/mcp/login", "trader")).json()["user"] == "trader"


async def holds(made: World) -> None:
    """Holdings are what running sessions hold, at the newest price of their sources; none once they have ended."""
    desk = Desk(made, "desk_holds")
    await desk.open()
    assert (await submit(made, ORDER)).status_code == 200
    (execution,) = await desk.filled(1)
    await desk.give([110.0], START_NS + 1_000 * 1_000_000_000)
    await made.caught_up()
    found = (await made.get("/mcp/get_holdings")).json()
    (row,) = [one for one in found["holdings"] if one["session_id"] == desk.session]
    assert (row["symbol"], row["quantity"], row["last_price"]) == (SYMBOL, 2.0, 110.0)
    assert row["pnl"] == pytest.approx(2 * (110 - execution["price"]))
    await desk.close()
    assert desk.session not in str((await made.get("/mcp/get_holdings")).json())


async def adds_up(made: World) -> None:
    """The portfolio is the sum of running sessions: cash, positions at the newest price, today's and all profit."""
    shape = inventory("s1.portfolio")["s1.portfolio"]["response_shape"]
    before = (await made.get("/portfolio")).json()
    assert misfits(before, shape) == []
    desk = Desk(made, "desk_adds_up")
    await desk.open()
    assert (await submit(made, ORDER)).status_code == 200
    (execution,) = await desk.filled(1)
    await desk.give([110.0], START_NS + 1_000 * 1_000_000_000)
    await desk.give([110.0, 110.0], START_NS + 1_100 * 1_000_000_000)
    await made.caught_up()
    found = (await made.get("/portfolio")).json()
    assert misfits(found, shape) == []
    (held,) = [one for one in found["positions"] if one["session_id"] == desk.session]
    assert (held["side"], held["quantity"], held["current_price"]) == ("long", 2.0, 110.0)
    assert held["pnl"] == pytest.approx(2 * (110 - execution["price"]))
    assert held["pnl_pct"] == pytest.approx(100 * (110 / execution["price"] - 1))
    cash = CASH - 2 * execution["price"] - execution["fee"]
    assert found["cash"] - before["cash"] == pytest.approx(cash)
    worth = cash + 2 * 110
    assert found["total_value"] - before["total_value"] == pytest.approx(worth)
    assert found["total_pnl"] - before["total_pnl"] == pytest.approx(worth - CASH)
    assert found["daily_pnl"] - before["daily_pnl"] == pytest.approx(worth - CASH)
    await desk.close()
    assert (await made.get("/portfolio")).json() == before


async def has_a_history(made: World) -> None:
    """One value a day, oldest first, the newest of each day; so many days at most."""
    shape = inventory("s1.portfolio.history")["s1.portfolio.history"]["response_shape"]
    desk = Desk(made, "desk_history")
    await desk.open()
    assert (await submit(made, ORDER)).status_code == 200
    (execution,) = await desk.filled(1)
    cash = CASH - 2 * execution["price"] - execution["fee"]
    for day, price in enumerate((100.0, 120.0, 90.0)):
        await desk.give([price] * 3, START_NS + day * DAY_NS + 7_200 * 1_000_000_000)
    await made.caught_up()
    found = (await made.get("/portfolio/history")).json()
    assert misfits(found, shape) == []
    assert [one["value"] for one in found] == pytest.approx([cash + 2 * price for price in (100, 120, 90)])
    assert [one["date"] for one in found] == ["2023-11-14T00:00:00Z", "2023-11-15T00:00:00Z", "2023-11-16T00:00:00Z"]
    assert (await made.get("/portfolio/history?days=2")).json() == found[-2:]
    for days in ("0", "-1", "x", "99999"):
        assert (await made.get(f"/portfolio/history?days={days}")).json()["field"] == "days"
    day = (await made.get("/portfolio")).json()
    assert day["daily_pnl"] == pytest.approx(2 * (90 - 120))
    await desk.close()
    assert (await made.get("/portfolio/history")).json() == found, "days on which it ran stay"


CASES: dict[str, Callable[[World], Awaitable[None]]] = {
    "s3.executions.create": submits,
    "s3.executions.list": lists,
    "s3.mcp.login": says_who_asks,
    "s3.mcp.holdings": holds,
}
CASES_001: dict[str, Callable[[World], Awaitable[None]]] = {
    "s1.portfolio": adds_up,
    "s1.portfolio.history": has_a_history,
}
