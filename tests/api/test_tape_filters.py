"""Filters of the tape's events: what there is not is said, and what is wanted is looked for where it can be."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from api import tape as routes
from api.streams.wording import KINDS, Filter, word
from events import subjects
from tests.api.recordings import simulated_recording
from tests.api.worlds import World, world

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def made(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """A house with a recorded hour and a session."""
    async with world(tmp_path_factory.mktemp("filters"), engine=True) as found:
        await simulated_recording(found.tape)
        await found.caught_up()
        body = {"mode": "paper", "recording": "rec_" + "a" * 16, "strategies": [{"strategy": "ema_cross"}]}
        assert (await found.post("/api/sessions", body)).status_code == 200
        await found.caught_up()
        yield found


@pytest.mark.parametrize("route", ["events", "stream"])
@pytest.mark.parametrize(
    ("query", "status", "field"),
    [
        ("kind=SessionStartd", 400, "kind"),
        ("kind=market,nosuch", 400, "kind"),
        ("session=nosuch", 404, "session"),
        ("instrument=4711", 404, "instrument"),
    ],
)
async def test_what_there_is_not_is_said(made: World, route: str, query: str, status: int, field: str) -> None:
    """An unknown kind, session or instrument is an error that names it, not an empty list or a silent stream."""
    answer = await made.get(f"/api/tape/{route}?{query}")
    assert (answer.status_code, answer.json()["field"]) == (status, field), answer.text
    if "Startd" in query:
        assert "SessionStarted" in answer.json()["error_message"]


async def test_each_kind_is_found_among_its_subjects(made: World) -> None:
    """Of every event on the tape each of its kinds, asked for alone, is looked for on the event's subject."""
    seen = set()
    async for message in made.tape.read(1):
        for kind in word(message).types:
            seen.add(kind)
            wanted = Filter(kinds=frozenset({kind})).subjects()
            assert any(subjects.matches(one, message.subject) for one in wanted), (kind, message.subject)
    assert {"market", "SessionStarted", "InstrumentsRegistered"} & seen
    assert seen <= KINDS


async def test_a_page_looks_at_so_many_bytes(made: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page ends where it has looked at so many bytes, and its cursor goes on from there."""
    monkeypatch.setattr(routes, "SCAN_BYTES_MAX", 1)
    cursor, found = 0, 0
    whole = (await made.get("/api/tape/events?kind=market&limit=1000")).json()
    first = (await made.get("/api/tape/events?kind=SessionStarted")).json()
    assert first["next_cursor"] is not None or first["events"]
    while cursor is not None:
        page = (await made.get(f"/api/tape/events?kind=market&limit=1000&after={cursor}")).json()
        cursor, found = page["next_cursor"], found + len(page["events"])
    monkeypatch.undo()
    whole = (await made.get("/api/tape/events?kind=market&limit=1000")).json()
    assert found == len(whole["events"]) > 1
