"""What verbs are given: numbers, NAME=VALUE pairs, grids, limits, strategies, moments. Refusals name the option."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click
import msgspec
from msgspec import UNSET, UnsetType

from engine.sessions.limits import check_limits
from engine.sessions.plan import GRID_MAX, StrategyWish
from events.clock import from_iso
from events.errors import InvalidInput
from events.facts import SessionLimits
from events.facts.timeframes import TIMEFRAME_NS, Timeframe
from events.misfits import misfit

Value = float | int | bool
F = TypeVar("F", bound=Callable[..., Any])

WORDS: dict[str, bool] = {"true": True, "yes": True, "false": False, "no": False}
NO_TIMEFRAME = "none"  # on the rows as they come
_WHOLE = re.compile(r"[+-]?\d{1,18}\Z")
_RANGE = re.compile(r"([^:]+):([^:]+):([^:]+)\Z")


def number_of(text: str, option: str) -> Value:
    """A whole number, a finite float, or true and false. Raises InvalidInput."""
    if text.lower() in WORDS:
        return WORDS[text.lower()]
    if _WHOLE.match(text):
        return int(text)
    try:
        value = float(text)
    except ValueError:
        raise InvalidInput(f"{option}: {text[:40]!r} is no number, nor true or false.", field=option) from None
    if not math.isfinite(value):
        raise InvalidInput(f"{option}: {text[:40]} is not a finite number.", field=option)
    return value


def pair_of(text: str, option: str) -> tuple[str, str]:
    """Name and value of NAME=VALUE. Raises InvalidInput."""
    name, mark, value = text.partition("=")
    if not (mark and name.strip() and value.strip()):
        raise InvalidInput(f"{option} {text[:60]!r}: NAME=VALUE is due.", field=option)
    return name.strip(), value.strip()


def numbers_of(texts: Sequence[str], option: str) -> dict[str, Value]:
    """Values by name of NAME=VALUE pairs; a name twice is refused. Raises InvalidInput."""
    found: dict[str, Value] = {}
    for text in texts:
        name, value = pair_of(text, option)
        if name in found:
            raise InvalidInput(f"{option} names {name} twice.", field=option)
        found[name] = number_of(value, f"{option} {name}")
    return found


def limits_of(texts: Sequence[str]) -> SessionLimits:
    """Limits of a session, the defaults where not named. Raises InvalidInput."""
    given = numbers_of(texts, "--limit")
    for name in given:
        if name not in SessionLimits.__struct_fields__:
            known = ", ".join(SessionLimits.__struct_fields__)
            raise InvalidInput(f"There is no limit {name!r}. Limits: {known}.", field="--limit")
    try:
        limits = msgspec.convert(given, SessionLimits)
    except msgspec.ValidationError as error:
        told = misfit(error, SessionLimits, given).sentence("it")
        raise InvalidInput(f"--limit {told}", field="--limit") from None
    check_limits(limits)
    return limits


def strategies_of(
    names: Sequence[str], params: Sequence[str], allocations: Sequence[str], timeframe: Timeframe | None = None
) -> tuple[StrategyWish, ...]:
    """Strategies with their parameters. `--param NAME=VALUE` is for the only strategy, else STRATEGY.NAME=VALUE.

    `timeframe` is for all of them.

    Raises:
        InvalidInput: a pair is malformed or of a strategy that is not named.
    """
    on: Timeframe | UnsetType = UNSET if timeframe is None else timeframe
    chosen: dict[str, dict[str, Value]] = {name: {} for name in names}
    if len(chosen) < len(names):
        raise InvalidInput("--strategy names one strategy twice.", field="--strategy")
    for name, value in numbers_of(params, "--param").items():
        strategy, parameter = _owner(name, list(chosen))
        if parameter in chosen[strategy]:
            raise InvalidInput(f"--param names {parameter} of {strategy} twice.", field="--param")
        chosen[strategy][parameter] = value
    shares = numbers_of(allocations, "--allocation")
    for name in shares:
        if name not in chosen:
            raise InvalidInput(f"--allocation is for {name}, which is no --strategy of this session.", field=name)
    return tuple(
        StrategyWish(strategy=name, params=given, allocation_ratio=float(shares.get(name, 0.0)), timeframe=on)
        for name, given in chosen.items()
    )


def _owner(name: str, strategies: list[str]) -> tuple[str, str]:
    strategy, mark, parameter = name.partition(".")
    if not mark and len(strategies) == 1:
        return strategies[0], name
    if mark and strategy in strategies:
        return strategy, parameter
    listed = ", ".join(strategies) or "none"
    raise InvalidInput(f"--param {name}: write STRATEGY.NAME=VALUE; strategies here: {listed}.", field="--param")


def grid_of(texts: Sequence[str]) -> tuple[dict[str, Value], ...]:
    """Every combination of NAME=V1,V2,.. or NAME=FIRST:LAST:STEP (both ends included), the last name fastest.

    Raises:
        InvalidInput: malformed, or more than GRID_MAX combinations.
    """
    axes: dict[str, list[Value]] = {}
    for text in texts:
        name, values = pair_of(text, "--grid")
        if name in axes:
            raise InvalidInput(f"--grid names {name} twice.", field="--grid")
        axes[name] = _axis(name, values)
    if math.prod(len(values) for values in axes.values()) > GRID_MAX:
        raise InvalidInput(f"The grid has more than {GRID_MAX:,} combinations.", field="--grid", code="TOO_LARGE")
    return tuple(dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values()))


def _axis(name: str, text: str) -> list[Value]:
    option = f"--grid {name}"
    stretch = _RANGE.match(text)
    if stretch is None:
        return [number_of(part.strip(), option) for part in text.split(",")]
    first, last, step = (number_of(part, option) for part in stretch.groups())
    if any(isinstance(one, bool) for one in (first, last, step)) or step <= 0 or last < first:
        raise InvalidInput(f"{option}: FIRST:LAST:STEP goes upward by a step above 0.", field="--grid")
    steps = (last - first) / step * (1 + 1e-12)  # infinite where a float cannot hold so many
    if not steps < GRID_MAX:
        raise InvalidInput(f"{option} has more than {GRID_MAX:,} values.", field="--grid", code="TOO_LARGE")
    whole = isinstance(first, int) and isinstance(step, int)
    return [first + at * step if whole else float(f"{first + at * step:.12g}") for at in range(math.floor(steps) + 1)]


def instant_of(text: str | None, option: str) -> int | None:
    """int64 ns UTC of an ISO 8601 text; None where none is given. Raises InvalidInput."""
    if text is None:
        return None
    try:
        return from_iso(text)
    except (ValueError, OverflowError):
        raise InvalidInput(
            f"{option} {text[:40]!r} is no moment.", field=option, hint="Write it like 2025-11-18T15:00:00Z (UTC)."
        ) from None


def session_options(command: F) -> F:
    """Options of every verb that makes a session."""
    for option in reversed(
        (
            click.option(
                "-p",
                "--param",
                "params",
                multiple=True,
                metavar="NAME=VALUE",
                help="Parameter of the only strategy, or STRATEGY.NAME=VALUE. Repeatable.",
            ),
            click.option(
                "-l",
                "--limit",
                "limits",
                multiple=True,
                metavar="NAME=VALUE",
                help="Limit of the session, such as cash=10000 or stop_loss_ratio=0.03. Repeatable.",
            ),
            click.option(
                "--timeframe",
                type=click.Choice([*(name for name in TIMEFRAME_NS if name), NO_TIMEFRAME]),
                callback=lambda _context, _option, value: "" if value == NO_TIMEFRAME else value,
                help="Decide on bars of this length, or on the rows as they come. Unless given: as a configured"
                " strategy says, in a fork as it was, else none.",
            ),
            click.option("--name", default="", help="A name for people."),
        )
    ):
        command = option(command)
    return command


strategy_option = click.option(
    "-s", "--strategy", "strategies", multiple=True, metavar="ID", help="Strategy to run. Repeatable."
)
symbol_option = click.option(
    "--symbol", "symbols", multiple=True, help="Only this symbol. Repeatable; all where none is named."
)
seed_option = click.option(
    "--seed", type=click.IntRange(0, 2**63 - 1), help="Of simulated latency, slippage and queue position."
)
