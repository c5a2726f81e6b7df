"""What every projection promises, whichever store is behind it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from events.errors import Undecodable
from events.rows import SectionKind
from events.tape import Message
from projections.batch import Batch, Checkpoint, TapeGap, decode, digest_of
from projections.duckdb.read_model import DuckReadModel
from projections.market_duckdb import DuckMarketStore
from projections.market_projection import MarketProjection
from projections.projection import Projection
from projections.runner import ProjectionRunner, RunnerSettings
from tests.projections.applying import SMALL, apply_all, messages_of
from tests.projections.random_tapes import random_script
from tests.projections.streams import Script, bars, ticks

KINDS = ("read_model", "market")
QUICK = RunnerSettings(linger_seconds=0.0, refresh_seconds=0.02, poll_seconds=0.005)


class Site:
    """A projection on an empty store, others on the same store after it was closed, and a hash of all it holds."""

    def __init__(self, kind: str, folder: Path) -> None:
        self._kind = kind
        self._path = folder / f"{kind}.duckdb"
        self.projection: Projection = self._open()

    def _open(self) -> Projection:
        if self._kind == "read_model":
            model = DuckReadModel(self._path, SMALL)
            model.open()
            return model
        store = DuckMarketStore(self._path)
        store.create()
        return MarketProjection(store)

    async def close(self) -> None:
        """Let the store go."""
        if isinstance(self.projection, DuckReadModel):
            self.projection.close()
        elif isinstance(self.projection, MarketProjection):
            await self.projection.store.close()

    async def restart(self) -> Projection:
        """The same store in another process's hands."""
        await self.close()
        self.projection = self._open()
        return self.projection

    async def content(self) -> str:
        """The same for the same content."""
        if isinstance(self.projection, DuckReadModel):
            return self.projection.store.content_hash()
        assert isinstance(self.projection, MarketProjection)
        return await self.projection.store.content_hash()


@pytest.fixture(params=KINDS)
async def site(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Site]:
    """An empty projection of each kind."""
    made = Site(request.param, tmp_path)
    yield made
    await made.close()


async def some_tape() -> Script:
    """A tape with something for every projection."""
    script = await random_script(seed=11, steps=25)
    await script.market("sim", ticks(50))
    await script.market("other", bars(3), kind=SectionKind.BAR)
    return script


async def test_begins_with_nothing(site: Site) -> None:
    """An empty store has no epoch and no checkpoint; it belongs to the tape it begins with."""
    assert site.projection.checkpoint() == Checkpoint()
    site.projection.begin("e9")
    assert site.projection.checkpoint() == Checkpoint("e9")
    assert (await site.restart()).checkpoint() == Checkpoint("e9")


async def test_the_checkpoint_is_of_the_last_event_applied(site: Site) -> None:
    """After a batch the checkpoint says its sequence and digest, after a restart too."""
    script = await some_tape()
    messages = await messages_of(script.tape, site.projection.subjects)
    site.projection.begin("e1")
    apply_all(site.projection, messages, [5])
    expected = Checkpoint("e1", messages[-1].sequence, digest_of(messages[-1]))
    assert site.projection.checkpoint() == expected
    assert (await site.restart()).checkpoint() == expected


async def test_the_content_depends_on_the_events_alone(site: Site, tmp_path: Path) -> None:
    """One batch, single events, or with restarts between: the same content."""
    script = await some_tape()
    messages = await messages_of(script.tape, site.projection.subjects)
    site.projection.begin("e1")
    apply_all(site.projection, messages)
    at_once = await site.content()
    site.projection.reset()
    assert site.projection.checkpoint() == Checkpoint()
    assert await site.content() != at_once
    site.projection.begin("e1")
    for end in (len(messages) // 3, len(messages) // 2, len(messages)):
        apply_all(site.projection, messages[:end], [3, 4])
        await site.restart()
    assert await site.content() == at_once


async def test_a_batch_that_does_not_follow_changes_nothing(site: Site) -> None:
    """Events behind a hole, or once more: refused."""
    script = await some_tape()
    messages = await messages_of(script.tape, site.projection.subjects)
    site.projection.begin("e1")
    apply_all(site.projection, messages[:4])
    before, content = site.projection.checkpoint(), await site.content()
    for after, chosen in ((before.sequence + 1, messages[6]), (0, messages[0]), (before.sequence, messages[3])):
        events, decisions, _ = decode([chosen])
        batch = Batch(after, events, Checkpoint("e1", chosen.sequence), decisions)
        with pytest.raises(TapeGap):
            site.projection.apply(batch)
    assert site.projection.checkpoint() == before
    assert await site.content() == content


async def test_what_was_cut_short_is_applied_again(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that fails at the checkpoint has not moved, and the same batch gives the same content."""
    script = await some_tape()
    messages = await messages_of(script.tape, site.projection.subjects)
    site.projection.begin("e1")
    apply_all(site.projection, messages[:7], [3])
    before = site.projection.checkpoint()
    with monkeypatch.context() as patch:
        store = site.projection.store  # type: ignore[attr-defined]
        patch.setattr(store, "move_checkpoint" if isinstance(site.projection, DuckReadModel) else "set_checkpoint", _no)
        with pytest.raises(ZeroDivisionError):
            apply_all(site.projection, messages)
    assert site.projection.checkpoint() == before
    apply_all(site.projection, messages, [9])
    content = await site.content()
    site.projection.reset()
    site.projection.begin("e1")
    apply_all(site.projection, messages)
    assert await site.content() == content


def _no(*_: object) -> None:
    raise ZeroDivisionError


async def test_a_runner_brings_it_to_the_end_of_the_tape(site: Site) -> None:
    """Over a tail it shows the whole tape, and a second runner goes on."""
    script = await some_tape()
    for _ in range(2):
        last = await script.market("sim", ticks(10))
        runner = ProjectionRunner(script.tape, [site.projection], QUICK)
        await runner.start()
        assert await runner.wait_until(last, 10) >= last
        await runner.close()
    ours = await messages_of(script.tape, site.projection.subjects)
    assert site.projection.checkpoint().sequence == ours[-1].sequence


@pytest.mark.parametrize(
    ("subject", "body"),
    [
        ("tape.market.sim", b"TDF1\x01\x00\x00\x00"),
        ("tape.session.s.decision", b"TDF1" + b"\xff" * 40),
        ("tape.session.s.fact", b"\xff\xfe"),
        ("tape.catalogue", b'{"type":"InstrumentRegistered","number":"one"}'),
        ("tape.recording.r", b""),
    ],
)
def test_what_cannot_be_read_says_its_sequence(subject: str, body: bytes) -> None:
    """Damage, an unknown kind, a wrong field: one error with the sequence."""
    failure = decode([Message(77, subject, {}, body, 1)]).failure
    assert isinstance(failure, Undecodable)
    assert failure.sequence == 77
