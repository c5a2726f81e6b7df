"""The house that hostile requests are sent to: an engine and a job runner answer; there is something of each kind."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

from api.documented_examples import EXAMPLES
from api.settings import ApiSettings
from tests.api.named_fields import watch
from tests.api.recordings import LiveSource, simulated_recording
from tests.api.test_bad_input import START
from tests.api.worlds import World, until_state, world

SECONDS_MAX = 2.0
ANSWER_SECONDS_MAX = 1.5  # a command that is not answered by then is a 503 that says when
SLOW_SHARE_MAX = 0.001  # of the requests that are no reads: over SECONDS_MAX at first, in time when asked again
DOWN = (501, 503)  # what a server may say of itself: not here, not now

BACKTEST: dict[str, Any] = {**EXAMPLES["POST /api/v1/backtest/run"], "symbol": "BTC_USDT"}

Progress = Callable[[str], None]


class Slow(NamedTuple):
    """A request that took over SECONDS_MAX when it was first sent."""

    method: str
    path: str
    seconds: float


def check_slow(slow: list[Slow], methods: Counter[str]) -> None:
    """Of all requests by method no read was slow at first, and next to none of the others: one of them may be."""
    reads = [one for one in slow if one.method == "GET"]
    assert reads == [], f"reads that were slow when first sent: {reads}"
    most = max(1, int((methods.total() - methods["GET"]) * SLOW_SHARE_MAX))
    assert len(slow) <= most, f"more than {most} were slow when first sent: {slow}"


class Fuzzed(NamedTuple):
    """A world, and what stands for the parameters of its paths where they shall be found."""

    made: World
    parts: dict[str, str]


@asynccontextmanager
async def fuzzed(folder: Path) -> AsyncIterator[Fuzzed]:
    """A house with a recording, a live source, a session that runs and one that ended, a job, a strategy and a key."""
    api = ApiSettings(answer_seconds_max=ANSWER_SECONDS_MAX)
    async with world(folder, engine=True, api=api) as made:
        await simulated_recording(made.tape)
        await LiveSource(made.tape).open()
        await made.caught_up()
        running = _found(await made.post("/sessions/start", START), "data", "data", "session_id")
        ended = _found(await made.post("/api/v1/backtest/run", BACKTEST), "data", "jobId")
        await until_state(made, running, "running")
        await until_state(made, ended, "completed")
        strategy = {"name": "Mine", "type": "ema_cross", "params": {"symbols": ["BTC_USDT"], "fast": 5}}
        template = {"name": "Mine", "config": {"transformer": {"epochs": 10}}}
        parts = {
            "session": running,
            "backtest_id": ended,
            "order_number": "1",
            "strategy_id": _found(await made.post("/api/strategies/", strategy), "id"),
            "template_id": _found(await made.post("/api/v1/config/templates", template), "data", "id"),
            "instrument_id": "1",
            "section": "risk",
            "component_id": "engine",
            "job": ended,
            "result_id": ended,
            "name": "page.js",
        }
        await watch(made.client)
        yield Fuzzed(made, parts)


def _found(answer: Any, *names: str) -> str:
    assert answer.is_success, answer.text
    body = answer.json()
    for name in names:
        body = body[name]
    return str(body)
