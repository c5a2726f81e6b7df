"""What has to be there for the documented requests to succeed, made when it is asked for."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.api.worlds import World, until_state
from tests.documents.cases_003_operations import processes
from tests.documents.cases_003_signals import page, session
from tests.documents.cases_004_instruments import create

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


@asynccontextmanager
async def nothing(_: World) -> AsyncIterator[None]:
    """Nothing goes on."""
    yield


Maker = Callable[[World], Awaitable[Any]]
MAKERS: dict[str, Maker] = {
    "recording": recording,
    "running session": running_session,
    "traded symbol": traded_symbol,
    "new symbol": new_symbol,
    "instrument": instrument,
    "spare instrument": instrument,
    "signal": signal,
    "cursor": cursor,
    "a high score": high_score,
    "a late time": late_time,
}
ANEW = frozenset({"running session", "new symbol", "spare instrument"})  # what a request uses up
DURING: dict[str, Callable[[World], AbstractAsyncContextManager[Any]]] = {"": nothing, "processes": processes}


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
