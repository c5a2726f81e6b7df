"""Orders by hand that name no session, sent again."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.api.worlds import World, world
from tests.documents.cases_003_executions import ORDER, Desk, submit

pytestmark = pytest.mark.asyncio(loop_scope="module")

KEY = {"Idempotency-Key": "order-1"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def made(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """A house with an engine and nothing else."""
    async with world(tmp_path_factory.mktemp("orders"), engine=True) as found:
        yield found


async def test_a_repeat_goes_to_the_session_of_the_first_try(made: World) -> None:
    """Under one key an order is done once, in one session, also when a newer one runs and when both have ended."""
    none = await submit(made, ORDER, **{"Idempotency-Key": "order-0"})
    assert (none.status_code, none.json()["error_code"]) == (409, "NO_RUNNING_SESSION")
    older, newer = Desk(made, "desk_older"), Desk(made, "desk_newer")
    await older.open()
    first = await submit(made, ORDER, **KEY)
    assert (first.status_code, first.json()["session_id"]) == (200, older.session), first.text
    await newer.open()
    again = await submit(made, ORDER, **KEY)
    assert again.json() == first.json()
    other = await submit(made, ORDER, **{"Idempotency-Key": "order-2"})
    assert other.json()["session_id"] == newer.session
    for desk in (older, newer):
        assert [one["quantity"] for one in await desk.filled(1)] == [2.0]
    for desk in (newer, older):
        await desk.close()
    late = await submit(made, ORDER, **KEY)
    assert (late.status_code, late.json()) == (200, first.json())
    changed = await submit(made, ORDER | {"quantity": 3.0}, **KEY)
    assert (changed.status_code, changed.json()["error_code"]) == (409, "KEY_USED")


async def test_an_order_of_a_symbol_as_others_write_it(made: World) -> None:
    """`PFUSDT` is sold where PF_USDT is traded, and the answer says the symbol as the catalogue has it."""
    desk = Desk(made, "desk_glued")
    await desk.open()
    for more in ({}, {"session_id": desk.session}):
        sent = await submit(made, ORDER | {"symbol": "pfusdt"} | more)
        assert (sent.status_code, sent.json().get("symbol")) == (200, "PF_USDT"), sent.text
    await desk.close()


async def test_no_session_of_a_symbol_is_an_error_of_it(made: World) -> None:
    """Where nothing of the user's trades it, the body's `symbol` is named."""
    none = await submit(made, ORDER)
    assert (none.status_code, none.json()["field"]) == (409, "symbol")
