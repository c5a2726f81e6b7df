"""Somebody who goes through a document's flow, with a name and a password."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

import httpx
import numpy as np

from events.rows import MARKET_DTYPE, MarketKind
from tests.api.recordings import LiveSource
from tests.api.worlds import PASSWORD, World

FIRST_NS = 1_700_000_000_000_000_000


@dataclass
class Client:
    """Somebody with a name and a password."""

    made: World
    live: LiveSource
    headers: dict[str, str] = field(default_factory=dict)
    given: int = 0

    async def log_in(self, name: str) -> None:
        """Take a token and its CSRF token."""
        answer = await self.made.client.post("/api/auth/login", json={"username": name, "password": PASSWORD})
        assert answer.status_code == 200, answer.text
        pair = answer.json()
        self.headers = {"Authorization": f"Bearer {pair['access_token']}", "X-CSRF-Token": pair["csrf_token"]}

    async def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """The body of an answer that is a success."""
        answer = await self.answer(method, path, body, **headers)
        assert answer.is_success, answer.text
        return answer.json()

    async def answer(self, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
        """An answer, read behind all that is on the tape."""
        await self.made.caught_up()
        return await self.made.client.request(method, path, json=body, headers=self.headers | headers)

    async def in_state(self, job: str, state: str) -> dict[str, Any]:
        """A job, once it is so."""
        async with asyncio.timeout(30):
            while (found := (await self.ask("GET", f"/api/jobs/{job}"))["job"])["state"] != state:  # noqa: ASYNC110 - over HTTP
                await asyncio.sleep(0.02)
        body: dict[str, Any] = found
        return body

    async def trade(self, count: int = 5) -> None:
        """The market goes on: trades of both symbols."""
        rows = np.zeros(2 * count, MARKET_DTYPE)
        at = FIRST_NS + (self.given + np.arange(2 * count)) * 1_000_000
        rows["ts_event_ns"] = rows["ts_received_ns"] = at
        rows["instrument"] = np.tile([1, 2], count)
        rows["price"] = np.tile([50_000.0, 3_000.0], count)
        rows["quantity"], rows["kind"], rows["side"] = 10.0, int(MarketKind.TRADE), 1
        self.given += 2 * count
        await self.live.give(rows)
