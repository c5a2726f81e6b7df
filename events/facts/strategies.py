"""Configured strategies: a kind of strategy with a name, parameters of its own, and where it is meant to trade."""

from __future__ import annotations

from typing import ClassVar, Literal

import msgspec

from events.facts.kinds import Command, Fact
from events.facts.timeframes import Timeframe

Value = float | int | bool
Direction = Literal["both", "long", "short"]


class StrategyForm(msgspec.Struct, frozen=True, kw_only=True):
    """What a user configures."""

    name: str
    kind: str  # id of a strategy of this installation
    params: dict[str, Value] = {}  # those that differ from the kind's defaults
    symbols: tuple[str, ...] = ()  # empty: every symbol of a session
    timeframe: Timeframe = ""  # of the bars it is meant for; empty: any rows
    direction: Direction = "both"
    category: str = ""
    tags: tuple[str, ...] = ()
    description: str = ""


class StrategyChanges(msgspec.Struct, frozen=True, kw_only=True):
    """What is to change; None stays as it is."""

    name: str | None = None
    kind: str | None = None  # another kind begins with its own defaults
    params: dict[str, Value | None] | None = None  # these parameters; None: back to its default
    symbols: tuple[str, ...] | None = None
    timeframe: Timeframe | None = None
    direction: Direction | None = None
    category: str | None = None
    tags: tuple[str, ...] | None = None
    description: str | None = None


class CreateStrategy(Command, frozen=True, tag="CreateStrategy"):
    """Configure a strategy. It is inactive until it is activated."""

    aggregate: ClassVar[str] = "strategies"

    form: StrategyForm


class ChangeStrategy(Command, frozen=True, tag="ChangeStrategy"):
    """Change a configured strategy. Sessions that run keep what they started with."""

    aggregate: ClassVar[str] = "strategies"

    strategy: str
    changes: StrategyChanges


class ActivateStrategy(Command, frozen=True, tag="ActivateStrategy"):
    """Let a configured strategy trade: paper and live sessions may name it."""

    aggregate: ClassVar[str] = "strategies"

    strategy: str


class DeactivateStrategy(Command, frozen=True, tag="DeactivateStrategy"):
    """No new paper or live session with it. Sessions that run go on."""

    aggregate: ClassVar[str] = "strategies"

    strategy: str


class RemoveStrategy(Command, frozen=True, tag="RemoveStrategy"):
    """Take a configured strategy away. Its id is never given again."""

    aggregate: ClassVar[str] = "strategies"

    strategy: str


class StrategyCreated(Fact, frozen=True, tag="StrategyCreated"):
    """A strategy is configured, and inactive."""

    strategy: str  # id: the name in small letters and a number
    form: StrategyForm
    user: str


class StrategyChanged(Fact, frozen=True, tag="StrategyChanged"):
    """All of a configured strategy as it is from now on."""

    strategy: str
    form: StrategyForm
    user: str


class StrategyActivated(Fact, frozen=True, tag="StrategyActivated"):
    """Paper and live sessions may name it."""

    strategy: str
    user: str


class StrategyDeactivated(Fact, frozen=True, tag="StrategyDeactivated"):
    """No new paper or live session may."""

    strategy: str
    user: str


class StrategyRemoved(Fact, frozen=True, tag="StrategyRemoved"):
    """It is gone; reads as of before still have it."""

    strategy: str
    user: str


COMMANDS: tuple[type[Command], ...] = (
    CreateStrategy,
    ChangeStrategy,
    ActivateStrategy,
    DeactivateStrategy,
    RemoveStrategy,
)
FACTS: tuple[type[Fact], ...] = (
    StrategyCreated,
    StrategyChanged,
    StrategyActivated,
    StrategyDeactivated,
    StrategyRemoved,
)
