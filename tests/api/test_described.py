"""What the description of the API promises holds for requests that are made from it: schemathesis in all its phases.

In CI a part of the phases within half a minute; `make test-fuzz` runs all of them over every operation.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any, NamedTuple

import httpx
import jsonschema_rs
import msgspec
import pytest
import pytest_asyncio
import schemathesis
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import events, from_schema

from api.settings import ApiSettings
from tests.api.recordings import LiveSource, simulated_recording
from tests.api.served import served
from tests.api.worlds import World, world

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.fuzz, pytest.mark.timeout(7_200)]

PROMISES = {"status_code_conformance", "content_type_conformance", "response_schema_conformance"}
PROMISES |= {"response_headers_conformance", "allow_header_conformance", "use_after_free"}
PHASES = ("examples", "coverage", "fuzzing", "stateful")
STREAMS = "stream|task-events"  # do not end
SECONDS_MAX = 2.0
CI_INPUTS, CI_SECONDS = 3_000, 20
CI_PART = 12  # every twelfth operation in the phase that covers every bound of every field


class Plan(NamedTuple):
    """What to run."""

    phases: tuple[str, ...]
    examples: int  # of each operation
    seconds: int | None
    part: int  # every so many operations


class Asked(NamedTuple):
    """A request that was made, and what came of it."""

    request: Any
    status: int
    headers: dict[str, Any]
    seconds: float


class Found(NamedTuple):
    """What a run has found."""

    asked: list[Asked]
    broken: list[str]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def made(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """A house with a recording and a live source; no engine: a command that is let through is a 503 soon."""
    async with world(tmp_path_factory.mktemp("described"), api=ApiSettings(answer_seconds_max=0.05)) as found:
        await simulated_recording(found.tape)
        await LiveSource(found.tape).open()
        await found.caught_up()
        yield found


def plans(inputs: int) -> Iterator[Plan]:
    """All that is to be run for so many inputs."""
    if inputs <= CI_INPUTS:
        yield Plan(("examples", "fuzzing"), 2, CI_SECONDS, 1)
        yield Plan(("coverage",), 1, CI_SECONDS // 2, CI_PART)
    else:
        yield Plan(PHASES, inputs // 100, None, 1)


def run(url: str, description: dict[str, Any], headers: dict[str, str], plan: Plan) -> Found:
    """Run a plan against a server."""
    told: dict[str, Any] = {
        "base-url": url,
        "headers": headers,
        "continue-on-failure": True,
        "generation": {"max-examples": plan.examples, "deterministic": True, "database": "none", "no-shrink": True},
        "phases": {name: {"enabled": name in plan.phases} for name in PHASES},
    }
    if plan.seconds:
        told["max-time"] = plan.seconds
    paths = dict(sorted(description["paths"].items())[:: plan.part])
    schema = schemathesis.openapi.from_dict(description | {"paths": paths}, config=SchemathesisConfig.from_dict(told))
    found = Found([], [])
    for event in from_schema(schema.exclude(path_regex=STREAMS)).execute():
        if isinstance(event, events.ScenarioFinished):
            _note(event.recorder, found)
        elif isinstance(event, events.NonFatalError | events.FatalError):
            found.broken.append(repr(getattr(event, "value", None) or getattr(event, "exception", None))[:500])
    return found


def _note(recorder: Any, found: Found) -> None:
    for interaction in recorder.interactions.values():
        answer = interaction.response
        if answer is not None:
            found.asked.append(Asked(interaction.request, answer.status_code, answer.headers, answer.elapsed))
    for checks in recorder.checks.values():
        for check in checks:
            if check.failure_info is not None and check.name in PROMISES:
                failure = check.failure_info.failure
                found.broken.append(f"{recorder.label}: {check.name}: {failure.title}: {str(failure.message)[:600]}")


async def test_what_is_described_is_so(made: World, inputs_count: int) -> None:
    """Every status, content type and body is documented; no 5xx but 501 and a 503 that says when; none over 2 s."""
    description = (await made.get("/docs/openapi.json")).json()
    headers = made.bearer("admin", csrf=True)
    asked: list[Asked] = []
    async with served(made) as port:
        url = f"http://127.0.0.1:{port}"
        for plan in plans(inputs_count):
            found = await asyncio.to_thread(run, url, description, headers, plan)
            assert found.broken == []
            asked += found.asked
        wrong = [one for one in asked if one.status >= 500 and one.status not in (501, 503)]
        assert [(one.request.method, one.request.uri, one.status) for one in wrong] == []
        assert all("retry-after" in one.headers for one in asked if one.status == 503)
        slow = [one for one in asked if one.seconds > SECONDS_MAX]
        again = [await asyncio.to_thread(_again, one.request) for one in slow]  # a busy machine is not the route's
        assert max(again, default=0.0) < SECONDS_MAX
    assert len(asked) > 30
    assert {200, 400} <= {one.status for one in asked}


def _again(request: Any) -> float:
    headers = {name: values[0] for name, values in request.headers.items()}
    answer = httpx.request(request.method, request.uri, headers=headers, content=request.body or b"", timeout=30)
    return answer.elapsed.total_seconds()


async def test_bodies_say_that_they_take_no_other_fields(made: World) -> None:
    """What refuses unknown fields says so, and unions are such that a whole number fits a number."""
    text = (await made.get("/docs/openapi.json")).content
    schemas = msgspec.json.decode(text)["components"]["schemas"]
    assert schemas["Credentials"]["additionalProperties"] is False
    assert b'"oneOf"' not in text


async def test_every_body_and_every_good_answer_has_an_example(made: World) -> None:
    """Each is there and fits its own schema, so that a client can be written from the page alone."""
    description = (await made.get("/docs/openapi.json")).json()
    wrong = []
    for path, item in description["paths"].items():
        for method, operation in item.items():
            answers = [operation["responses"].get(status, {}) for status in ("200", "201")]
            for part in (operation.get("requestBody", {}), *answers):
                content = part.get("content", {}).get("application/json")
                if content is not None and not fits(content, description["components"]):
                    wrong.append((method, path))
    assert wrong == []


def fits(content: dict[str, Any], components: dict[str, Any]) -> bool:
    """Whether the example of a body is there and is what its schema says."""
    schema = {**content["schema"], "components": components}
    return "example" in content and jsonschema_rs.is_valid(schema, content["example"])


async def test_options_name_every_method(made: World) -> None:
    """Also where the handlers of a path stand in several modules."""
    for path, allowed in (
        ("/api/sessions", "GET, HEAD, OPTIONS, POST"),
        ("/api/instruments/1", "DELETE, GET, HEAD, OPTIONS, PUT"),
        ("/api/strategies/x", "DELETE, GET, HEAD, OPTIONS, PUT"),
    ):
        answer = await made.client.options(path, headers=made.bearer("admin"))
        assert (answer.status_code, answer.headers["allow"]) == (204, allowed)
