"""Streams of events last for as long as somebody listens, however short the time of an answer is."""

from __future__ import annotations

import asyncio
from pathlib import Path
from urllib.parse import urlencode

import pytest
from litestar.routes import HTTPRoute

from api.auth.users import change
from api.services.jobs import Asked, submit
from api.settings import ApiSettings
from engine.jobs.backtest import BacktestBody
from engine.sessions.plan import SessionWish, StrategyWish
from events import codec, subjects
from events.facts import CommandAccepted, UserCreated, UserRemoved
from tests.api.recordings import simulated_recording
from tests.api.served import EventStream, served
from tests.api.worlds import World, password_hash, world
from tests.engine.jobs.job_house import ONE_CORE
from tests.fixtures.waiting import until

ANSWER_SECONDS = 1.0  # twice that is the bound
BACKTEST = {
    "strategy": "ema_cross",
    "symbol": "BTC_USDT",
    "start_date": "2023-11-14T22:20:00Z",
    "end_date": "2023-11-14T23:00:00Z",
    "initial_capital": 10_000,
}


def body_of(recording: str) -> BacktestBody:
    """A backtest that takes the only core for an hour."""
    strategies = (StrategyWish(strategy="ema_cross", params={"fast": 5, "slow": 20}),)
    return BacktestBody(wish=SessionWish(mode="backtest", recording=recording, strategies=strategies, acceleration=1.0))


def streams(made: World) -> list[str]:
    """Paths of all routes that stream events; the backtest that is watched waits behind another."""
    found = []
    for route in made.app.routes:
        handler = route.route_handler_map.get("GET") if isinstance(route, HTTPRoute) else None
        if handler is not None and handler[0].media_type == "text/event-stream":
            found.append(route.path_format)
    return [f"{path}?{urlencode(BACKTEST)}" if "backtests" in path else path for path in found]


async def listened(port: int, path: str, token: str, seconds: float) -> bytes:
    """What comes of a stream in so many seconds; fails where the server ends it before."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {token}\r\n\r\n"
    writer.write(head.encode())
    found = b""
    try:
        async with asyncio.timeout(seconds):
            while data := await reader.read(65_536):
                found += data
    except TimeoutError:
        return found
    finally:
        writer.close()
    raise AssertionError(f"{path} ended: {found[-400:]!r}")


async def test_every_stream_outlasts_the_time_of_an_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Longer than any other answer may take, each stream still beats."""
    monkeypatch.setattr("api.front.REQUEST_SECONDS_MAX", ANSWER_SECONDS)
    api = ApiSettings(answer_seconds_max=ANSWER_SECONDS, heartbeat_seconds=0.2)
    async with world(tmp_path, api=api, engine=ONE_CORE) as made:
        recording = await simulated_recording(made.tape)
        await made.caught_up()
        await submit(made.house, "admin", None, Asked("backtest", body_of(recording), "an hour, as slow as it was"))
        token = made.bearer("admin")["Authorization"].removeprefix("Bearer ")
        paths = streams(made)
        async with served(made) as port:
            heard = await asyncio.gather(*(listened(port, path, token, 2.5 * ANSWER_SECONDS) for path in paths))
    assert len(paths) >= 4
    for path, found in zip(paths, heard, strict=True):
        assert b" 200 " in found[:20], found
        assert found.count(b"\n\n") > 5, (path, found)  # heartbeats, however they are named
        assert b"event: complete" not in found, "one that is over would not show that it lasts"


async def test_who_takes_nothing_of_a_stream_is_cut_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that is there and reads nothing holds no place for ever."""
    monkeypatch.setattr("api.streams.response.STALLED_SECONDS_MAX", 0.3)
    async with world(tmp_path) as made, served(made) as port:
        dead = EventStream(port)
        await dead.join(receive_bytes=4_096)
        await dead.beat(1)
        dead.pause()
        fact = CommandAccepted(key="k" * 100_000, cause=1)
        for number in range(200):  # 20 MB, more than the network keeps for it
            await made.tape.append(codec.to_append(fact, subjects.DESK, f"f{number}"))
        await until(lambda: made.house.hub.clients == 0, 10)
        await dead.leave()


@pytest.mark.parametrize("path", ["/api/system/task-events", "/api/tape/stream", "/api/v1/logs/stream"])
async def test_a_stream_ends_with_its_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    """Who is removed while listening hears nothing more."""
    monkeypatch.setattr("api.streams.response.GUARD_SECONDS", 0.05)
    async with world(tmp_path) as made:
        await change(made.vault, UserCreated(name="listener", role="viewer", password_hash=password_hash()))
        await until(lambda: made.house.users.find("listener") is not None)
        async with served(made) as port:
            listening = asyncio.create_task(listened(port, path, made.token("listener"), 10.0))
            await listened(port, path, made.token("admin"), 0.5)
            assert not listening.done()
            await change(made.vault, UserRemoved(name="listener"))
            with pytest.raises(AssertionError, match=f"{path} ended"):
                await listening
