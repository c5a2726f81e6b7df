"""What the cases of every contract run against."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from api.settings import ApiSettings
from tests.api.named_fields import watch
from tests.api.recordings import LiveSource, simulated_recording
from tests.api.worlds import World, world
from tests.documents.shapes import folder, inventory


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def made(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """A house with an engine, a recording of an hour and a live source of the same symbols."""
    if not inventory(""):
        pytest.skip(f"no contracts here: set TAPEDECK_CONTRACTS_DIR to a folder with inventory.json (not {folder()})")
    api = ApiSettings(answer_seconds_max=10, heartbeat_seconds=0.3)
    async with world(tmp_path_factory.mktemp("contract"), engine=True, api=api) as found:
        await simulated_recording(found.tape)
        await LiveSource(found.tape).open()
        await found.caught_up()
        await watch(found.client)
        yield found
