"""Seeded worlds: whatever goes wrong, nothing acknowledged is lost and nothing is done twice."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from engine.research.verify import verify
from engine.sessions import history as histories
from engine.sessions.outputs import Ledger
from events.errors import ReadModelUnavailable
from events.families import SessionFamily
from events.tape import Append
from tests.simulation import checkers
from tests.simulation.seeded_loop import Stuck, run
from tests.simulation.world import World

BUG_SEEDS = range(5, 17)
REPEATED = (3, 8)  # seeds that are run twice
ANSWER_CHECKERS = (
    checkers.every_command_has_one_answer,
    checkers.equal_keys_have_equal_answers,
    checkers.answers_name_their_orders,
)
SHORT = 11  # a seed whose world is soon over


class Found(AssertionError):
    """A checker found something; `name` is the checker's."""

    def __init__(self, name: str, seed: int, what: BaseException) -> None:
        super().__init__(f"seed {seed}, {name}: {what}")
        self.name = name


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test a seed."""
    if "seed" in metafunc.fixturenames:
        metafunc.parametrize("seed", range(int(metafunc.config.getoption("--seeds"))))


def lived(seed: int, folder: Path) -> str:
    """Run a world and check it; the hash of its whole tape."""
    folder.mkdir(parents=True, exist_ok=True)

    async def life() -> str:
        world = World(folder, seed)
        try:
            await world.run()
        except AssertionError as error:
            raise Found("the_world_ends", seed, error) from error
        except ReadModelUnavailable as error:
            await check(world)  # who looks at the tape alone says more
            raise Found("the_read_model_says_the_same", seed, error) from error
        await check(world)
        return await digest(world)

    try:
        return run(seed, life)
    except Stuck as error:
        raise Found("the_world_ends", seed, error) from error


async def check(world: World) -> None:
    """All checkers of a world."""
    tape = world.house.tape
    name = ""
    try:
        for checker in ANSWER_CHECKERS:
            name = checker.__name__
            await checker(tape)
        for session in world.sessions:
            for of_session in (checkers.ordinals_have_no_gap, checkers.orders_and_money_add_up):
                name = of_session.__name__
                await of_session(tape, session)
            name = "verify"
            verdict = await verify(tape, world.house.reader, world.house.decider, session)
            assert verdict.equal, verdict.detail
            name = checkers.the_read_model_says_the_same.__name__
            history = await histories.read(tape, session)
            checkers.the_read_model_says_the_same(world.follower.path, history)
    except Exception as error:
        raise Found(name, world.seed, error) from error


async def digest(world: World) -> str:
    """Hash of every byte of the tape."""
    whole = hashlib.sha256()
    async for message in world.house.tape.read(1):
        headers = sorted(message.headers.items())
        whole.update(f"{message.sequence} {message.subject} {headers} {message.appended_ns} ".encode())
        whole.update(message.body)
    return whole.hexdigest()


@pytest.mark.faults
def test_a_world(seed: int, tmp_path: Path) -> None:
    """Sessions survive lost answers, delays, repeated commands, dying and parted engines, replacement."""
    lived(seed, tmp_path)


def test_a_seed_is_one_world(tmp_path: Path) -> None:
    """The same seed writes the same tape to the last byte."""
    for seed in REPEATED:
        assert lived(seed, tmp_path / f"{seed}-one") == lived(seed, tmp_path / f"{seed}-two")


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The hash of the short world in this process."""
    return lived(SHORT, tmp_path_factory.mktemp("here"))


@pytest.mark.parametrize("hashes", range(10))
def test_a_seed_is_one_world_in_any_process(hashes: int, here: str, tmp_path: Path) -> None:
    """However a process hashes text, so however its sets are ordered, the tape is the same."""
    code = (
        "import sys; from pathlib import Path; from tests.simulation.test_simulation import lived; "
        f"print(lived({SHORT}, Path(sys.argv[1])))"
    )
    there = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "there")],
        env={**os.environ, "PYTHONHASHSEED": str(hashes)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert there.stdout.splitlines()[-1:] == [here], there.stderr[-2_000:]


def is_found(name: str, tmp_path: Path) -> bool:
    """Whether this checker finds something within a few worlds."""
    for seed in BUG_SEEDS:
        try:
            lived(seed, tmp_path / str(seed))
        except Found as found:
            if found.name == name:
                return True
    return False


def test_a_dropped_comparison_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A runner that appends again what the tape already holds: ordinals say so."""
    as_it_is = Ledger.__init__
    monkeypatch.setattr(Ledger, "__init__", lambda self, held=None, state=None: as_it_is(self, None, state))
    assert is_found("ordinals_have_no_gap", tmp_path)


def test_a_dropped_fence_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine that writes without its fence: two of them decide one session, and ordinals say so."""
    as_it_is = SessionFamily.freeze

    def unfenced(self: SessionFamily, items: list[Any], expected: int) -> Append:
        frozen = as_it_is(self, items, expected)
        return Append(frozen.subject, frozen.body, f"{frozen.message_id}:{expected}", frozen.headers)

    monkeypatch.setattr(SessionFamily, "freeze", unfenced)
    assert is_found("ordinals_have_no_gap", tmp_path)
