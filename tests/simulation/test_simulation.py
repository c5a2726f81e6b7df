"""Seeded worlds: whatever goes wrong, nothing acknowledged is lost and nothing is done twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.research.verify import verify
from tests.simulation import checkers
from tests.simulation.world import World

READ_MODEL_EVERY = 5  # seeds between two that also build a read model


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test a seed."""
    if "seed" in metafunc.fixturenames:
        metafunc.parametrize("seed", range(int(metafunc.config.getoption("--seeds"))))


async def check(world: World, session: str, folder: Path) -> None:
    """All checkers of a world."""
    tape = world.house.tape
    await checkers.every_command_has_one_answer(tape)
    await checkers.equal_keys_have_equal_answers(tape)
    await checkers.ordinals_have_no_gap(tape, session)
    await checkers.orders_and_money_add_up(tape, session)
    verdict = await verify(tape, world.house.reader, world.house.decider, session)
    assert verdict.equal, verdict.detail
    if world.seed % READ_MODEL_EVERY == 0:
        await checkers.the_read_model_says_the_same(tape, session, folder)


async def test_a_world(seed: int, tmp_path: Path) -> None:
    """A session survives lost answers, delays, repeated commands and dying engines."""
    world = World(tmp_path, seed)
    spec = await world.run()
    await check(world, spec.session, tmp_path)


async def test_a_dropped_comparison_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A runner that appends again what the tape already holds does not pass: the checkers can fail."""
    from engine.sessions import outputs

    monkeypatch.setattr(outputs.Held, "add", lambda self, message: None)
    found = 0
    for seed in range(8):
        world = World(tmp_path / str(seed), seed)
        try:
            spec = await world.run()
            await check(world, spec.session, tmp_path)
        except AssertionError:
            found += 1
    assert found, "a bug that doubles decisions went unseen"
