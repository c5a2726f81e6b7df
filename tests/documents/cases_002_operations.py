"""Contract 002, operations: health in words and what the machine has."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import psutil

from tests.api.worlds import World
from tests.documents.shapes import inventory, misfits

ENTRIES = inventory("s2.")


async def is_healthy_in_words(made: World) -> None:
    """Each component in a word, the whole as bad as the worst of them; without a token."""
    answer = await made.get("/api/v1/health")
    assert answer.status_code == 200, answer.text
    assert misfits(answer.json(), ENTRIES["s2.health"]["response_shape"]) == []
    found = answer.json()["data"]
    assert {"tape", "read_model", "market", "engine", "worker", "api", "seal"} <= set(found["components"])
    assert found["components"]["database"] == found["components"]["tape"] == "ok"
    assert found["components"]["seal"] == "error", "nothing seals a tape in memory"
    assert found["status"] == "unhealthy"


async def measures_the_machine(made: World) -> None:
    """The machine's own figures; the keys of a graphics card are there without one."""
    answer = await made.get("/api/v1/metrics/system")
    assert answer.status_code == 200, answer.text
    assert misfits(answer.json(), ENTRIES["s2.metrics.system"]["response_shape"]) == []
    found = answer.json()["data"]
    assert found["cpu"]["cores"] == psutil.cpu_count()
    assert found["memory"]["total"] == psutil.virtual_memory().total
    assert 0 < found["disk"]["used"] <= found["disk"]["total"]


CASES: dict[str, Callable[[World], Awaitable[None]]] = {
    "s2.health": is_healthy_in_words,
    "s2.metrics.system": measures_the_machine,
}
