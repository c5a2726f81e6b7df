"""Read models rebuilt by the processes that keep them, while the house runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from api.cli.telling import note, progress
from api.processes.signs import Sign, all_signs
from api.services.commands import Commands
from events import codec, subjects
from events.clock import NS_PER_SECOND
from events.errors import Conflict, OutcomeUnknown, ProcessFailed
from events.facts.house import ReadModelRebuilt, RebuildFailed, RebuildReadModel

if TYPE_CHECKING:
    from api.bootstrap import Connection
    from events.clock import Clock

KEEPERS = {"api": "read_model", "projector": "market"}  # role -> what every process of it keeps
REBUILD_SECONDS_MAX = 3_600.0
LOOK_SECONDS = 0.2
USER = "admin"


class Expected(NamedTuple):
    """A process that says when it is done."""

    host: str
    process: str
    model: str


def keepers(signs: list[Sign], market_store: str) -> dict[Expected, Sign]:
    """Who will rebuild what, of the processes that live."""
    found: dict[Expected, Sign] = {}
    for sign in signs:
        models = [KEEPERS[sign.role]] if sign.role in KEEPERS else []
        if sign.role == "api" and market_store == "duckdb":
            models.append("market")
        found |= {Expected(sign.host, sign.name, model): sign for model in models}
    return found


async def rebuilt_running(
    connection: Connection, clock: Clock, market_store: str, answer_seconds_max: float
) -> dict[str, ReadModelRebuilt]:
    """Ask for it, and wait until every process that keeps a read model has said so; the first of each model.

    Raises:
        ProcessFailed: one could not, or ended meanwhile.
        Conflict: two of them hold different content as of one sequence.
        OutcomeUnknown: it takes too long.
    """
    expected = keepers(await all_signs(connection.keys), market_store)
    commands = Commands(connection.tape, answer_seconds_max, clock)
    await commands.start()
    try:
        _, answered = await commands.send(RebuildReadModel(key=f"cli:{clock.new_id()}", user=USER, model="all"))
    finally:
        await commands.close()
    note(f"{len(expected)} read models are rebuilt by the processes that keep them")
    said: dict[Expected, ReadModelRebuilt] = {}
    with progress("rebuild", "read models") as bar:
        until_ns = clock.monotonic_ns() + round(REBUILD_SECONDS_MAX * NS_PER_SECOND)
        while set(expected) - set(said):
            if clock.monotonic_ns() >= until_ns:
                raise OutcomeUnknown(f"Not all read models were rebuilt within {REBUILD_SECONDS_MAX:g} s.")
            await _look(connection, answered, expected, said)
            bar(len(said), len(expected))
            await clock.sleep(LOOK_SECONDS)
    return _one_of_each(said)


async def _look(
    connection: Connection, answered: int, expected: dict[Expected, Sign], said: dict[Expected, ReadModelRebuilt]
) -> None:
    async for message in connection.tape.read(answered, subjects=(subjects.HOUSE,)):
        fact = codec.decode(message.body, message.sequence)
        if isinstance(fact, RebuildFailed):
            raise ProcessFailed(f"{fact.process} on {fact.host} could not rebuild {fact.model}: {fact.reason}")
        if isinstance(fact, ReadModelRebuilt):
            said[Expected(fact.host, fact.process, fact.model)] = fact
    alive = {(sign.host, sign.name): sign.started_ns for sign in await all_signs(connection.keys)}
    for one in set(expected) - set(said):
        if alive.get((one.host, one.process)) != expected[one].started_ns:
            raise ProcessFailed(
                f"{one.process} on {one.host} ended while it rebuilt {one.model}.",
                hint="Started again it goes on behind what it had applied; rebuild once more to be sure.",
            )


def _one_of_each(said: dict[Expected, ReadModelRebuilt]) -> dict[str, ReadModelRebuilt]:
    found: dict[str, ReadModelRebuilt] = {}
    for fact in said.values():
        first = found.setdefault(fact.model, fact)
        if first.sequence == fact.sequence and first.content_hash != fact.content_hash:
            raise Conflict(
                f"{first.process} and {fact.process} hold other rows of {fact.model} as of sequence {fact.sequence}.",
                hint="That is a bug of ours: keep both files and report it.",
            )
    return found
