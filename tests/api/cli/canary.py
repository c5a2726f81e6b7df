"""A secret that can be recognised, given to a house that runs wherever one may be given, and looked for everywhere."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import httpx
import msgspec
import psutil
from websockets.sync.client import connect

from tests.api.cli.children import MARK

CANARY = "Canary7xQ2nnnnnnnnnnnnnnnnnnnnnnnnnn8wL5"
MIDDLE = CANARY[4:-4].encode()  # hints show the ends
SOCKET_SECONDS_MAX = 30.0


def tell(url: str, tokens: dict[str, str]) -> str:
    """Give it as key and secret, as password, as token and in what is refused; all that was answered."""
    key = {"provider_id": "binance", "environment": "testnet", "api_key": CANARY, "api_secret": CANARY}
    with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {tokens['trader']}"}, timeout=30) as client:
        stored = client.post("/api/keys/", json=key)
        assert stored.status_code == 200, stored.text
        ident = stored.json()["id"]
        answers = [
            stored,
            *(
                client.post("/api/keys/", json=key | wrong)
                for wrong in ({"api_key": [CANARY]}, {"surely_unknown": CANARY})
            ),
            client.put(f"/api/keys/{ident}", json={"api_secret": CANARY}),
            client.post("/api/auth/login", json={"username": "trader", "password": CANARY}),
            client.post("/api/auth/login", content=f'{{"password": "{CANARY}'),
            client.get(f"/api/health?token={CANARY}"),
            client.get("/api/health", headers={"Authorization": f"Bearer {CANARY}"}),
            client.get("/api/keys/"),
            client.get("/api/tape/events?limit=1000"),
        ]
    return "".join(answer.text + str(answer.headers) for answer in answers)


def kept(needles: dict[str, bytes], *folders: Path) -> list[tuple[str, str]]:
    """What is in a file below a folder: logs, the tape and the vault, QuestDB, everything."""
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    assert {".log", ".blk", ".d"} <= {path.suffix for path in files}, "there are logs, a tape and columns"
    seen = []
    for path in files:
        with path.open("rb") as opened:
            text = opened.read(path.stat().st_blocks * 512)  # columns are longer than what is in them
        seen += [(str(path), what) for what, needle in needles.items() if needle in text]
    return seen


def shown(needles: dict[str, bytes], data: Path) -> list[tuple[str, str]]:
    """What is in the command line or the environment of a process of a house."""
    texts = {}
    for one in psutil.process_iter():
        try:
            command, variables = " ".join(one.cmdline()), one.environ()
        except psutil.Error:
            continue
        if one.pid != os.getpid() and (variables.get(MARK) == str(data) or str(data) in command):
            texts[f"{one.pid} {command[:100]}"] = f"{command} {variables}".encode()
    assert len(texts) > 3, "a house is several processes"
    return [(name, what) for what, needle in needles.items() for name, text in texts.items() if needle in text]


def told_of_file(url: str, file: Path, text: str) -> dict[str, Any]:
    """Write a file while a socket listens; what it is told of a changed configuration."""
    with connect(f"{url.replace('http', 'ws')}/ws", open_timeout=SOCKET_SECONDS_MAX) as socket:
        socket.send('{"type": "ping"}')
        while msgspec.json.decode(socket.recv(SOCKET_SECONDS_MAX))["type"] != "pong":
            continue
        file.write_text(text)
        while True:
            message: dict[str, Any] = msgspec.json.decode(socket.recv(SOCKET_SECONDS_MAX))
            if message["type"] == "config_updated":
                return message["data"]  # type: ignore[no-any-return]
