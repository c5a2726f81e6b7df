"""Forks: the market rows of a session again, with other strategies, parameters or limits.

A fork is a research session like any backtest. Of a session over a recording it reads that recording; of one over a
live tail it reads the same stretch of the source. With commands, hand-made orders act before the same inputs.
"""

from __future__ import annotations

from typing import Any

import msgspec

from engine.loop.before_start import code_with_start
from engine.sessions.allocations import check_cap
from engine.sessions.history import History
from engine.sessions.lanes import lanes_of
from engine.sessions.limits import check_limits
from engine.sessions.plan import (
    Library,
    StrategyWish,
    check_currency,
    check_name,
    check_seed,
    check_timeframe,
    code_hash_of,
    configured_wishes,
    resolved,
    settings_of,
)
from events import codec
from events.errors import Conflict, InvalidInput
from events.facts import (
    CancelOrder,
    HaltLane,
    Place,
    SessionInput,
    SessionLimits,
    SessionSpec,
    StrategySetting,
    SubmitOrder,
)
from events.facts.timeframes import Timeframe
from events.misfits import fitted


class ForkWish(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What shall be different. Nothing given: the same again."""

    strategies: tuple[StrategyWish, ...] = ()
    limits: dict[str, Any] = {}  # fields of SessionLimits; of `costs` too only those that change
    params: dict[str, float | int | bool] = {}  # of the only strategy
    timeframe: Timeframe | None = None  # of the only strategy; None: as it was
    seed: int | None = None
    with_commands: bool = False
    name: str = ""


def fork(history: History, wish: ForkWish, session: str, user: str, library: Library) -> SessionSpec:
    """The specification of the fork.

    Raises:
        Conflict: the session has not ended.
        InvalidInput, Unknown: with the field at fault.
    """
    parent = history.started.spec
    if history.ended is None:
        raise Conflict(f"Session {parent.session} has not ended; only an ended session is forked.", field="session")
    check_name(wish.name)
    if wish.seed is not None:
        check_seed(wish.seed)
    check_currency(parent.instruments)
    limits = _limits(parent.limits, wish.limits)
    check_cap(tuple(one.allocation_ratio for one in wish.strategies), limits.global_cap)
    strategies = _strategies(parent, wish, library)
    if not strategies:
        raise InvalidInput(f"Session {parent.session} ran no strategy: name those of the fork.", field="strategies")
    given = _input(history)
    forked = msgspec.structs.replace(
        parent,
        session=session,
        mode="backtest",
        user=user,
        input=given,
        strategies=strategies,
        limits=limits,
        seed=parent.seed if wish.seed is None else wish.seed,
        code_hash=code_with_start(code_hash_of(strategies, library), given.trade_from_ns),
        body_hash="",
        parent=parent.session,
        research=True,
        commands=(),
        grid=(),
        name=wish.name or f"fork of {parent.session}",
        job="",
    )
    return msgspec.structs.replace(forked, commands=_commands(history, forked)) if wish.with_commands else forked


def _commands(history: History, forked: SessionSpec) -> tuple[tuple[int, str], ...]:
    """Commands of the parent that the fork can carry out, each before its input."""
    lanes = {(lane.strategy.strategy, lane.instrument.symbol) for lane in lanes_of(forked)}
    return tuple(
        (one.effective_input, codec.encode(one.command).decode())
        for one in history.scheduled
        if isinstance(one.command, SubmitOrder | CancelOrder)
        or (isinstance(one.command, HaltLane) and (one.command.strategy, one.command.symbol) in lanes)
    )


def _input(history: History) -> SessionInput:
    """The rows that were read: of a session that was stopped, up to there."""
    given = history.started.spec.input
    assert history.ended is not None, "checked before"
    if given.first is not None:
        last = given.last if history.ended.reason == "completed" else history.ended.place
        return msgspec.structs.replace(given, last=last, acceleration=0.0)
    return SessionInput(
        source=given.source,
        recording=f"tail:{history.started.spec.session}",
        first=Place(history.started.after + 1, 0),
        last=history.ended.place,
    )


def _strategies(parent: SessionSpec, wish: ForkWish, library: Library) -> tuple[StrategySetting, ...]:
    if wish.strategies:
        for name, given in (("params", bool(wish.params)), ("timeframe", wish.timeframe is not None)):
            if given:
                raise InvalidInput(f"Beside strategies, {name} stands in each of them.", field=name)
        wishes = configured_wishes(wish.strategies, "backtest", library)
        return settings_of(wishes, parent.instruments, library)
    if not wish.params and wish.timeframe is None:
        return parent.strategies
    field = "params" if wish.params else "timeframe"
    if len(parent.strategies) != 1:
        raise InvalidInput(
            "Parameters and a timeframe alone fit a session of one strategy; name the strategies.", field=field
        )
    only = parent.strategies[0]
    params = resolved(only.strategy, {**only.params, **wish.params}, ("strategies", "params"), library)
    timeframe = only.timeframe if wish.timeframe is None else wish.timeframe
    check_timeframe(only.strategy, params, timeframe, "timeframe", library)
    return (msgspec.structs.replace(only, params=params, timeframe=timeframe),)


def _limits(limits: SessionLimits, changes: dict[str, Any]) -> SessionLimits:
    for name in changes:
        if name not in SessionLimits.__struct_fields__:
            known = ", ".join(SessionLimits.__struct_fields__)
            raise InvalidInput(f"There is no limit {name!r}. Limits: {known}.", field=f"limits.{name}")
    held: dict[str, Any] = msgspec.to_builtins(limits)
    costs = changes.get("costs")
    if isinstance(costs, dict):  # of them too, what is not named stays as it was
        changes = {**changes, "costs": {**held.get("costs", {}), **costs}}
    changed: SessionLimits = fitted({**held, **changes}, SessionLimits, at="limits")
    check_limits(changed)
    return changed
