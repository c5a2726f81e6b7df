"""Contract 004, operations: health of the components."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from tests.api.worlds import World


async def tells_how_components_are(made: World) -> None:
    """Components, databases, the broker's connection and resources; the same words as contract 003's status (C24)."""
    answer = await made.get("/api/health/components")
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert {"components", "database", "broker", "resources"} <= set(found)
    told = (await made.get("/api/status")).json()["components"]
    assert {name: one["status"] for name, one in found["components"].items()} == {
        name: one["status"] for name, one in told.items()
    }
    assert found["database"]["market"]["lag"] == 0
    assert found["broker"]["status"] == "not_configured"
    assert found["resources"]["memory"]["total"] > 0


CASES: dict[str, Callable[[World], Awaitable[None]]] = {
    "s4.health.components": tells_how_components_are,
}
