"""A limit, driven to its end and over it, on a clock that is put forward by hand."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import httpx

from api.errors import is_v1
from events.clock import NS_PER_SECOND, SystemClock
from tests.api.asgi_socket import connected
from tests.api.error_bodies import error_code
from tests.api.worlds import World

Ask = Callable[[], Awaitable[httpx.Response]]


class Later(SystemClock):
    """The machine's clock, put forward by hand; with `still` it goes on by nothing else."""

    def __init__(self, *, still: bool = False) -> None:
        super().__init__()
        self.ahead_ns = 0
        self._stood_ns = super().now_ns() if still else 0

    def now_ns(self) -> int:
        """See `Clock.now_ns`."""
        return (self._stood_ns or super().now_ns()) + self.ahead_ns


async def reaches_its_end(clock: Later, ask: Ask, count: int, seconds: int) -> httpx.Response:
    """Just `count` requests are let through; the next is told when to come, and is let through then. The refusal."""
    statuses = [(await ask()).status_code for _ in range(count)]
    assert 429 not in statuses, statuses.index(429)
    refused = await ask()
    assert (refused.status_code, error_code(refused)) == (429, "RATE_LIMITED"), refused.text
    told = int(refused.headers["Retry-After"])
    assert 1 <= told <= seconds
    assert is_v1(refused.request.url.path) is ("meta" in refused.json())
    clock.ahead_ns += (seconds + 1) * NS_PER_SECOND
    assert (await ask()).status_code != 429
    return refused


async def messages_reach_their_end(made: World, clock: Later, count: int, path: str = "/ws") -> None:
    """So many messages in a second over two sockets of one client are answered; then they are closed, others not."""
    async with connected(made.app, path) as first, connected(made.app, path) as second:
        for socket in [first, second] * (count // 2):
            await socket.send({"type": "ping"})
            assert (await socket.receive())["type"] == "pong"
        for socket in (first, second):
            await socket.send({"type": "ping"})
            assert await socket.receive() is None
            assert socket.closed == 1008
    async with (
        connected(made.app, path, query=f"token={made.token('viewer')}") as other,
        connected(made.app, path) as again,
    ):
        await other.send({"type": "ping"})
        assert (await other.receive())["type"] == "pong"
        clock.ahead_ns += NS_PER_SECOND
        await again.send({"type": "ping"})
        assert (await again.receive())["type"] == "pong"
