"""The house: its processes, read models and mode, and who had them restarted, rebuilt or set."""

from __future__ import annotations

from typing import ClassVar, Literal

from events.facts.kinds import Command, Fact

Mode = Literal["paper", "backtest", "collect"]
Model = Literal["read_model", "market", "all"]


class RestartProcess(Command, frozen=True, tag="RestartProcess"):
    """Stop a process and start it again; `host` is the machine whose supervisor has it."""

    aggregate: ClassVar[str] = "house"

    process: str
    host: str


class RebuildReadModel(Command, frozen=True, tag="RebuildReadModel"):
    """Throw a read model away and build it from the tape, in every process that keeps one."""

    aggregate: ClassVar[str] = "house"

    model: Model


class SetSystemMode(Command, frozen=True, tag="SetSystemMode"):
    """Which kind of session the control panel starts from now on."""

    aggregate: ClassVar[str] = "house"

    mode: Mode


class SystemModeSet(Fact, frozen=True, tag="SystemModeSet"):
    """The control panel starts sessions of this mode."""

    mode: Mode
    user: str
    command: int


class RestartAccepted(Fact, frozen=True, tag="RestartAccepted"):
    """The supervisor of the host will restart it."""

    process: str
    host: str
    user: str
    command: int  # its sequence


class RebuildAccepted(Fact, frozen=True, tag="RebuildAccepted"):
    """Every process that keeps the read model will rebuild it."""

    model: Model
    user: str
    command: int


class ProcessRestarted(Fact, frozen=True, tag="ProcessRestarted"):
    """It runs again, as another process of the system."""

    process: str
    host: str
    user: str
    command: int
    pid: int


class RestartFailed(Fact, frozen=True, tag="RestartFailed"):
    """It was not restarted, for this reason."""

    process: str
    host: str
    user: str
    command: int
    reason: str


class ReadModelRebuilt(Fact, frozen=True, tag="ReadModelRebuilt"):
    """A process has built its read model anew; the hash is over all that it holds as of `sequence`."""

    model: Literal["read_model", "market"]
    process: str
    host: str
    user: str
    command: int
    sequence: int
    content_hash: str


class RebuildFailed(Fact, frozen=True, tag="RebuildFailed"):
    """A process could not build its read model anew, for this reason."""

    model: Literal["read_model", "market"]
    process: str
    host: str
    user: str
    command: int
    reason: str


COMMANDS: tuple[type[Command], ...] = (RestartProcess, RebuildReadModel, SetSystemMode)
FACTS: tuple[type[Fact], ...] = (
    SystemModeSet,
    RestartAccepted,
    RebuildAccepted,
    ProcessRestarted,
    RestartFailed,
    ReadModelRebuilt,
    RebuildFailed,
)
