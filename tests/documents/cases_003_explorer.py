"""Contract 003: the database explorer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import httpx

from tests.api.worlds import World
from tests.documents.shapes import inventory, misfits

ENTRIES = inventory("s3.")
ERROR = ENTRIES["s3.rule.error_body"]["response_shape"] if ENTRIES else None


async def asked(made: World, text: str, **headers: str) -> httpx.Response:
    """The answer to a query; a first one may have to come again, as the answer 503 says."""
    path = ENTRIES["s3.db.query"]["path"]
    async with asyncio.timeout(30):
        while (answer := await made.post(path, {"query": text}, "viewer", **headers)).status_code == 503:
            assert "Retry-After" in answer.headers
            await asyncio.sleep(0.1)
    return answer


async def answers_a_query(made: World) -> None:
    """A SELECT finds what the other routes tell, as of a sequence that the answer names."""
    entry = ENTRIES["s3.db.query"]
    answer = await asked(made, entry["request_example"]["query"])
    assert answer.status_code == 200, answer.text
    assert misfits(answer.json(), entry["response_shape"]) == []
    assert (answer.json()["columns"], answer.json()["rows"]) == ([{"name": "one", "type": "INTEGER"}], [[1]])
    listed = (await made.get("/api/instruments")).json()
    since = {"Tape-Min-Sequence": str(await made.caught_up())}
    answer = await asked(made, "SELECT symbol, venue FROM instruments ORDER BY id", **since)
    assert answer.json()["rows"] == [[one["symbol"], one["exchange"]] for one in listed]
    assert answer.json()["sequence"] == int(answer.headers["Tape-Sequence"]) >= int(since["Tape-Min-Sequence"])
    assert 0 <= answer.json()["ageMs"] <= 10_000


async def only_reads(made: World) -> None:
    """Whatever would change something, or read another thing, is refused in the contract's words."""
    path = ENTRIES["s3.db.query"]["path"]
    for text in ("DELETE FROM signals", "SELECT 1; DROP TABLE signals", "FROM duckdb_settings()", "FROM '/etc/passwd'"):
        answer = await asked(made, text)
        assert (answer.status_code, answer.json()["error_code"]) == (400, "QUERY_NOT_ALLOWED"), answer.text
        assert misfits(answer.json(), ERROR) == []
    assert (await made.client.post(path, json={"query": "SELECT 1"})).status_code == 401


CASES: dict[str, Callable[[World], Awaitable[None]]] = {
    "s3.db.query": answers_a_query,
    "s3.rule.db_readonly": only_reads,
}
