"""What belongs to one user is nobody else's but an admin's: every route with an id says whose its things are."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import msgspec
import pytest
import pytest_asyncio
from litestar.routes import HTTPRoute

from api.auth.users import change
from events import codec, subjects
from events.facts import UserCreated
from events.facts.jobs import JobQueued
from tests.api.error_bodies import error_code
from tests.api.worlds import World, password_hash, world
from tests.fixtures.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")

JOB = "job-of-trader"
# things of one user
OWN = {
    ("GET", "/api/jobs/{job}"),
    ("POST", "/api/jobs/{job}/stop"),
    ("GET", "/api/predictions/{prediction_id}"),  # none is there yet
    ("PUT", "/api/keys/{api_key_id}"),  # tests/api/test_keys.py
    ("DELETE", "/api/keys/{api_key_id}"),
}
# things of the house, by how their paths begin: whoever has the role may
SHARED = ("/api/sessions/", "/api/instruments/", "/api/training/", "/api/config/", "/api/components/")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def made(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """A house with a second trader and a job of the first."""
    async with world(tmp_path_factory.mktemp("owners")) as found:
        await change(found.vault, UserCreated(name="other", role="trader", password_hash=password_hash()))
        await until(lambda: found.house.users.find("other") is not None)
        fact = JobQueued(
            job=JOB, kind="backtest", user="trader", body=msgspec.Raw(b"{}"), title="Mine", cores=1.0, memory_mb=1
        )
        await found.tape.append(codec.to_append(fact, subjects.job(JOB), "job-1"))
        await found.caught_up()
        yield found


async def test_every_route_with_an_id_says_whose_its_things_are(made: World) -> None:
    """One that asks for a role, has an id and stands in neither table has no decided owner."""
    undecided = [
        (method, route.path_format)
        for route in made.app.routes
        if isinstance(route, HTTPRoute) and "{" in route.path
        for method, (handler, _) in route.route_handler_map.items()
        if handler.opt.get("role") not in (None, "admin")
        and (method, route.path_format) not in OWN
        and not route.path_format.startswith(SHARED)
    ]
    assert undecided == []


async def ask(made: World, method: str, path: str, name: str) -> httpx.Response:
    """A request of a user."""
    return await made.client.request(method, path, headers=made.bearer(name))


async def test_a_job_is_shown_to_its_user_and_to_admins(made: World) -> None:
    """Others are answered as if it were not there, find it in no list, and see it in no queue."""
    for name, status in (("trader", 200), ("admin", 200), ("other", 404), ("viewer", 404)):
        answer = await ask(made, "GET", f"/api/jobs/{JOB}", name)
        assert answer.status_code == status, name
        listed = (await ask(made, "GET", "/api/jobs", name)).json()["rows"]
        queued = (await ask(made, "GET", "/api/system/queue", name)).json()["queued_tasks"]
        assert [one["job"] for one in listed] == ([JOB] if status == 200 else []), name
        assert [one["task_id"] for one in queued] == ([JOB] if status == 200 else []), name


async def test_nobody_else_stops_a_job(made: World) -> None:
    """Another trader is answered as for an id that is not there; nothing is appended."""
    last = await made.last()
    for name in ("other", "viewer"):
        answer = await ask(made, "POST", f"/api/jobs/{JOB}/stop", name)
        missing = await ask(made, "POST", "/api/jobs/nosuch/stop", name)
        assert (answer.status_code, error_code(answer)) == (missing.status_code, error_code(missing))
        assert answer.text.replace(JOB, "nosuch")[:60] == missing.text[:60]
    assert await made.last() == last


async def test_the_tape_shows_jobs_to_admins_only(made: World) -> None:
    """Page, filter by kind and filter by nothing: neither the owner's name nor the title of a job is told to others."""
    for name, shown in (("other", False), ("viewer", False), ("", False), ("admin", True)):
        for query in ("kind=JobQueued", "limit=1000"):
            answer = await made.get(f"/api/tape/events?{query}", name)
            assert answer.status_code == 200
            assert (JOB in answer.text) is shown, (name, query)


async def test_the_explorer_shows_jobs_to_admins_only(made: World) -> None:
    """Others are told that there is no such view."""
    body = {"query": f"SELECT count(*) FROM jobs WHERE job = '{JOB}'"}
    for _ in range(15):  # of two seconds
        answer = await made.post("/api/db/query", body, "admin")
        if answer.status_code != 503:  # the first copy is made
            break
    assert answer.json()["rows"] == [[1]]
    answer = await made.post("/api/db/query", body, "other")
    assert (answer.status_code, answer.json()["error_code"]) == (400, "QUERY_NOT_ALLOWED")
