"""Reads: as of when, how new at least, and answers that are kept while nothing changes them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from api.reading.hot import BODY_BYTES_MAX, ENTRIES_MAX, HotAnswer, HotAnswers
from events.clock import iso
from events.facts import SessionClaimed
from projections.batch import Checkpoint
from tests.api.paths import filled
from tests.api.worlds import World, world
from tests.projections.streams import Script, ticks

pytestmark = pytest.mark.asyncio(loop_scope="module")

WRONG_CHOICE = "1w"
LISTS = ("signals", "orders", "fills", "denials", "trades", "positions", "equity", "metrics")


async def sessions_of(made: World) -> list[str]:
    """Ids of all sessions of a world."""
    rows = (await made.get("/api/sessions?include_research=true&limit=1000")).json()["rows"]
    return [row["session"] for row in rows]


async def reads_of(made: World) -> list[str]:
    """Addresses of every kind of read, for every session."""
    paths = ["/symbols", "/api/sessions?include_research=true", "/api/data-collection/sessions", "/api/market/symbols"]
    for session in await sessions_of(made):
        paths.append(f"/api/sessions/{session}")
        paths += [f"/api/sessions/{session}/{one}" for one in LISTS]
    return paths


def with_as_of(path: str, as_of: str) -> str:
    """A path that asks as of something."""
    return f"{path}{'&' if '?' in path else '?'}as_of={as_of}"


async def test_as_of_equals_a_house_built_so_far(seeded: World, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Every route as of S answers what a house answers whose tape ends at S."""
    paths = await reads_of(seeded)
    last = await seeded.last()
    for sequence in (last // 3, 2 * last // 3):
        shorter = Script()
        async for message in seeded.tape.read(1, end=sequence):
            shorter.tape._store.messages.append(message)  # the same messages, and no more
            shorter.tape._store.last_of[message.subject] = message.sequence
        async with world(tmp_path_factory.mktemp("shorter"), tape=shorter.tape) as other:
            for path in paths:
                past = await seeded.get(with_as_of(path, str(sequence)))
                then = await other.get(path)
                assert past.status_code == then.status_code, path
                if past.status_code == 200:
                    assert past.json() == then.json(), path
                    assert past.headers["Tape-Sequence"] == then.headers["Tape-Sequence"] == str(sequence)


async def test_an_instant_stands_for_the_last_sequence_before_it(seeded: World) -> None:
    """As of the moment a message was appended is as of the last message of that moment."""
    message = await seeded.tape.get(await seeded.last() // 2)
    assert message is not None
    answer = await seeded.get(with_as_of("/api/sessions", iso(message.appended_ns)))
    following = await seeded.tape.get(int(answer.headers["Tape-Sequence"]) + 1)
    reached = await seeded.tape.get(int(answer.headers["Tape-Sequence"]))
    assert reached is not None
    assert reached.appended_ns // 1000 <= message.appended_ns // 1000
    assert following is None or following.appended_ns > message.appended_ns


async def test_before_the_first_sequence_there_is_nothing(seeded: World) -> None:
    """As of 0, and as of an instant before the tape, lists are empty."""
    for as_of in ("0", "1999-01-01"):
        answer = await seeded.get(with_as_of("/api/sessions", as_of))
        assert (answer.json()["total"], answer.headers["Tape-Sequence"]) == (0, "0")


async def test_every_read_says_where_it_stands(seeded: World) -> None:
    """Sequence and epoch stand on every read answer."""
    last = await seeded.last()
    for path in [*(await reads_of(seeded)), "/api/tape/info", "/api/tape/events", "/api/exchange/symbols"]:
        answer = await seeded.get(path)
        assert answer.headers["Tape-Sequence"] == str(last), path
        assert answer.headers["Tape-Epoch"] == "e1", path


async def test_you_read_what_you_wrote(seeded: World) -> None:
    """`Tape-Min-Sequence` waits until the answer shows an append of just now."""
    sequence = await _append(seeded, "late1")
    answer = await seeded.get("/api/sessions/late1", **{"Tape-Min-Sequence": str(sequence)})
    assert answer.status_code == 200
    assert int(answer.headers["Tape-Sequence"]) >= sequence


async def test_what_does_not_come_is_503_with_a_time_to_come_back(
    seeded: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sequence that is not there within the bound is answered so, on reads of the model and of the tape."""
    monkeypatch.setattr("api.reading.reader.WAIT_SECONDS_MAX", 0.1)
    for path in ("/symbols", "/api/tape/events", "/api/exchange/symbols", "/api/strategies"):
        answer = await seeded.get(path, "viewer", **{"Tape-Min-Sequence": "999999"})
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2"), path


async def test_a_kept_answer_is_the_same_and_ends_with_the_next_change(seeded: World) -> None:
    """The second answer comes from memory; after a change of what it shows it does not."""
    path = "/api/sessions?limit=5"
    first = await seeded.get(path)
    key = (b"/api/sessions", b"limit=5")
    assert seeded.house.hot.find(key) is not None
    assert (await seeded.get(path)).content == first.content
    sequence = await _append(seeded, "late2")
    await seeded.caught_up()
    assert seeded.house.hot.find(key) is None
    changed = await seeded.get(path)
    assert changed.json()["total"] == first.json()["total"] + 1
    assert int(changed.headers["Tape-Sequence"]) >= sequence


async def test_a_kept_answer_moves_on_with_the_tape(seeded: World) -> None:
    """Events that change nothing of the read model leave the answer and move its sequence."""
    path = "/api/sessions?limit=6"
    first = await seeded.get(path)
    script = Script()
    script.tape = seeded.tape
    script._messages = 10_000
    await script.market("sim", ticks(5))
    last = await seeded.caught_up()
    again = await seeded.get(path)
    assert again.content == first.content
    assert again.headers["Tape-Sequence"] == str(last)


async def test_answers_of_the_past_stay_as_they_are(seeded: World) -> None:
    """An answer as of S is kept as of S."""
    path = with_as_of("/api/sessions", "20")
    first = await seeded.get(path)
    await _append(seeded, "late3")
    await seeded.caught_up()
    again = await seeded.get(path)
    assert (again.content, again.headers["Tape-Sequence"]) == (first.content, "20")


async def test_many_readers_at_once_agree_with_the_sequence_they_are_told(seeded: World) -> None:
    """Under appends every answer is the one of the sequence in its header."""
    path = "/api/sessions?include_research=true&limit=1000"
    seen: list[tuple[int, int]] = []

    async def read() -> None:
        for _ in range(20):
            answer = await seeded.get(path)
            seen.append((int(answer.headers["Tape-Sequence"]), answer.json()["total"]))
            await asyncio.sleep(0)

    async def write() -> None:
        for at in range(20):
            await _append(seeded, f"busy{at}")
            await asyncio.sleep(0.002)

    await asyncio.gather(write(), *(read() for _ in range(6)))
    for sequence, total in dict.fromkeys(seen):
        assert (await seeded.get(with_as_of(path, str(sequence)))).json()["total"] == total


async def test_not_ready_is_503_with_the_lag(seeded: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Until the read model has caught up reads say how far it is; health answers all the same."""

    async def no_refresh() -> None:
        return

    monkeypatch.setattr(seeded.house.runner, "refresh", no_refresh)
    monkeypatch.setattr(seeded.house.runner, "_state", "catching_up")
    monkeypatch.setattr(seeded.house.runner, "_tape_last", 10_000)
    answer = await seeded.get("/api/sessions?limit=9")
    assert answer.status_code == 503
    assert "events behind" in answer.json()["error_message"]
    health = (await seeded.get("/api/health")).json()
    assert (health["ready"], health["status"], health["components"]["read_model"]["status"]) == (
        False,
        "degraded",
        "behind",
    )


class _Store:
    """What hot answers ask of a store."""

    visible = 5
    checkpoint = Checkpoint("e", 5)


async def test_kept_answers_are_bounded() -> None:
    """Neither many nor large answers fill the memory; the oldest goes first."""
    hot = HotAnswers(_Store(), lambda: True)  # type: ignore[arg-type]
    for at in range(ENTRIES_MAX + 10):
        hot.keep((b"/x", str(at).encode()), HotAnswer(b"{}", 5, "e", False))
    assert hot.find((b"/x", b"9")) is None
    assert hot.find((b"/x", b"10")) is not None
    hot.keep((b"/y", b""), HotAnswer(b"x" * (BODY_BYTES_MAX + 1), 5, "e", False))
    assert hot.find((b"/y", b"")) is None
    for at in range(40):
        hot.keep((b"/z", str(at).encode()), HotAnswer(b"x" * BODY_BYTES_MAX, 5, "e", False))
    assert hot.find((b"/z", b"0")) is None


async def test_kept_answers_end_with_the_checkpoint_and_the_epoch() -> None:
    """What was applied behind an answer ends it, another epoch too, and one that is not ready serves none."""
    store, ready = _Store(), [True]
    hot = HotAnswers(store, lambda: ready[0])  # type: ignore[arg-type]
    hot.keep((b"/x", b""), HotAnswer(b"{}", 5, "e", False))
    store.visible = 8
    found = hot.find((b"/x", b""))
    assert found is not None
    assert found.sequence == 8
    ready[0] = False
    assert hot.find((b"/x", b"")) is None
    ready[0] = True
    store.checkpoint = Checkpoint("e", 6)
    assert hot.find((b"/x", b"")) is None
    hot.keep((b"/x", b"a"), HotAnswer(b"{}", 3, "e", True))
    assert hot.find((b"/x", b"a")) is not None
    store.checkpoint = Checkpoint("f", 6)
    assert hot.find((b"/x", b"a")) is None


async def _append(made: World, session: str) -> int:
    """One more session on the tape; the sequence of its last fact."""
    script = Script()
    script.tape = made.tape
    script._messages = 100_000 + await made.last()
    await script.start(session)
    return await script.of_session(session, SessionClaimed(session=session, engine="e1", epoch=1))


async def test_every_choice_of_a_query_is_named_in_its_error(seeded: World) -> None:
    """Whatever the route: the values are listed, as they are for the fields of a body."""
    description = (await seeded.get("/docs/openapi.json")).json()
    asked = list(choices(description))
    assert len(asked) > 10
    for method, path, parameter, values, others in asked:
        url = filled(path, session="s0")
        headers = seeded.bearer("admin", csrf=True)
        answer = await seeded.client.request(method, url, params=others | {parameter: WRONG_CHOICE}, headers=headers)
        told = f"{method} {url} {parameter}: {answer.text}"
        assert answer.status_code == 400, told
        assert all(value in answer.text for value in [*values, WRONG_CHOICE]), told


def choices(description: dict[str, Any]) -> Iterator[tuple[str, str, str, list[str], dict[str, str]]]:
    """Method, path, parameter and its values, and what the route needs beside it."""
    for path, methods in description["paths"].items():
        for method, told in methods.items():
            queries = {one["name"]: one for one in told.get("parameters", []) if one["in"] == "query"}
            values = {
                name: values_of(one["schema"], description["components"]["schemas"]) for name, one in queries.items()
            }
            needed = {name: (values[name] or ["1"])[0] for name, one in queries.items() if one.get("required")}
            for name in queries:
                if values[name]:
                    yield method.upper(), path, name, values[name], needed


def values_of(schema: dict[str, Any], schemas: dict[str, Any]) -> list[str]:
    """What a schema is a choice of."""
    parts = [schema, *schema.get("oneOf", []), *schema.get("anyOf", [])]
    parts = [schemas[part["$ref"].rsplit("/", 1)[-1]] if "$ref" in part else part for part in parts]
    return [str(value) for part in parts for value in part.get("enum", []) if value not in (None, "")]
