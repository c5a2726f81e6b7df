"""Requests whose body, or a part of it, is not there or null: every route says so, or takes null for left out."""

from __future__ import annotations

from collections.abc import AsyncIterator

import msgspec
import pytest
import pytest_asyncio
from litestar.routes import HTTPRoute

from api.documented_examples import EXAMPLES
from api.strict_request import read_body
from tests.api.bodies import fields_of
from tests.api.paths import filled
from tests.api.worlds import World, world

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def made(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """A house and no engine."""
    async with world(tmp_path_factory.mktemp("none")) as found:
        yield found


@pytest.mark.parametrize("content", [None, b"", b"  ", b"null", b"[]", b"{"])
async def test_every_route_says_what_is_wrong_with_no_body(made: World, content: bytes | None) -> None:
    """A body that is missing, empty, null, a list or cut off is told as such on every route that asks for one."""
    last, asked = await made.last(), 0
    for route in made.app.routes:
        for method, (handler, _) in route.route_handler_map.items() if isinstance(route, HTTPRoute) else ():
            if handler.parsed_data_field is None or handler.parsed_data_field.is_optional:
                continue
            kind = {} if content is None else {"Content-Type": "application/json"}
            headers = made.bearer("admin", csrf=True) | kind
            answer = await made.client.request(method, filled(route.path_format), headers=headers, content=content)
            if answer.status_code == 404:  # of what the path names, which is looked for first
                continue
            asked += 1
            assert answer.status_code == 400, (route.path_format, answer.text)
            assert "body" in answer.text, (route.path_format, answer.text)
            assert "'data'" not in answer.text, (route.path_format, answer.text)
    assert asked > 25
    assert await made.last() == last


async def test_null_is_the_same_as_left_out(made: World) -> None:
    """Typed clients write null for what they leave out: of every optional field of every body it is taken so."""
    checked = 0
    for route in made.app.routes:
        for method, (handler, _) in route.route_handler_map.items() if isinstance(route, HTTPRoute) else ():
            field, example = handler.parsed_data_field, EXAMPLES.get(f"{method} {route.path_format}")
            if field is None or not isinstance(example, dict):
                continue
            for name, attribute in ((one.encode_name, one.name) for one in fields_of(field.raw) if not one.required):
                without = {key: value for key, value in example.items() if key != name}
                given = read_body(msgspec.json.encode(without | {name: None}), field.raw)
                held = read_body(msgspec.json.encode(without), field.raw)
                checked += 1
                if given != held:  # a field of which null says something of its own
                    assert getattr(given, attribute) is None, (method, route.path_format, name)
    assert checked > 60


async def test_null_of_a_field_inside_and_of_one_that_is_needed(made: World) -> None:
    """Deeper in a body too null is left out; of a field that is needed it is refused, by its name."""
    body = EXAMPLES["POST /sessions/start"]
    nulls = {**body, "config": {**body["config"], "stop_loss_percent": None, "max_position_size": None}}
    headers = made.bearer("admin", csrf=True)
    for sent, field in (
        (nulls, "symbols"),
        (nulls | {"session_type": None}, "session_type"),
        (nulls | {"config": None, "symbols": [7]}, "symbols[0]"),
    ):
        answer = await made.client.post("/sessions/start", json=sent, headers=headers)
        assert (answer.status_code, answer.json()["field"]) == (400, field), "this house has no source: that is told"
