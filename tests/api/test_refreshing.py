"""Refresh tokens: who has stolen one does not keep the session, whichever API process is asked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import msgspec
import pytest
import pytest_asyncio

from api.auth import refreshing
from api.auth.refreshing import GRACE_SECONDS, Use, use_refresh_token
from api.auth.tokens import Identity, Tokens
from api.auth.users import Users, change, load
from events.clock import ManualClock
from events.facts import UserCreated
from events.memory_tape import MemoryTape
from tests.api.worlds import PASSWORD, SECRET, TEST_LIMITS, World, world
from tests.fixtures.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")

AUDITED = msgspec.structs.replace(TEST_LIMITS, audits_per_minute=600)
REFRESH, LOGOUT = "/api/auth/refresh", "/api/auth/logout"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pair(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[World, World]]:
    """Two API processes of one tape and vault."""
    async with (
        world(tmp_path_factory.mktemp("one"), limits=AUDITED) as one,
        world(tmp_path_factory.mktemp("two"), tape=one.tape, vault=one.vault, limits=AUDITED) as two,
    ):
        yield one, two


async def login(made: World) -> dict[str, str]:
    """A new pair of tokens."""
    answer = await made.client.post("/api/auth/login", json={"username": "trader", "password": PASSWORD})
    found: dict[str, str] = answer.json()
    return found


async def ask(made: World, token: str, path: str = REFRESH) -> httpx.Response:
    """Bring a refresh token."""
    return await made.client.post(path, json={"refresh_token": token})


async def fresh(made: World, token: str) -> str:
    """The refresh token of the new pair."""
    found: str = (await ask(made, token)).json()["refresh_token"]
    return found


def refused(answer: httpx.Response) -> tuple[int, str]:
    """Status and code."""
    return answer.status_code, answer.json()["error_code"]


async def shown(made: World) -> list[dict[str, Any]]:
    """What admins are shown of tokens that were brought again."""
    await made.house.auditing._write()
    await made.caught_up()
    answer = await made.get("/api/audit?action=refresh_token_reused", "admin")
    found: list[dict[str, Any]] = answer.json()["rows"]
    return found


@pytest.mark.parametrize("path", [REFRESH, LOGOUT])
async def test_a_stolen_refresh_token_does_not_keep_the_session(
    pair: tuple[World, World], monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    """The thief used it first, and has refreshed since; when its owner brings it, the thief is out in each process."""
    monkeypatch.setattr(refreshing, "GRACE_SECONDS", -1)
    one, two = pair
    stolen, other = (await login(one))["refresh_token"], (await login(two))["refresh_token"]
    thief = await fresh(two, await fresh(one, stolen))
    before = len(await shown(one))
    assert refused(await ask(two, stolen, path)) == (401, "TOKEN_USED")
    assert refused(await ask(one, thief)) == (401, "TOKEN_REVOKED")
    assert refused(await ask(two, thief, LOGOUT)) == (401, "TOKEN_REVOKED")
    assert refused(await ask(one, stolen)) == (401, "TOKEN_REVOKED")
    assert (await ask(one, await fresh(two, other))).status_code == 200  # another login of the same user
    await two.house.auditing._write()
    found = (await shown(one))[: len(await shown(one)) - before]
    assert [(each["user"], each["what"], each["status"]) for each in found] == [("trader", f"POST {path}", 401)]
    assert stolen not in str(found)


async def test_access_tokens_live_on(pair: tuple[World, World], monkeypatch: pytest.MonkeyPatch) -> None:
    """As behind a logout, they end with their own short life."""
    monkeypatch.setattr(refreshing, "GRACE_SECONDS", -1)
    one, _ = pair
    tokens = await login(one)
    for _ in range(2):
        await ask(one, tokens["refresh_token"])
    headers = {"Authorization": f"Bearer {tokens['access_token']}"}
    assert (await one.client.get("/api/strategies", headers=headers)).status_code == 200


async def test_two_at_once_leave_one_pair_that_goes_on(
    pair: tuple[World, World], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tabs of one client that refresh together, at different processes: one has a pair, and it keeps the session."""
    monkeypatch.setattr(refreshing, "GRACE_SECONDS", 60)  # however busy the machine is
    one, two = pair
    token = (await login(one))["refresh_token"]
    answers = await asyncio.gather(*(ask(made, token) for made in (one, two, one, two)))
    assert sorted(answer.status_code for answer in answers) == [200, 401, 401, 401]
    assert {refused(answer) for answer in answers if answer.status_code == 401} == {(401, "TOKEN_USED")}
    kept = next(answer for answer in answers if answer.status_code == 200).json()["refresh_token"]
    assert (await ask(two, kept)).status_code == 200


async def test_the_grace_is_short_and_a_restart_forgets_nothing() -> None:
    """Two seconds behind its use it is only refused, later its family ends: for who folds the vault anew too."""
    clock = ManualClock()
    vault, tokens = MemoryTape(clock=clock), Tokens(SECRET, clock)
    await change(vault, UserCreated(name="ann", role="trader", password_hash="x"))
    users = Users()
    await users.follow(vault)

    def given(family: str = "") -> Identity:
        user = users.find("ann")
        assert user is not None
        return tokens.check(tokens.give(user, "refresh", 3_600, family), "refresh", users)

    async def uses(identity: Identity, seconds: int = 0) -> Use:
        clock.advance(seconds)
        return await use_refresh_token(vault, users, identity, clock)

    first, bare = given("family"), given()
    assert [await uses(first), await uses(first, GRACE_SECONDS)] == [Use.FIRST, Use.AT_ONCE]
    assert await uses(first, 1) is Use.REUSED
    assert (await load(vault)).is_ended("family")
    await until(lambda: users.is_ended("family"))
    assert [await uses(first), await uses(given("family"))] == [Use.ENDED, Use.ENDED]
    assert [await uses(bare), await uses(given(bare.token_id))] == [Use.FIRST, Use.FIRST]  # given before families were
    assert await uses(bare, GRACE_SECONDS + 1) is Use.REUSED
    assert await uses(given(bare.token_id)) is Use.ENDED
    await users.close()
