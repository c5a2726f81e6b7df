"""Every list that has `limit` and `offset`: its pages follow each other without overlap or gap and end."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
import pytest_asyncio
from litestar.routes import HTTPRoute

from events import codec, subjects
from events.facts.audit import ActionAudited
from events.facts.jobs import JobQueued
from events.facts.strategies import StrategyCreated, StrategyForm
from tests.api.recordings import LiveSource, simulated_recording
from tests.api.worlds import World, world

pytestmark = pytest.mark.asyncio(loop_scope="module")

PAGES_MAX = 50
FILLED = {"/api/jobs", "/api/audit"}  # the house below has several rows of each


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def made(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """A house with several of many things, some of them made in one moment."""
    async with world(tmp_path_factory.mktemp("paging")) as found:
        await simulated_recording(found.tape)
        await LiveSource(found.tape).open()
        for at in range(5):
            job = JobQueued(job=f"j{at}", kind="backtest", user="admin", body=msgspec.Raw(b"{}"), title=f"Job {at}")
            form = StrategyForm(name=f"Mine {at}", kind="ema_cross")
            strategy = StrategyCreated(strategy=f"mine-{at}", form=form, user="admin")
            audit = ActionAudited(action="login", user="admin", what=f"POST /{at}")
            for fact, subject in (
                (job, subjects.job(job.job)),
                (strategy, subjects.STRATEGIES),
                (audit, subjects.AUDIT),
            ):
                await found.tape.append(codec.to_append(fact, subject, f"{subject}:{at}"))
        await found.caught_up()
        yield found


def lists(made: World) -> list[str]:
    """Paths of the lists that are paged by place."""
    return sorted(
        route.path_format
        for route in made.app.routes
        if isinstance(route, HTTPRoute) and "GET" in route.route_handler_map and "{" not in route.path
        if {"limit", "offset"} <= {one.field_alias for one in route.route_handler_map["GET"][1].expected_query_params}
    )


def rows_of(body: Any) -> list[Any]:
    """The one list of an answer."""
    if isinstance(body, list):
        return body
    inner = body.get("data", body)
    (found,) = (value for value in inner.values() if isinstance(value, list))
    return list(found)


async def test_pages_follow_each_other(made: World) -> None:
    """Page by page is the whole, in its order and the other way round; behind the end there is nothing."""
    paths = lists(made)
    assert set(paths) >= FILLED
    for path in paths:
        for order in ("", "&order=newest", "&order=oldest"):
            answer = await made.get(f"{path}?limit=1000{order}", "admin")
            if order and answer.status_code == 400:
                continue  # has one order only
            assert answer.status_code == 200, answer.text
            whole = rows_of(answer.json())
            pages: list[Any] = []
            for offset in range(0, PAGES_MAX, 2):
                page = rows_of((await made.get(f"{path}?limit=2&offset={offset}{order}", "admin")).json())
                assert len(page) == min(2, max(0, len(whole) - offset)), (path, offset)
                pages += page
                if not page:
                    break
            assert pages == whole[:PAGES_MAX], path
            if path in FILLED:
                assert len(whole) > 2, path
        far = await made.get(f"{path}?limit=2&offset=5000", "admin")
        assert rows_of(far.json()) == []


@pytest.mark.parametrize(
    ("query", "field", "told"),
    [
        ("limit=abc", "limit", "limit must be a whole number."),
        ("limit=0", "limit", "limit must be at least 1."),
        ("order=up", "order", "order must be one of newest, oldest, not 'up'."),
        ("include_research=maybe", "include_research", "include_research must be true or false."),
        (f"as_of={'x' * 200}", "as_of", "as_of must have at most 128 characters."),
    ],
)
async def test_parameters_are_refused_in_words(seeded: World, query: str, field: str, told: str) -> None:
    """Of a parameter as of a body: what it must be, in words of ours."""
    answer = await seeded.get(f"/api/sessions?{query}", "trader")
    body = answer.json()
    assert (answer.status_code, body["field"], body["message"]) == (400, field, told)


async def test_a_number_that_is_too_large_is_named(seeded: World) -> None:
    """By its dotted place, also within a mapping and a list."""
    for content, field in ((b'{"ppo":{"gamma":1e999}}', "ppo.gamma"), (b'{"a":[1,{"b":-1e999}]}', "a[1].b")):
        answer = await seeded.client.put(
            "/api/v1/config", content=content, headers={"Content-Type": "application/json"}
        )
        details = answer.json()["error"]["details"]
        assert (answer.status_code, list(details)) == (400, [field])
