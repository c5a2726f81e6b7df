"""What the description of the API promises holds for requests that are made from it: schemathesis in all its phases.

Half of all hostile inputs are made here, the other half in test_hostile.py: 3,000 in CI, more by `make test-fuzz`.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import httpx
import jsonschema_rs
import msgspec
import pytest
import pytest_asyncio
import schemathesis
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import events, from_schema

from tests.api.fuzzed import DOWN, SECONDS_MAX, Fuzzed, Progress, Slow, check_slow, fuzzed
from tests.api.named_fields import NamedFields
from tests.api.served import served
from tests.api.worlds import World

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.fuzz, pytest.mark.timeout(7_200)]

PROMISES = (
    *("status_code_conformance", "content_type_conformance", "response_schema_conformance"),
    *("response_headers_conformance", "allow_header_conformance", "use_after_free"),
)
PHASES = ("examples", "coverage", "fuzzing", "stateful")
STREAMS = "stream|task-events"  # do not end
PARTS = 24  # of all operations, for one plan of a phase that covers every bound of every field
EXAMPLES_MAX = 60  # of each operation in one round
STATEFUL_EXAMPLES = 3


class Plan(NamedTuple):
    """A phase over every so manieth path: how many examples of each operation, with which seed."""

    phase: str
    examples: int = 1
    part: slice = slice(None)
    seed: int = 0
    known: bool = False  # parameters of paths are such that something is found


@dataclass(slots=True)
class Found:
    """What runs have found."""

    fields: NamedFields
    statuses: Counter[int] = field(default_factory=Counter)
    phases: Counter[str] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)
    slow: list[Any] = field(default_factory=list)  # requests
    firsts: list[Slow] = field(default_factory=list)  # the same, to be told
    methods: Counter[str] = field(default_factory=Counter)

    @property
    def count(self) -> int:
        """How many requests were answered."""
        return self.statuses.total()

    def take(self, recorder: Any, phase: str) -> None:
        """Look at what was answered in one scenario."""
        for interaction in recorder.interactions.values():
            if interaction.response is not None:
                self.phases[phase] += 1
                self._answer(interaction.request, interaction.response)
        for checks in recorder.checks.values():
            for check in checks:
                if check.failure_info is not None and check.name in PROMISES:
                    failure = check.failure_info.failure
                    told = f"{recorder.label}: {check.name}: {failure.title}: {str(failure.message)[:600]}"
                    self.broken.append(told)

    def _answer(self, request: Any, answer: Any) -> None:
        status = answer.status_code
        self.statuses[status] += 1
        self.methods[request.method] += 1
        told = f"{request.method} {request.uri} {(request.body or b'')[:500]!r}: {status}"
        if status >= 500 and (status not in DOWN or (status == 503 and "retry-after" not in answer.headers)):
            self.broken.append(told)
        url = request.uri.split("/", 3)[-1]
        if status >= 400 and (
            strange := self.fields.strange(request.method, f"/{url}", request.body or b"", answer.content)
        ):
            self.broken.append(f"{told} names {strange}: {answer.content[:300]!r}")
        if answer.elapsed > SECONDS_MAX:
            self.slow.append(request)
            self.firsts.append(Slow(request.method, request.uri[-200:], answer.elapsed))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def asked(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Fuzzed]:
    """A house with an engine, and a name for something of each kind."""
    async with fuzzed(tmp_path_factory.mktemp("described")) as found:
        yield found


@pytest.fixture
def made(asked: Fuzzed) -> World:
    """That house."""
    return asked.made


def plans(wanted: int, operations: int, found: Found) -> Iterator[Plan]:
    """All phases, then as much of those that can be had at any length until there are so many inputs."""
    parts = [slice(number, None, PARTS) for number in range(PARTS)]
    yield Plan("examples", known=True)
    yield Plan("fuzzing", part=slice(None, None, 3), known=True)
    yield Plan("stateful", STATEFUL_EXAMPLES)
    for part in parts:
        yield Plan("coverage", part=part)
        if found.count >= wanted:
            return
    for seed in range(1, wanted):
        examples = min(EXAMPLES_MAX, (wanted - found.count) // operations + 1)
        for part in parts:
            yield Plan("fuzzing", examples, part, seed, known=seed % 2 == 0)
            if found.count >= wanted:
                return


def run(url: str, description: dict[str, Any], headers: dict[str, str], plan: Plan, found: Found) -> None:
    """Run a plan against a server. Answers are not used as further examples: lists that grow make millions of them."""
    phase = {"enabled": True} | ({"extra-data-sources": {"responses": False}} if plan.phase != "stateful" else {})
    told: dict[str, Any] = {
        "base-url": url,
        "headers": headers,
        "seed": plan.seed,
        "continue-on-failure": True,
        "generation": {"max-examples": plan.examples, "database": "none", "no-shrink": True},
        "checks": {"enabled": False} | {name: {"enabled": True} for name in PROMISES},
        "phases": {name: phase if name == plan.phase else {"enabled": False} for name in PHASES},
    }
    paths = dict(sorted(description["paths"].items())[plan.part])
    schema = schemathesis.openapi.from_dict(description | {"paths": paths}, config=SchemathesisConfig.from_dict(told))
    for event in from_schema(schema.exclude(path_regex=STREAMS)).execute():
        if isinstance(event, events.ScenarioFinished):
            found.take(event.recorder, plan.phase)
        elif isinstance(event, events.NonFatalError | events.FatalError):
            found.broken.append(repr(getattr(event, "value", None) or getattr(event, "exception", None))[:500])


def known(description: dict[str, Any], parts: dict[str, str]) -> dict[str, Any]:
    """The description of the paths with what is there written in the place of their parameters."""
    text = msgspec.json.encode(description)
    told: dict[str, Any] = msgspec.json.decode(text)
    for item in told["paths"].values():
        for operation in item.values():
            for parameter in operation.get("parameters", ()):
                if parameter["in"] == "path" and parameter["name"] in parts:
                    value = parts[parameter["name"]]
                    kind = int if parameter["schema"].get("type") == "integer" else str
                    parameter["schema"] = {"type": parameter["schema"].get("type", "string"), "const": kind(value)}
                    parameter.pop("examples", None)
                    parameter["example"] = kind(value)
    return told


async def test_what_is_described_is_so(asked: Fuzzed, inputs_count: int, progress: Progress) -> None:
    """Every status, content type and body is documented; no 5xx but 501 and a 503 that says when; none over 2 s."""
    made, parts = asked
    description = (await made.get("/docs/openapi.json")).json()
    told = {False: description, True: known(description, parts)}
    operations = sum(len(item) for item in description["paths"].values())
    found, wanted = Found(NamedFields(description)), inputs_count // 2
    async with served(made) as port:
        for plan in plans(wanted, operations, found):
            headers = made.bearer("admin", csrf=True)
            await asyncio.to_thread(run, f"http://127.0.0.1:{port}", told[plan.known], headers, plan, found)
            progress(f"described: {found.count} of {wanted} inputs, {dict(sorted(found.statuses.items()))}")
            assert found.broken == []
        progress(f"described: slow first answers: {found.firsts}")
        check_slow(found.firsts, found.methods)
        again = [await asyncio.to_thread(_again, one) for one in found.slow]  # a busy machine is not the route's
        assert max(again, default=0.0) < SECONDS_MAX
    assert found.count >= wanted >= 1
    assert set(PHASES) <= set(found.phases)
    assert {200, 201, 400, 404, 409} <= set(found.statuses)
    assert found.statuses[401] < found.count / 4  # who asks is known


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
