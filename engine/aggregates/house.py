"""The house: restarts of its processes, rebuilds of its read models, its mode. It decides; processes carry it out."""

from __future__ import annotations

from engine.aggregates.aggregate import Asked, Outcome
from events import subjects
from events.errors import Bug
from events.facts import Command, Fact
from events.facts.house import (
    RebuildAccepted,
    RebuildReadModel,
    RestartAccepted,
    RestartProcess,
    SetSystemMode,
    SystemModeSet,
)


class House:
    """The aggregate. It has no state: whether a process is there is known by its signs of life."""

    name = "house"
    subject = subjects.HOUSE
    reads: tuple[str, ...] = ()

    def decide(self, command: Command, asked: Asked) -> Outcome:
        """See `Aggregate.decide`."""
        match command:
            case RestartProcess():
                process, host = subjects.token(command.process, "process"), subjects.token(command.host, "host")
                restart = RestartAccepted(process=process, host=host, user=command.user, command=asked.sequence)
                return Outcome(process, (restart,))
            case RebuildReadModel():
                rebuild = RebuildAccepted(model=command.model, user=command.user, command=asked.sequence)
                return Outcome(command.model, (rebuild,))
            case SetSystemMode():
                fact = SystemModeSet(mode=command.mode, user=command.user, command=asked.sequence)
                return Outcome(command.mode, (fact,))
            case _:
                raise Bug(f"The house does not know {type(command).__name__}.")

    def evolve(self, fact: Fact, sequence: int, at_ns: int) -> None:
        """See `Aggregate.evolve`."""

    def subject_of(self, fact: Fact) -> str:
        """See `Aggregate.subject_of`."""
        return self.subject
