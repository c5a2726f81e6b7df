"""Contract 002, logs: the files, lines of one by level and text, and lines as they are written."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec

from api.places import Places
from tests.api.sse import listening
from tests.api.worlds import World
from tests.documents.shapes import inventory, misfits
from tests.fixtures.waiting import until

ENTRIES = inventory("s2.")
FILES = "/api/v1/logs/files"
STREAM = "/api/v1/logs/stream"


def written(made: World, name: str, *lines: bytes) -> Path:
    """Lines appended to a log file of the house."""
    folder = Places(made.house.settings.folder).logs
    folder.mkdir(exist_ok=True)
    with (folder / name).open("ab") as file:
        file.write(b"".join(line + b"\n" for line in lines))
    return folder / name


def entry(event: str, level: str = "info", second: int = 0, **said: object) -> bytes:
    """A line as a process writes it."""
    timestamp = f"2026-01-15T14:45:{second:02}.123456Z"
    return msgspec.json.encode({"event": event, **said, "level": level, "timestamp": timestamp})


async def lists_files(made: World) -> None:
    """Name, size in bytes and time of each, the one written last first; nothing but logs of that folder."""
    path = written(made, "engine-7.log", entry("started"))
    path.with_name(f"{path.name}.1").write_bytes(b"before\n")
    (path.parent / "notes.txt").write_text("no log")
    (path.parent / "link.log").symlink_to("/etc/hostname")
    answer = await made.get(FILES)
    assert answer.status_code == 200, answer.text
    assert misfits(answer.json(), ENTRIES["s2.logs.files"]["response_shape"]) == []
    found = {one["name"]: one["size"] for one in answer.json()["data"]["files"]}
    assert found["engine-7.log"] == path.stat().st_size
    assert found["engine-7.log.1"] == 7
    assert not {"notes.txt", "link.log"} & set(found)
    part = (await made.get(f"{FILES}?limit=1&offset=1")).json()
    assert len(part["data"]["files"]) == 1
    assert part["pagination"]["total"] == len(found)
    await _confines_names(made)


async def _confines_names(made: World) -> None:
    """No name leaves the folder, follows a link or reads what is no log."""
    (Places(made.house.settings.folder).folder / "outside.log").write_text("secret")
    for name in (
        *("../outside.log", "..%2Foutside.log", "..%252Foutside.log", "%2Fetc%2Fpasswd", "....//outside.log"),
        *("..", ".", "link.log", "notes.txt", "engine-7.log%00.txt", "engine-7.log%0A", "a" * 300, "..%5Coutside.log"),
        *("engine-7.log/", "%2e%2e%2foutside.log", ".log", "engine-7.log.0", "no-such.log", "%FF%FE.log"),
    ):
        answer = await made.get(f"{FILES}/{name}")
        assert "secret" not in answer.text
        if name != "engine-7.log/":
            assert answer.status_code in (400, 404) or "files" in answer.json()["data"], (name, answer.text)


async def reads_a_file(made: World) -> None:
    """Lines with their numbers, by level and text, a page at a time; what is no entry is shown as it stands."""
    lines = [entry("tick", "debug" if number % 2 else "info", number % 60, number=number) for number in range(300)]
    lines += [entry("failed", "error", 7, reason="No Room"), b"Traceback (most recent call last):", b'{"half', b"\xff"]
    written(made, "paged.log", *lines, b"x" * 200_000)
    whole = (await made.get(f"{FILES}/paged.log")).json()
    assert misfits(whole, ENTRIES["s2.logs.file"]["response_shape"]) == []
    first = whole["data"]["lines"][0]
    assert (whole["data"]["filename"], whole["data"]["totalLines"], len(whole["data"]["lines"])) == (
        "paged.log", 305, 100,
    )  # fmt: skip
    assert (first["number"], first["level"], first["logger"], first["message"]) == (1, "INFO", "paged", "tick number=0")
    page = (await made.get(f"{FILES}/paged.log?level=DEBUG&limit=2&offset=3")).json()
    assert [line["number"] for line in page["data"]["lines"]] == [8, 10]
    assert page["pagination"] == {"limit": 2, "offset": 3, "total": 150, "hasMore": True}
    found = (await made.get(f"{FILES}/paged.log?search=no%20room")).json()["data"]
    assert [(line["number"], line["message"]) for line in found["lines"]] == [(301, "failed reason=No Room")]
    raw = (await made.get(f"{FILES}/paged.log?level=ERROR&offset=1")).json()["data"]
    assert misfits(raw, ENTRIES["s2.logs.file"]["response_shape"]["data"]) == []
    assert [line["number"] for line in raw["lines"]] == [302, 303, 304, 305]
    assert {line["timestamp"] for line in raw["lines"]} == {"2026-01-15T14:45:07.123456Z"}
    assert len(raw["lines"][-1]["message"]) < 5_000
    for wrong in ("level=LOUD", "limit=0", "limit=1001", "offset=-1", "search=" + "a" * 5_000, "surely_unknown=1"):
        answer = await made.get(f"{FILES}/paged.log?{wrong}")
        assert answer.status_code == 400, wrong
        assert answer.json()["error"]["code"] == "VALIDATION_ERROR"
    assert (await made.get(f"{FILES}/no-such.log")).status_code == 404


async def streams_lines(made: World) -> None:
    """Each line once and in order, from joining on, over a file that is begun anew and one that is new."""
    path = written(made, "live.log", entry("before"))
    async with listening(made.app, STREAM) as events:
        await until(lambda: made.house.logs.clients == 1)
        written(made, "live.log", entry("one", "warning", 1), entry("two"))
        told = [await events.next(), await events.next()]
        assert events.status == 200
        written(made, "live.log", entry("three"))
        path.rename(path.with_name(f"{path.name}.1"))
        written(made, "live.log", entry("four"))
        written(made, "fresh.log", b"plain")
        told += [await events.next() for _ in range(3)]
    assert {name for name, _ in told} == {"log"}
    for _, body in told:
        assert misfits(body, ENTRIES["s2.logs.stream.log"]["response_shape"]) == []
    of_live = [body["message"] for _, body in told if body["logger"] == "live"]
    assert of_live == ["one", "two", "three", "four"]
    assert [(body["level"], body["message"]) for _, body in told if body["logger"] == "fresh"] == [("ERROR", "plain")]
    assert told[0][1] == {
        "timestamp": "2026-01-15T14:45:01.123456Z", "level": "WARNING", "logger": "live", "message": "one",
    }  # fmt: skip


async def streams_a_line_once(made: World) -> None:
    """Of a line longer than is read at once the beginning, one time; what follows it is told as ever."""
    written(made, "long.log", entry("before"))
    async with listening(made.app, STREAM) as events:
        await until(lambda: made.house.logs.clients == 1)
        written(made, "long.log", b"y" * 600_000, entry("behind"))
        told = [await events.next(), await events.next()]
    for _, body in told:
        assert misfits(body, ENTRIES["s2.logs.stream.log"]["response_shape"]) == []
    (_, first), (_, second) = told
    assert (first["message"][:2], len(first["message"]) < 5_000, second["message"]) == ("yy", True, "behind")
    assert made.house.logs.clients == 0, "whoever left is forgotten"


CASES: dict[str, Callable[[World], Awaitable[None]]] = {
    "s2.logs.files": lists_files,
    "s2.logs.file": reads_a_file,
    "s2.logs.stream": streams_lines,
    "s2.logs.stream.log": streams_a_line_once,
}
