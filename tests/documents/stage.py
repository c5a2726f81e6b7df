"""What has to be there for the documented requests to succeed, made when it is asked for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from tests.api.worlds import World, until_state

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


Maker = Callable[[World], Awaitable[Any]]
MAKERS: dict[str, Maker] = {
    "recording": recording,
    "running session": running_session,
}
ANEW = frozenset({"running session"})  # what a request uses up


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
