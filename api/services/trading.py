"""The control panel's trading system: one mode for all, and each user's default session of it.

The default session is what the user ran last in that mode. Who ran nothing yet gets the active configured strategies
on every symbol of a source (in a backtest: of the newest complete recording), and where none is active,
`DEFAULT_STRATEGY`; a day may lose what is configured.
"""

from __future__ import annotations

from typing import NamedTuple, cast

import msgspec
from msgspec import UNSET

from api.house import House
from api.reading.reader import Moment
from api.services import configuration
from api.services.acting import Done, Start, act, key_of_part, start
from api.services.first_answers import refuse_repeat
from engine.sessions import history
from engine.sessions.plan import Library, SessionWish, StrategyWish
from events.errors import Conflict, NotAvailable
from events.facts import ChooseSessions, SessionLimits, SessionMode, SessionSpec, StopSession, StrategySetting
from events.facts.house import Mode, SetSystemMode
from projections.duckdb.store import Snapshot
from projections.read_models.answers import Page
from projections.read_models.sessions import SessionFilter, SessionRow, sessions
from projections.read_models.system import ModeRow, system_mode

NOT_OVER = ("started", "running", "suspended")
STOPPED_MAX = 64  # sessions that one stop stops
DEFAULT_STRATEGY = "pump_v2"


class Trading(NamedTuple):
    """The mode, and sessions that are not over."""

    mode: ModeRow
    sessions: list[SessionRow]


async def set_mode(house: House, user: str, key: str | None, mode: SessionMode) -> Done:
    """Set what the panel starts from now on; what runs goes on.

    Raises:
        NotAvailable: live.
        OutcomeUnknown, LimitReached: see `act`.
    """
    if mode == "live":
        raise NotAvailable(
            "Live sessions need a venue, and none is configured.", code="NO_VENUE", field="mode", hint="Use paper."
        )
    return await act(house, user, key, lambda made: SetSystemMode(key=made, user=user, mode=mode))


async def begin(house: House, user: str, key: str | None) -> tuple[Mode, Done]:
    """Start the user's default session; while one of the mode runs, that is answered.

    Raises:
        ReadModelUnavailable: see `_mode_now`. Else as `acting.start`.
    """
    refuse_repeat()
    mode = await _mode_now(house)
    running = SessionFilter(user=user, modes=(mode,), states=NOT_OVER, include_research=True, own=True)
    for row in await _sessions(house, running, 1):
        return mode, Done(row.session, False, house.runner.status().visible, key or house.clock.new_id())
    wish = await _default(house, user, mode)
    return mode, await start(house, wish, user, key, Start(replaces=True, idempotent=True))


async def end(house: House, user: str, key: str | None) -> tuple[Mode, list[Done]]:
    """Stop the user's sessions of the mode that run now; none may run, and that is well. A repeat under a key is about
    those that ran when it was first asked, and that mode.

    Raises:
        ReadModelUnavailable: see `_mode_now`.
        OutcomeUnknown, LimitReached: see `act`.
    """
    mode = await _mode_now(house)
    own = SessionFilter(user=user, modes=(mode,), states=NOT_OVER, include_research=True, own=True)
    if key is None and not await _sessions(house, own, 1):
        return mode, []  # there is nothing that the desk could choose, and no repeat to remember it for
    chosen = await act(house, user, key, lambda made: ChooseSessions(key=made, user=user, mode=mode))
    stopped = []
    for name in sorted(chosen.sessions):
        stop = StopSession(key="", user=user, session=name)
        part = key_of_part(key, name)
        stopped.append(
            await act(house, user, part, lambda made, stop=stop: msgspec.structs.replace(stop, key=made))  # type: ignore[misc]
        )
    return cast(Mode, chosen.id), stopped


async def again(house: House, user: str, key: str | None) -> tuple[Mode, Done]:
    """Stop the user's session of the mode where one runs, and start it anew. Raises as `acting.start`."""
    mode = await _mode_now(house)
    wish = await _default(house, user, mode)
    return mode, await start(house, wish, user, key, Start(replaces=True))


def trading(snapshot: Snapshot) -> Trading:
    """The mode, and all sessions that are not over, newest first."""
    wanted = SessionFilter(states=NOT_OVER, include_research=True)
    return Trading(system_mode(snapshot), sessions(snapshot, wanted, Page(limit=STOPPED_MAX, newest_first=True)).rows)


# --- the default session ------------------------------------------------------------------------------------------


async def _mode_now(house: House) -> Mode:
    """The mode behind all that is on the tape: whoever acts on it has seen what was acknowledged anywhere.

    Raises:
        ReadModelUnavailable: this process does not show the tape's end in time.
    """
    await house.reader.wait_until((await house.tape.info()).last)
    found = await house.reader.run(system_mode, Moment())
    return found.value.mode


async def _sessions(house: House, wanted: SessionFilter, limit: int = STOPPED_MAX) -> list[SessionRow]:
    page = Page(limit=limit, newest_first=True)
    return (await house.reader.run(lambda snapshot: sessions(snapshot, wanted, page).rows, Moment())).value


async def _default(house: House, user: str, mode: Mode) -> SessionWish:
    """What the user ran last in this mode, else what is configured. Raises Conflict: there is nothing to run it on."""
    wanted = SessionFilter(user=user, modes=(mode,), include_research=True, own=True)
    for row in await _sessions(house, wanted, 1):
        started, _ = await history.find(house.tape, row.session)
        return _as_before(started.spec)
    await house.lookups.current(house.tape)
    risk = (await configuration.current(house, Moment())).value.whole.risk
    return _configured(house.lookups.library(), mode, SessionLimits(daily_loss_ratio=risk.max_daily_loss))


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
    strategies = _strategies(library, mode)
    limits = limits if strategies else SessionLimits()  # what collects is held to none
    if mode == "backtest":
        whole = [one.id for one in library.shelf.recordings.values() if one.completed is not None]
        if not whole:
            raise Conflict("There is no complete recording to run a backtest over.", hint="Import one, or collect.")
        return SessionWish(mode=mode, strategies=strategies, recording=whole[-1], limits=limits)
    if not library.sources.symbols:
        raise Conflict("No source is configured or running.", hint="Configure one under `sources`.")
    source = next(iter(library.sources.symbols))
    return SessionWish(mode=mode, strategies=strategies, source=source, limits=limits)


def _strategies(library: Library, mode: Mode) -> tuple[StrategyWish, ...]:
    """Active configured strategies, the first of each kind."""
    if cast(SessionMode, mode) == "collect":
        return ()
    by_kind = {one.form.kind: one.id for one in reversed(list(library.configured.values())) if one.active}
    return tuple(StrategyWish(strategy=name) for name in by_kind.values()) or (StrategyWish(strategy=DEFAULT_STRATEGY),)
