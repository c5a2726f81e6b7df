"""A house in processes of its own, asked over its socket for the facts that any house can be asked for."""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager, AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import httpx

from tests.documents.facts import Asker
from tests.documents.walking import ROUTES, excepted, reads, table_of, walk

TRADED_SECONDS_MAX = 30.0
# the limits of 002 are reached by tests/documents/test_rates.py, not here
RAISED = {"TAPEDECK_LIMITS_READS_PER_MINUTE": "1000000", "TAPEDECK_LIMITS_PER_SECOND": "1000000"}


@dataclass(slots=True)
class Outside:
    """What is known of it: an address, and a token for each role."""

    client: httpx.AsyncClient
    tokens: dict[str, str]
    app: None = None

    def bearer(self, name: str = "trader", *, csrf: bool = False) -> dict[str, str]:
        """Headers of a user; nothing that is asked here needs a CSRF token."""
        return {"Authorization": f"Bearer {self.tokens[name]}"}


class Bare:
    """Nothing is made."""

    async def make(self, name: str) -> Any:
        """Raises KeyError: whoever asks here needs nothing."""
        raise KeyError(name)

    def during(self, name: str) -> AbstractAsyncContextManager[Any]:
        """Nothing goes on."""
        return nullcontext()

    def broken(self) -> AbstractContextManager[None]:
        """Nothing breaks."""
        return nullcontext()


async def walked(url: str, tokens: dict[str, str]) -> tuple[int, list[str]]:
    """How many facts were put to the house at an address, and those that do not hold, with what was seen."""
    if not ROUTES:
        return 0, []
    facts = [fact for fact in reads() if not excepted(fact)]
    misses = []
    async with httpx.AsyncClient(base_url=url, timeout=30) as client:
        await _traded(client)
        asker = Asker(Outside(client, tokens), Bare(), staged=False)
        for name, part in facts:
            try:
                await walk(asker, name, part)
            except AssertionError as error:
                misses.append(f"{name}, {part}: {str(error)[:300]}")
    return len(facts), misses


async def _traded(client: httpx.AsyncClient) -> None:
    """Wait until the market that the facts ask for is there."""
    path, query = ROUTES["s1.market.data"]["path"], dict(table_of("s1.market.data").asks["s1.market.data"].query)
    async with asyncio.timeout(TRADED_SECONDS_MAX):
        while (await client.get(path, params=query)).status_code != 200:  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.1)
