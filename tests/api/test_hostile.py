"""Hostile requests in numbers, each made of a seed: no 5xx but the named ones, none slow, always our error body."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

import msgspec
import numpy as np
import pytest
import pytest_asyncio
from litestar.routes import HTTPRoute

from api.settings import ApiSettings
from tests.api.error_bodies import error_code
from tests.api.paths import filled
from tests.api.recordings import LiveSource, simulated_recording
from tests.api.test_bad_input import POSTS, TEXTS
from tests.api.worlds import World, world

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.fuzz, pytest.mark.timeout(3_600)]

Chance = np.random.Generator
SECONDS_MAX = 2.0
ENDLESS = ("/api/tape/stream", "/api/system/task-events", "/api/backtests/stream", "/api/v1/logs/stream")
VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 2**31, 2**63, -(2**63), 10**30, 0.1, -0.0, 1e-320, 1.7e308),
    *("", "x", " ", "\x00", "\ud7ff", "\u202e", "🙂", "a" * 300, "../../etc/passwd", "' OR 1=1 --", "{{7*7}}", "NaN"),
    *([], {}, [None], [[[]]], {"": {}}, {"__proto__": 1}, ["a"] * 300, {"a": {"a": {"a": {"a": 1}}}}),
)
NAMES = ("limit", "offset", "cursor", "as_of", "after", "until", "kind", "session", "instrument", "symbol", "timeframe")
NAMES += ("start", "end", "from", "to", "state", "mode", "token", "strategy", "surely_unknown")
HEADERS = ("Tape-Min-Sequence", "Idempotency-Key", "Last-Event-ID", "Authorization", "X-CSRF-Token", "Accept")


def pick(chance: Chance, things: Any) -> Any:
    """One of them."""
    return things[int(chance.integers(len(things)))]


def mutated(chance: Chance, value: Any) -> Any:
    """A body with something of it changed, taken away or put beside."""
    if not isinstance(value, dict | list) or not value or chance.random() < 0.15:
        return pick(chance, VALUES)
    made = value.copy()
    at = pick(chance, list(made)) if isinstance(made, dict) else int(chance.integers(len(made)))
    what = chance.random()
    if what < 0.15:
        made.pop(at)
    elif what < 0.25 and isinstance(made, dict):
        made[pick(chance, ("", "x", "type", "__class__", "id"))] = pick(chance, VALUES)
    else:
        made[at] = mutated(chance, made[at])
    return made


def query(chance: Chance) -> str:
    """A few parameters, ours and others', with values that are none."""
    count = int(chance.integers(4))
    pairs = [f"{pick(chance, NAMES)}={quote(str(pick(chance, TEXTS)), safe='%')}" for _ in range(count)]
    return "?" + "&".join(pairs) if pairs else ""


def headers(chance: Chance, made: World) -> dict[str, str]:
    """Mostly a user's, sometimes with one of them spoilt."""
    found = {**made.bearer(pick(chance, ("viewer", "trader", "admin")), csrf=True), "Content-Type": "application/json"}
    if chance.random() < 0.3:
        found[pick(chance, HEADERS)] = pick(chance, ("", "x", "-1", "1e9", "Bearer", "Bearer x.y.z", "a" * 200, "*/*"))
    return found


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def made(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """A house with a recording and a live source; no engine: a command that is let through is a 503 soon."""
    api = ApiSettings(answer_seconds_max=0.05)
    async with world(tmp_path_factory.mktemp("hostile"), api=api) as found:
        await simulated_recording(found.tape)
        await LiveSource(found.tape).open()
        await found.caught_up()
        yield found


async def test_hostile_requests_get_clear_answers(made: World, inputs_count: int) -> None:
    """Every request is answered within two seconds by what it asked for, a 4xx, a 501 or a 503 that says when."""
    routes = [
        (method, filled(route.path))
        for route in made.app.routes
        if isinstance(route, HTTPRoute)
        for method in sorted(set(route.methods) - {"OPTIONS", "HEAD"})
        if route.path not in ENDLESS
    ]
    bodies = list(POSTS.values())
    loop = asyncio.get_running_loop()
    for seed in range(inputs_count):
        chance = np.random.Generator(np.random.Philox(key=seed))
        method, path = pick(chance, routes)
        content = None
        if method != "GET":
            body = mutated(chance, POSTS.get(path) or pick(chance, bodies))
            content = msgspec.json.encode(body)
        began = loop.time()
        answer = await made.client.request(method, path + query(chance), content=content, headers=headers(chance, made))
        took = loop.time() - began
        told = f"seed {seed}: {method} {path}: {answer.status_code} {answer.text[:300]}"
        assert answer.status_code < 500 or answer.status_code in (501, 503), told
        assert took < SECONDS_MAX, f"{told} after {took:.2f} s"
        if answer.status_code >= 400:
            error_code(answer)
        if answer.status_code == 503:
            assert int(answer.headers["retry-after"]) > 0, told
