"""Hostile requests by hypothesis: no 5xx but the named ones, none slow, every status documented, our error body.

Half of all hostile inputs are made here, the other half in test_described.py.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any, NamedTuple
from urllib.parse import quote

import httpx
import msgspec
import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from litestar.routes import HTTPRoute

from api.documented_examples import EXAMPLES
from tests.api.error_bodies import error_code
from tests.api.fuzzed import DOWN, SECONDS_MAX, Fuzzed, Progress, Slow, check_slow, fuzzed
from tests.api.hostile_bodies import bodies_of
from tests.api.paths import filled
from tests.api.test_bad_input import POSTS, SESSION, TEXTS

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.fuzz, pytest.mark.timeout(7_200)]

PROGRESS_INPUTS = 1_000
ENDLESS = ("/api/tape/stream", "/api/system/task-events", "/api/backtests/stream", "/api/v1/logs/stream")
NAMES: tuple[str, ...] = (
    *("limit", "offset", "cursor", "as_of", "after", "until", "kind", "session", "instrument", "symbol", "timeframe"),
    *("start", "end", "from", "to", "state", "mode", "token", "strategy", "surely_unknown"),
)
HEADERS = ("Tape-Min-Sequence", "Idempotency-Key", "Last-Event-ID", "Authorization", "X-CSRF-Token", "Accept")
SPOILT = ("", "x", "-1", "1e9", "Bearer", "Bearer x.y.z", "a" * 200, "*/*")
ROLES = ("viewer", "trader", "trader", "admin", "admin")

QUERY = st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from(TEXTS)), max_size=3)
HEADER = st.none() | st.tuples(st.sampled_from(HEADERS), st.sampled_from(SPOILT))


class Target(NamedTuple):
    """A route that is asked: its body, if it takes one, and the statuses that the description has for it."""

    method: str
    path: str
    bodies: st.SearchStrategy[Any]
    statuses: frozenset[str]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def asked(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Fuzzed]:
    """A house with an engine, and a name for something of each kind."""
    async with fuzzed(tmp_path_factory.mktemp("hostile")) as found:
        yield found


def targets(asked: Fuzzed, description: dict[str, Any]) -> list[Target]:
    """Every route whose answer ends, those that take a body four times as often; of what is there and what is not."""
    found = []
    for route in asked.made.app.routes:
        if not isinstance(route, HTTPRoute) or route.path in ENDLESS:
            continue
        for method, (handler, _) in route.route_handler_map.items():
            if method in ("OPTIONS", "HEAD"):
                continue
            field = handler.parsed_data_field
            paths = {filled(route.path_format), filled(route.path_format, **asked.parts)}
            told = description["paths"].get(route.path_format, {}).get(method.lower(), {}).get("responses", {})
            known = [
                one
                for one in (
                    EXAMPLES.get(f"{method} {route.path_format}"),
                    POSTS.get(filled(route.path_format, session=SESSION)),
                )
                if one is not None
            ]
            bodies = bodies_of(field.raw, tuple(known)) if field is not None else st.none()
            for path in sorted(paths):
                found += [Target(method, path, bodies, frozenset(told))] * (4 if field is not None else 1)
    return found


def checked(target: Target, answer: httpx.Response, sent: str) -> None:
    """Whether an answer is one that we promise."""
    told = f"{target.method} {target.path} {sent[:1_000]}: {answer.status_code} {answer.text[:300]}"
    assert answer.status_code < 500 or answer.status_code in DOWN, told
    assert not target.statuses or str(answer.status_code) in target.statuses, f"not documented: {told}"
    if answer.status_code >= 400:
        error_code(answer)
    if answer.status_code == 503:
        assert int(answer.headers["retry-after"]) > 0, told


async def test_hostile_requests_get_clear_answers(asked: Fuzzed, inputs_count: int, progress: Progress) -> None:
    """Every request is answered within two seconds by what it asked for, a 4xx, a 501 or a 503 that says when."""
    loop, made, wanted = asyncio.get_running_loop(), asked.made, inputs_count // 2
    roles = {name: made.bearer(name, csrf=True) | {"Content-Type": "application/json"} for name in set(ROLES)}
    found = targets(asked, (await made.get("/docs/openapi.json")).json())
    seen: Counter[int] = Counter()
    methods: Counter[str] = Counter()
    slow: list[Slow] = []

    async def ask(target: Target, path: str, content: bytes | None, headers: dict[str, str]) -> None:
        for pause in (0, 1, 3):  # a slow one is counted and asked again: a busy machine is not the route's
            await asyncio.sleep(pause)
            began = loop.time()
            answer = await made.client.request(target.method, path, content=content, headers=headers)
            took = loop.time() - began
            checked(target, answer, f"{path[-200:]} {content!r}")
            if took < SECONDS_MAX:
                break
            if not pause:
                slow.append(Slow(target.method, target.path, took))
        assert took < SECONDS_MAX, f"{target.method} {path[-200:]} {content!r} took {took:.2f} s, three times"
        seen[answer.status_code] += 1
        methods[target.method] += 1
        if seen.total() % PROGRESS_INPUTS == 0:
            progress(
                f"hostile: {seen.total()} of {wanted} inputs, {dict(sorted(seen.items()))}, {len(slow)} slow first"
            )

    @settings(max_examples=wanted, deadline=None, derandomize=True, database=None, suppress_health_check=[*HealthCheck])
    @given(st.data(), st.sampled_from(found), st.sampled_from(ROLES), QUERY, HEADER)
    def hostile(data: Any, target: Target, role: str, query: list[tuple[str, str]], header: Any) -> None:
        content = None if target.method == "GET" else msgspec.json.encode(data.draw(target.bodies))
        written = "&".join(f"{name}={quote(text, safe='%')}" for name, text in query)
        headers = roles[role] | ({header[0]: header[1]} if header else {})
        asking = ask(target, f"{target.path}?{written}" if written else target.path, content, headers)
        asyncio.run_coroutine_threadsafe(asking, loop).result()

    await asyncio.to_thread(hostile)
    progress(f"hostile: slow first answers: {slow}")
    check_slow(slow, methods)
    assert seen.total() >= wanted >= 1
    assert {200, 400, 404} <= set(seen)
    assert {201, 409} & set(seen), "an engine answers"
