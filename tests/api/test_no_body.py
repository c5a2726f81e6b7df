"""Requests whose body is not there, or nothing: every route that asks for one says so."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from litestar.routes import HTTPRoute

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
