"""One tape server for all tests of verbs, with a small recording and a backtest of it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from events.jetstream.server import NatsServer
from tests.api.cli.verbs import Desk, coinbase_file


@pytest.fixture(autouse=True)
def _logs_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    """A verb says where its process logs to; here the process is that of all tests."""
    monkeypatch.setattr("api.logs.configure_verb", lambda level: None)


@pytest.fixture(scope="session")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """A data folder whose server runs already, so that no verb starts one."""
    server = NatsServer(tmp_path_factory.mktemp("nats"))
    access = asyncio.run(server.start())
    env = {
        "TAPEDECK_NATS_URL": access.url,
        "TAPEDECK_NATS_CREDENTIALS": str(server.folder / "keys"),
        "TAPEDECK_MARKET_STORE": "duckdb",
    }
    found = Desk(tmp_path_factory.mktemp("data"), env)
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("api.logs.configure_verb", lambda level: None)
            found.good("init")
            file = coinbase_file(tmp_path_factory.mktemp("files") / "trades.csv")
            found.recording = found.good("import", str(file), "--json").json()[0]["recording"]
            made = found.good(
                *("backtest", found.recording, "-s", "ema_cross", "-p", "fast=5", "-p", "slow=20"),
                "--no-report",
                "--json",
            )
            found.backtest = made.json()["session"]
        yield found
    finally:
        asyncio.run(server.stop())
