"""Rate limits: each class to 429 and back, counted together by several API processes, nothing else limited."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from api.limits import KEYS_MAX, Counters, Limit, limits_of, name_of
from api.settings import ApiSettings, LimitsSettings
from events.clock import NS_PER_SECOND, ManualClock, SystemClock
from events.errors import TapeUnavailable, TooMany
from events.jetstream.keys import JetStreamKeys
from events.jetstream.link import Link
from events.jetstream.server import NatsServer
from events.jetstream.streams import COUNTERS
from events.memory_keys import MemoryKeys
from tests.api.limited import Later, messages_reach_their_end, reaches_its_end
from tests.api.worlds import PASSWORD, World, world
from tests.fixtures.nats import OWNER, fresh_streams, nats_server  # noqa: F401

pytestmark = pytest.mark.asyncio(loop_scope="module")

DOCUMENTED = LimitsSettings()
# class, request, how many in a minute
ROWS = [
    ("training_start", "POST", "/api/v1/training/start", 5),
    ("backtest_start", "POST", "/api/v1/backtest/run", 10),
    ("config_update", "PUT", "/api/v1/config", 30),
    ("read", "GET", "/api/v1/training/jobs", 100),
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def made(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """A house on loopback with the limits as they are documented."""
    async with world(tmp_path_factory.mktemp("limits"), limits=DOCUMENTED) as found:
        yield found


@pytest.mark.parametrize(("name", "method", "path", "count"), ROWS)
async def test_each_class_to_429_and_back(
    made: World, monkeypatch: pytest.MonkeyPatch, name: str, method: str, path: str, count: int
) -> None:
    """As many as documented are let through; the next is told when to come, and then it is let through."""
    clock = Later()
    monkeypatch.setattr(made.house.counters, "_clock", clock)
    body = b"{}" if method != "GET" else None
    headers = {"Content-Type": "application/json"} if body else {}

    async def ask(**more: str) -> httpx.Response:
        return await made.client.request(method, path, content=body, headers=headers | more)

    refused = await reaches_its_end(clock, ask, count, 60)
    assert name in refused.json()["error"]["message"]
    for _ in range(count):
        await ask()
    assert (await ask()).status_code == 429
    assert (await ask(**made.bearer("viewer"))).status_code != 429  # counted by user
    clock.ahead_ns += 61 * NS_PER_SECOND
    assert (await ask()).status_code != 429


async def test_what_has_no_limit_on_loopback(made: World) -> None:
    """Routes of the other contracts are never refused there, however fast they are asked."""
    for path in ("/symbols", "/api/models/", "/api/auth/status"):
        assert {(await made.get(path)).status_code for _ in range(150)} == {200}


async def test_messages_of_a_client_are_limited(made: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fifty in a second over two sockets of one client are answered; then they are closed, and others are served."""
    clock = Later(still=True)
    monkeypatch.setattr(made.house.counters, "_clock", clock)
    await messages_reach_their_end(made, clock, DOCUMENTED.socket_messages_per_second)


