"""Rebuilding a read model in the process that keeps it, while the house runs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Literal

import structlog

from api.processes.signs import host_name
from events.errors import TapedeckError
from events.facts import Fact
from events.facts.house import ReadModelRebuilt, RebuildAccepted, RebuildFailed
from projections.market_store import MarketStore
from projections.runner import ProjectionRunner

log = structlog.get_logger(__name__)

VISIBLE_SECONDS_MAX = 60.0  # until what is written can be read

Hash = Callable[[int], Awaitable[str]]  # of all that the model holds, once it shows a sequence


async def market_content(store: MarketStore, sequence: int) -> str:
    """The hash of a market store once it shows a sequence. Raises ReadModelUnavailable."""
    await store.wait_visible(sequence, seconds=VISIBLE_SECONDS_MAX)
    return await store.content_hash()


class Rebuilding:
    """One read model of this process."""

    def __init__(
        self, model: Literal["read_model", "market"], process: str, runner: ProjectionRunner, content: Hash
    ) -> None:
        self.model = model
        self._process = process
        self._runner = runner
        self._content = content

    async def carry(self, fact: Fact) -> Fact | None:
        """Rebuild where the fact asks for it; what became of it."""
        if not isinstance(fact, RebuildAccepted) or fact.model not in (self.model, "all"):
            return None
        log.info("rebuild_begins", model=self.model, user=fact.user)
        who = {"process": self._process, "host": host_name(), "user": fact.user, "command": fact.command}
        try:
            await self._runner.rebuild()
            sequence = self._runner.status().visible
            found = await self._content(sequence)
        except TapedeckError as error:
            log.error("rebuild_failed", model=self.model, error=str(error))
            return RebuildFailed(model=self.model, reason=str(error)[:2_000], **who)  # type: ignore[arg-type]
        log.info("rebuilt", model=self.model, sequence=sequence, user=fact.user)
        return ReadModelRebuilt(model=self.model, sequence=sequence, content_hash=found, **who)  # type: ignore[arg-type]
