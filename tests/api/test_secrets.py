"""Secrets: a canary that is given as key, secret and password is found nowhere but encrypted or hashed."""

from __future__ import annotations

import logging
from collections.abc import Iterator, MutableMapping
from pathlib import Path
from typing import Any

import pytest
import structlog
from structlog.testing import capture_logs

from tests.api.worlds import World, world

CANARY = "Canary7xQ2mmmmmmmmmmmmmmmmmmmmmmmmm9vK4"
MIDDLE = CANARY[4:-4]  # hints show the ends


async def _say_everywhere(made: World) -> list[str]:
    """Give the canary wherever a secret may be given, rightly and wrongly; all answers."""
    good = {"provider_id": "binance", "environment": "testnet", "api_key": CANARY, "api_secret": CANARY}
    answers = []
    for body in (
        good,
        good | {"api_key": [CANARY]},
        good | {"api_key": CANARY * 400},
        good | {"surely_unknown": CANARY},
        good | {"provider_id": ""},
        {"api_secret": CANARY},
    ):
        answers.append(await made.post("/api/keys/", body))
    answers.append(await made.client.post("/api/keys/", content=f'{{"api_key": "{CANARY}', headers=_json(made)))
    for login in ({"username": "trader", "password": CANARY}, {"username": "trader", "password": [CANARY]}):
        answers.append(await made.client.post("/api/auth/login", json=login))
    ident = answers[0].json()["id"]
    for change in ({"api_secret": CANARY}, {"api_secret": {"x": CANARY}}, {"label": 7, "api_key": CANARY}):
        answers.append(await made.client.put(f"/api/keys/{ident}", json=change, headers=made.bearer()))
    answers.append(await made.get("/api/keys/", "trader"))
    answers.append(await made.get("/api/tape/events?limit=1000"))
    answers.append(await made.get(f"/api/tape/events?token={CANARY}"))
    return [answer.text + str(answer.headers) for answer in answers]


def _json(made: World) -> dict[str, str]:
    return {**made.bearer(), "Content-Type": "application/json"}


async def _bodies(tape: Any) -> bytes:
    found = [message async for message in tape]
    return b"".join(f"{one.subject} {one.headers!r}".encode() + one.body for one in found)


def _on_disk(folder: Path) -> dict[str, bytes]:
    """Everything that lies below the data folder."""
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def _command_lines() -> str:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(path.read_text(errors="replace"))
        except OSError:
            continue  # it has ended
    return "\n".join(found)


@pytest.fixture
def lines() -> Iterator[list[MutableMapping[str, Any]]]:
    """What is logged, of every level."""
    before = structlog.get_config()["wrapper_class"]
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG))
    try:
        with capture_logs() as found:
            yield found
    finally:
        structlog.configure(wrapper_class=before)


async def test_a_canary_is_found_nowhere(tmp_path: Path, lines: list[MutableMapping[str, Any]]) -> None:
    """Not in answers, errors, logs, events of tape or vault, files, databases or command lines."""
    async with world(tmp_path) as made:
        answers = await _say_everywhere(made)
        assert [text for text in answers if MIDDLE in text] == []
        for tape in (made.tape, made.vault):
            assert MIDDLE.encode() not in await _bodies(tape.read(1))
        ident = (await made.get("/api/keys/", "trader")).json()[0]["id"]
        secrets = await made.house.keys.secrets_of("trader", ident)
        assert secrets.api_secret == CANARY, "it was stored"
        assert MIDDLE not in f"{secrets!r} {made.house.keys.find('trader', ident)!r}"
        await made.caught_up()
    assert [name for name, content in _on_disk(tmp_path).items() if MIDDLE.encode() in content] == []
    assert MIDDLE not in _command_lines()
    assert "request" in {line["event"] for line in lines}, "the log was looked at"
    assert MIDDLE not in repr(lines)
