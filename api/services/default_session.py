"""The default session of a user, which the control panel starts.

It is what the user ran last in the mode, without the strategies that were deactivated or removed since and without
symbols that its source no longer has. Where nothing of that is left, its source or recording is gone, or nothing ran
yet, it is the active configured strategies on every symbol of a source (in a backtest: of the newest complete
recording), and where none is active, `DEFAULT_STRATEGY`; a day may lose what is configured.
"""

from __future__ import annotations

from typing import cast

import msgspec
from msgspec import UNSET

from api.house import House
from api.reading.reader import Moment
from api.services import configuration
from engine.sessions import history
from engine.sessions.offers import Offer, offer_of
from engine.sessions.plan import Library, SessionWish, StrategyWish, plan
from engine.sessions.source_bars import check_bars
from events.errors import Conflict, InvalidInput, Unknown
from events.facts import SessionLimits, SessionMode, SessionSpec, StrategySetting
from events.facts.house import Mode
from projections.read_models.answers import Page
from projections.read_models.sessions import SessionFilter, sessions

DEFAULT_STRATEGY = "pump_v2"
NEWEST = Page(limit=1, newest_first=True)


async def default(house: House, user: str, mode: Mode) -> SessionWish:
    """What is left of what the user ran last in this mode, else what is configured.

    Raises:
        Conflict: there is nothing to run it on.
    """
    await house.lookups.current(house.tape)
    library = house.lookups.library()
    wanted = SessionFilter(user=user, modes=(mode,), include_research=True, own=True)
    last = (await house.reader.run(lambda snapshot: sessions(snapshot, wanted, NEWEST).rows, Moment())).value
    for row in last:
        started, _ = await history.find(house.tape, row.session)
        before = _left_of(_as_before(started.spec), library)
        if before is not None and await _runs(house, before, user, library):
            return before
    risk = (await configuration.current(house, Moment())).value.whole.risk
    return _configured(library, mode, SessionLimits(daily_loss_ratio=risk.max_daily_loss))


async def _runs(house: House, wish: SessionWish, user: str, library: Library) -> bool:
    """Whether it would be started now."""
    try:
        await check_bars(house.tape, plan(wish, "check", user, library), library)
    except (InvalidInput, Unknown, Conflict):
        return False
    return True


def _left_of(wish: SessionWish, library: Library) -> SessionWish | None:
    """Without strategies and symbols that cannot run any more; None where nothing is left."""
    symbols = wish.symbols
    if wish.source is not None:
        symbols = tuple(one for one in symbols if one in library.sources.symbols.get(wish.source, ()))
    strategies = tuple(
        msgspec.structs.replace(one, symbols=tuple(symbol for symbol in one.symbols if symbol in symbols))
        for one in wish.strategies
        if _is_there(one.strategy, wish.mode, library) and (not one.symbols or set(one.symbols) & set(symbols))
    )
    if not symbols or (wish.strategies and not strategies):
        return None
    return msgspec.structs.replace(wish, symbols=symbols, strategies=strategies)


def _is_there(strategy: str, mode: SessionMode, library: Library) -> bool:
    """Whether a strategy, or a configured one, is there and may run in this mode."""
    if (found := library.configured.get(strategy)) is not None:
        return found.active or mode == "backtest"
    try:
        library.kinds(strategy)
    except Unknown:
        return False
    return True


def _as_before(spec: SessionSpec) -> SessionWish:
    """The wish of which a session was made."""
    return SessionWish(
        mode=spec.mode,
        symbols=tuple(one.symbol for one in spec.instruments),
        strategies=tuple(_wished(one, shares=spec.limits.global_cap > 0) for one in spec.strategies),
        recording=spec.input.recording,
        first=spec.input.first if spec.input.recording else None,
        last=spec.input.last if spec.input.recording else None,
        source=None if spec.input.recording else spec.input.source,
        acceleration=spec.input.acceleration,
        limits=spec.limits,
        seed=spec.seed,
        name=spec.name,
    )


def _wished(one: StrategySetting, *, shares: bool) -> StrategyWish:
    share = one.allocation_ratio if shares else 0.0
    if one.configured:  # as it is configured now
        return StrategyWish(strategy=one.configured, allocation_ratio=share)
    return StrategyWish(
        strategy=one.strategy,
        params=one.params,
        allocation_ratio=share,
        symbols=one.symbols,
        direction=one.direction,
        timeframe=one.timeframe or UNSET,
    )


def _configured(library: Library, mode: Mode, limits: SessionLimits) -> SessionWish:
    if mode == "backtest":
        whole = [one for one in library.shelf.recordings.values() if one.completed is not None]
        if not whole:
            raise Conflict("There is no complete recording to run a backtest over.", hint="Import one, or collect.")
        strategies = _strategies(library, mode, offer_of(whole[-1]))
        return SessionWish(mode=mode, strategies=strategies, recording=whole[-1].id, limits=limits)
    if not library.sources.symbols:
        raise Conflict("No source is configured or running.", hint="Configure one under `sources`.")
    source = next(iter(library.sources.symbols))
    strategies = _strategies(library, mode, library.sources.offer(source))
    limits = limits if strategies else SessionLimits()  # what collects is held to none
    return SessionWish(mode=mode, strategies=strategies, source=source, limits=limits)


def _strategies(library: Library, mode: Mode, offer: Offer) -> tuple[StrategyWish, ...]:
    """Active configured strategies that trade some of these symbols, the first of each kind."""
    if cast(SessionMode, mode) == "collect":
        return ()
    active = [one for one in library.configured.values() if one.active]
    here = [
        one for one in active if not one.form.symbols or _named(one.form.symbols, offer, library) & {*offer.symbols}
    ]
    by_kind = {one.form.kind: one.id for one in reversed(here)}
    return tuple(StrategyWish(strategy=name) for name in by_kind.values()) or (StrategyWish(strategy=DEFAULT_STRATEGY),)


def _named(own: tuple[str, ...], offer: Offer, library: Library) -> set[str]:
    return {offer.plain(one, library.catalogue) for one in own}