async def test_logins_of_an_address_to_429_and_back(made: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """As many logins as documented are tried; then even a right one is refused, until the minute is over."""
    clock = Later()
    monkeypatch.setattr(made.house.counters, "_clock", clock)
    right, wrong = ({"username": "trader", "password": password} for password in (PASSWORD, "wrong"))

    async def log_in(body: dict[str, str]) -> httpx.Response:
        return await made.client.post("/api/auth/login", json=body)

    count = DOCUMENTED.logins_per_minute
    statuses = [(await log_in(wrong if number % 2 else right)).status_code for number in range(count)]
    assert statuses == [401 if number % 2 else 200 for number in range(count)]
    refused = await log_in(right)
    assert (refused.status_code, refused.json()["error_code"]) == (429, "RATE_LIMITED")
    assert 1 <= int(refused.headers["Retry-After"]) <= 60
    clock.ahead_ns = 61 * NS_PER_SECOND
    assert (await log_in(right)).status_code == 200


async def test_beyond_loopback_requests_have_a_ceiling(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One caller's burst is 429 for the rest of its second, and no longer; another caller is served meanwhile."""
    api, limits = ApiSettings(host="0.0.0.0"), LimitsSettings(per_second=5)
    async with world(tmp_path_factory.mktemp("ceiling"), api=api, limits=limits) as other:
        answers = [await other.get("/api/auth/status") for _ in range(12)]
        codes = [one.status_code for one in answers]
        assert 429 in codes
        assert answers[codes.index(429)].headers["Retry-After"] == "1"
        assert (await other.get("/api/auth/status", "viewer")).status_code == 200
        clock = Later()
        clock.ahead_ns = NS_PER_SECOND
        monkeypatch.setattr(other.house.counters, "_clock", clock)
        assert (await other.get("/api/auth/status")).status_code == 200


async def test_the_table_is_as_documented() -> None:
    """Contract 002's five rows, and 1,000 a second beyond loopback."""
    table = limits_of(DOCUMENTED)
    for name, method, path, count in ROWS:
        for written in (path, f"{path}/"):
            limit = table.of(method, written)
            assert limit is not None
            assert (limit.name, limit.count, limit.seconds) == (name, count, 60)
    assert table.of("OPTIONS", "/api/v1/config") is None
    assert table.of("GET", "/api/v10/config") is None
    assert (table.ceiling.count, table.ceiling.seconds) == (1_000, 1)


async def test_a_read_costs_a_question_to_the_bucket_only_now_and_then() -> None:
    """A hundred reads are ten leases, and being refused costs nothing."""
    asked = 0

    class Counted(MemoryKeys):
        async def get(self, key: str) -> tuple[bytes, int] | None:
            nonlocal asked
            asked += 1
            return await super().get(key)

    counters, limit = Counters(Counted(), ManualClock()), limits_of(DOCUMENTED).read
    for _ in range(100):
        await counters.use(limit, "somebody")
    assert asked == 10
    for _ in range(50):
        with pytest.raises(TooMany):
            await counters.use(limit, "somebody")
    assert asked == 11


async def until_refused(processes: list[Counters], limit: Limit, key: str) -> int:
    """Uses let through while every process is asked in turn, until all refuse."""
    passed, refusing = 0, 0
    while refusing < len(processes):
        refusing = 0
        for one in processes:
            try:
                await one.use(limit, key)
                passed += 1
            except TooMany:
                refusing += 1
    return passed


@pytest.mark.parametrize("lease", [1, 10])
async def test_several_processes_count_together(nats_server: NatsServer, lease: int) -> None:  # noqa: F811
    """Over a real bucket, asked in turn and all at once: never more than the count, and all of it is given out."""
    link = await Link.open(nats_server.endpoint(OWNER))
    await fresh_streams(link)
    processes = [Counters(await JetStreamKeys.open(link, COUNTERS), SystemClock()) for _ in range(3)]
    limit = Limit("test", 40, 600, lease=lease)
    assert await until_refused(processes, limit, "in turn") == 40

    async def one_of(process: Counters) -> int:
        return await until_refused([process], limit, "at once")

    passed = await asyncio.gather(*(one_of(process) for process in processes for _ in range(3)))
    assert sum(passed) == 40
    # who asks one process only finds what the others hold of it gone, and no more
    await processes[1].use(limit, "one of them")
    await processes[2].use(limit, "one of them")
    assert await until_refused(processes[:1], limit, "one of them") == 40 - 2 * lease
    await link.close()


async def test_free_uses_are_each_process_own() -> None:
    """The first ones cost no question; for each further process at most as many more are let through."""
    keys, clock = MemoryKeys(), ManualClock()
    limit = Limit("test", 30, 1, lease=5, free=10)
    assert await until_refused([Counters(keys, clock)], limit, "alone") == 30
    assert await until_refused([Counters(keys, clock) for _ in range(3)], limit, "three") == 30 + 2 * 10


async def test_windows_end_and_any_text_is_a_key() -> None:
    """When the window is over the count begins again, in every process."""
    keys, clock = MemoryKeys(), ManualClock()
    first, second = Counters(keys, clock), Counters(keys, clock)
    limit = Limit("test", 2, 10)
    for key in ("x" * 500, "ä\n", ""):
        await first.use(limit, key)
        await second.use(limit, key)
        for one in (first, second):
            with pytest.raises(TooMany) as caught:
                await one.use(limit, key)
            assert 0 < caught.value.retry_after_s <= 10
    clock.advance(10)
    for one in (first, second):
        await one.use(limit, "")


async def test_what_a_process_holds_is_bounded() -> None:
    """Of many callers the longest unused are forgotten; the bucket still has what they used."""
    keys, clock = MemoryKeys(), ManualClock()
    counters, limit = Counters(keys, clock), Limit("test", 1, 60)
    for at in range(KEYS_MAX + 5):
        await counters.use(limit, str(at))
    assert len(counters._shares) == KEYS_MAX
    assert name_of(limit, "0") not in counters._shares
    with pytest.raises(TooMany):
        await counters.use(limit, "0")


async def test_while_the_bucket_is_away_reads_go_on_and_logins_do_not() -> None:
    """Each process counts alone what is only a courtesy; what guards a password is not let through uncounted."""

    class Away(MemoryKeys):
        async def get(self, key: str) -> tuple[bytes, int] | None:
            raise TapeUnavailable("The server does not answer.")

    counters, table = Counters(Away(), ManualClock()), limits_of(DOCUMENTED)
    for _ in range(table.read.count):
        await counters.use(table.read, "somebody")
    with pytest.raises(TooMany):
        await counters.use(table.read, "somebody")
    with pytest.raises(TapeUnavailable):
        await counters.use(table.login, "somebody")


async def test_another_origins_page_uses_up_nobodys_limit(made: World) -> None:
    """What the wall refuses is not counted for the address that a browser shares with its user's own front end."""
    for _ in range(LimitsSettings().config_updates_per_minute + 1):
        refused = await made.client.put("/api/v1/config", json={}, headers={"Origin": "https://evil.example"})
        assert (refused.status_code, refused.json()["error"]["code"]) == (403, "BAD_ORIGIN")
    assert (await made.client.put("/api/v1/config", json={})).status_code != 429


async def test_one_address_cannot_lock_a_name() -> None:
    """What one address may try in an hour stays below what locks a name."""
    limits = LimitsSettings()
    assert 60 * limits.logins_per_minute < limits.wrong_logins_per_hour_and_name


async def test_one_name_is_not_tried_from_many_addresses(tmp_path: Path) -> None:
    """Wrong passwords of one name are counted together, whatever address they come from; right ones are not."""
    limits = LimitsSettings(logins_per_minute=1, wrong_logins_per_hour_and_name=3)
    async with world(tmp_path, limits=limits) as made:
        statuses = []
        for at in range(9):
            transport = httpx.ASGITransport(made.app, client=(f"10.0.0.{at}", 1))
            async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8080") as client:
                body = {"username": "trader", "password": PASSWORD if at in (0, 1, 2, 3, 8) else "wrong password"}
                statuses.append((await client.post("/api/auth/login", json=body)).status_code)
        assert statuses == [200, 200, 200, 200, 401, 401, 401, 429, 429]
        body = {"username": "viewer", "password": PASSWORD}
        assert (await made.client.post("/api/auth/login", json=body)).status_code == 200
