"""Changes of the configuration at once, numbers of a query that are none, and fields that would do nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from tests.api.worlds import World, world

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def made(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """A house that answers commands."""
    async with world(tmp_path_factory.mktemp("races"), engine=True) as found:
        yield found


async def put(made: World, path: str, body: Any) -> Any:
    """PUT as a trader; the answer's JSON."""
    answer = await made.client.put(path, json=body, headers=made.bearer(csrf=True))
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_each_change_at_once_is_answered_with_its_own_state(made: World) -> None:
    """Of six that change one key together each is told what it set, by both contracts; none is told another's."""
    wanted = [0.01 * (at + 1) for at in range(6)]
    told = await asyncio.gather(*(put(made, "/api/config/risk", {"maxDailyLoss": value}) for value in wanted))
    assert [one["maxDailyLoss"] for one in told] == wanted
    wanted = [0.11 * (at + 1) for at in range(6)]
    wholes = await asyncio.gather(*(put(made, "/api/v1/config", {"risk": {"maxDailyLoss": value}}) for value in wanted))
    assert [one["data"]["config"]["risk"]["maxDailyLoss"] for one in wholes] == wanted
    again = await put(
        made, "/api/config/risk", {"maxDailyLoss": (await made.get("/api/config/risk")).json()["maxDailyLoss"]}
    )
    assert again == (await made.get("/api/config/risk")).json()


async def test_a_number_of_a_query_that_is_not_finite_names_its_parameter(made: World) -> None:
    """Every number that any route takes: nan and infinities are a 400 with the field, not an empty page."""
    described = (await made.get("/docs/openapi.json")).json()["paths"]
    asked = 0
    for path, item in described.items():
        for one in (item.get("get") or {}).get("parameters", []):
            if one["in"] != "query" or "number" not in str(one["schema"]):
                continue
            for value in ("nan", "-nan", "inf", "-Infinity", "1e999"):
                needed = {other["name"]: "1" for other in item["get"]["parameters"] if other.get("required")}
                query = "&".join(f"{name}={told}" for name, told in (needed | {one["name"]: value}).items())
                answer = await made.get(f"{path}?{query}", "admin")
                assert answer.status_code == 400, (path, query, answer.text)
                assert one["name"] in answer.text, (path, query, answer.text)
                asked += 1
    assert asked >= 15


async def test_what_would_do_nothing_or_is_meant_otherwise_is_refused_with_the_reason(made: World) -> None:
    """The pace of what has its own, and money where a percent stands, are told in words of the field."""
    start = {"session_type": "paper", "symbols": ["BTC_USDT"], "strategy_config": {"strategies": ["pump_v2"]}}
    for config, field, told in (
        ({"acceleration_factor": 10}, "config.acceleration_factor", "has its own pace"),
        ({"acceleration_factor": 0}, "config.acceleration_factor", "has its own pace"),
        (
            {"budget": {"global_cap": 1_000, "allocations": {"pump_v2": 500}}},
            "config.budget.allocations.pump_v2",
            "at most 100: a percent of global_cap",
        ),
    ):
        answer = await made.post("/sessions/start", start | {"config": config})
        assert (answer.status_code, answer.json()["field"]) == (400, field), answer.text
        assert told in answer.json()["message"]
