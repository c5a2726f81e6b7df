"""Sessions: list, start with everything the engine offers, one, stop."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import Request, Response, get, post
from litestar.di import NamedDependency, Provide
from litestar.params import JSONBody, QueryParameter
from msgspec import UNSET, Meta

from api.access import user_of
from api.house import House
from api.reading.asking import TEXT_MAX, SessionId
from api.reading.reader import Moment
from api.services.acting import Start, act, check_command, start
from api.services.suspended import found_code
from api.services.symbols import traded
from api.session_bodies import SESSION, SessionBody, SessionPage
from api.session_control import Key, done
from engine.sessions.plan import NAME_MAX, SessionWish, StrategyWish
from events.errors import InvalidInput
from events.facts import ChangeCode, HaltLane, SessionLimits, SessionMode, SessionSpec, StopSession
from events.facts.timeframes import Timeframe
from projections.duckdb.store import Snapshot
from projections.read_models import sessions
from projections.read_models.answers import Page
from projections.read_models.sessions import STATES_OVER, SessionCounts, SessionFilter

STATES = ("started", "running", "suspended", *STATES_OVER)
MODES = ("live", "paper", "backtest", "collect")

Name = Annotated[str, Meta(min_length=1, max_length=TEXT_MAX)]
Params = dict[str, Any]  # numbers and booleans; the strategy says which, and names what is wrong


class StrategyAsked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One strategy with the parameters that differ from its defaults."""

    strategy: Name
    params: Params = {}
    allocation_ratio: Annotated[float, Meta(ge=0, le=1, description="share of the global cap; 0: an equal one")] = 0.0
    symbols: Annotated[tuple[Name, ...], Meta(max_length=256, description="empty: all of the session")] = ()
    timeframe: Annotated[
        Timeframe | None,
        Meta(description="of the bars it decides on; empty: the rows as they come; null: as configured, else those"),
    ] = None

    def wish(self) -> StrategyWish:
        """For `plan`."""
        return StrategyWish(
            strategy=self.strategy,
            params=self.params,
            allocation_ratio=self.allocation_ratio,
            symbols=self.symbols,
            timeframe=UNSET if self.timeframe is None else self.timeframe,
        )


class LimitsAsked(SessionLimits, frozen=True, forbid_unknown_fields=True):
    """Budget, protective exits and execution model. Notionals in quote currency, ratios as shares of one."""


class SessionAsked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A session with everything the engine offers; `plan` says what is wrong with it."""

    mode: SessionMode
    symbols: Annotated[
        tuple[Name, ...], Meta(max_length=256, description="or SYMBOL@VENUE; empty: all of the recording or source")
    ] = ()
    strategies: Annotated[tuple[StrategyAsked, ...], Meta(max_length=16)] = ()
    recording: Annotated[str | None, Meta(description="read instead of a live source; needed by a backtest")] = None
    source: str | None = None
    acceleration: Annotated[float, Meta(ge=0, le=1e9, description="pace; 0: as fast as possible")] = 0.0
    limits: LimitsAsked = LimitsAsked()
    seed: Annotated[int, Meta(ge=0, le=2**63 - 1)] = 0
    name: Annotated[str, Meta(max_length=NAME_MAX)] = ""
    grid: Annotated[tuple[Params, ...], Meta(max_length=10_000, description="a sweep: parameters of each run")] = ()
    replaces: Annotated[bool, Meta(description="stop your running session of the same mode first")] = False
    idempotent: Annotated[bool, Meta(description="answer with your running session of the same body")] = False


class CommandBody(msgspec.Struct, frozen=True):
    """A command that was accepted. `changed` is false where everything was so already."""

    session: str
    changed: bool


class StopAsked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How to stop."""

    close_positions: Annotated[bool | None, Meta(description="null: as the session's limits say")] = None


class CodeAsked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Under which code."""

    code_hash: Annotated[str, Meta(max_length=TEXT_MAX, description="the code that was found; empty: whichever")] = ""


class HaltAsked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which lane, and whether it is halted from now on."""

    strategy: Name
    symbol: Name
    halted: bool


class SessionWhole(msgspec.Struct, frozen=True):
    """One session: where it is in its life, how much it has decided, and all that its loop reads."""

    session: SessionBody
    counts: SessionCounts
    spec: SessionSpec


@get("/api/sessions", opt={"newest": True})
async def list_sessions(
    house: NamedDependency[House],
    at: NamedDependency[Moment],
    page: NamedDependency[Page],
    filters: NamedDependency[SessionFilter],
) -> Response[SessionPage]:
    """Sessions, newest first. Backtests and forks only with `include_research`, `mode=backtest` or `parent`."""
    return await house.reader.page(lambda snapshot: sessions.sessions(snapshot, filters, page), SESSION, at, page)


@post("/api/sessions", status_code=200, opt={"role": "trader"})
async def start_session(
    data: JSONBody[SessionAsked], request: Request[Any, Any, Any], house: NamedDependency[House], key: Key = None
) -> Response[CommandBody]:
    """Start a session, a backtest or a sweep. Up to `sessions_max` run at once."""
    wish = SessionWish(
        mode=data.mode,
        symbols=data.symbols,
        strategies=tuple(one.wish() for one in data.strategies),
        recording=data.recording,
        source=data.source,
        acceleration=data.acceleration,
        limits=SessionLimits(**msgspec.structs.asdict(data.limits)),
        seed=data.seed,
        name=data.name,
        grid=data.grid,
    )
    how = await start(house, wish, user_of(request).user, key, Start(data.replaces, data.idempotent))
    return done(CommandBody(how.session, how.changed), how, house)


@get("/api/sessions/{session:str}")
async def one_session(
    session: SessionId, house: NamedDependency[House], at: NamedDependency[Moment]
) -> Response[SessionWhole]:
    """One session."""

    def work(snapshot: Snapshot) -> SessionWhole:
        row = sessions.session(snapshot, session)
        return SessionWhole(SESSION(row), sessions.counts(snapshot, session), sessions.spec(snapshot, session))

    return await house.reader.one(work, at)


@post("/api/sessions/{session:str}/stop", status_code=200, opt={"role": "trader"})
async def stop_session(
    session: SessionId,
    request: Request[Any, Any, Any],
    house: NamedDependency[House],
    data: JSONBody[StopAsked | None] = None,
    key: Key = None,
) -> Response[CommandBody]:
    """Stop a session. Working orders are cancelled; positions stay unless they are to be closed."""
    await check_command(house, user_of(request), session)
    user, close = user_of(request).user, data.close_positions if data else None
    how = await act(
        house, user, key, lambda made: StopSession(key=made, user=user, session=session, close_positions=close)
    )
    return done(CommandBody(session, how.changed), how, house)


@post("/api/sessions/{session:str}/halt", status_code=200, opt={"role": "trader"})
async def halt_lane(
    session: SessionId,
    data: JSONBody[HaltAsked],
    request: Request[Any, Any, Any],
    house: NamedDependency[House],
    key: Key = None,
) -> Response[CommandBody]:
    """No new entries of a strategy on a symbol, or go on. Its entries and quotes are cancelled, no other orders."""
    await check_command(house, user_of(request), session)
    user, symbol = user_of(request).user, await traded(house, session, data.symbol)
    how = await act(
        house,
        user,
        key,
        lambda made: HaltLane(
            key=made, user=user, session=session, strategy=data.strategy, symbol=symbol, halted=data.halted
        ),
    )
    return done(CommandBody(session, how.changed), how, house)


@post("/api/sessions/{session:str}/code", status_code=200, opt={"role": "trader"})
async def change_code(
    session: SessionId,
    request: Request[Any, Any, Any],
    house: NamedDependency[House],
    data: JSONBody[CodeAsked | None] = None,
    key: Key = None,
) -> Response[CommandBody]:
    """Let a suspended session go on, from where it stopped, under the code that is installed now."""
    await check_command(house, user_of(request), session)
    code_hash = await found_code(house.tape, session, data.code_hash if data else "")
    user = user_of(request).user
    how = await act(
        house, user, key, lambda made: ChangeCode(key=made, user=user, session=session, code_hash=code_hash)
    )
    return done(CommandBody(session, how.changed), how, house)


def provide_states(
    mode: Annotated[str | None, QueryParameter(description="modes, comma-separated", max_length=TEXT_MAX)] = None,
    session_state: Annotated[
        str | None, QueryParameter(name="state", description="states, comma-separated", max_length=TEXT_MAX)
    ] = None,
    include_research: Annotated[bool, QueryParameter(description="backtests and forks too")] = False,
) -> SessionFilter:
    """Which sessions by what they are and where they are in their life."""
    modes, states = _words(mode, MODES, "mode"), _words(session_state, STATES, "state")
    return SessionFilter(modes=modes, states=states, include_research=include_research or "backtest" in modes)


def provide_filters(
    states: NamedDependency[SessionFilter],
    user: Annotated[str | None, QueryParameter(description="of this user", max_length=TEXT_MAX)] = None,
    parent: Annotated[str | None, QueryParameter(description="forks of this session", max_length=TEXT_MAX)] = None,
    recording: Annotated[str | None, QueryParameter(description="over this recording", max_length=TEXT_MAX)] = None,
    symbol: Annotated[str | None, QueryParameter(description="with this symbol", max_length=TEXT_MAX)] = None,
) -> SessionFilter:
    """Which sessions."""
    return msgspec.structs.replace(states, user=user, parent=parent, recording=recording, symbol=symbol)


def _words(text: str | None, known: tuple[str, ...], field: str) -> tuple[str, ...]:
    words = tuple(dict.fromkeys(part for part in (text or "").split(",") if part))
    for word in words:
        if word not in known:
            raise InvalidInput(f"{field} is {word[:40]!r}; it must be among {', '.join(known)}.", field=field)
    return words


DEPENDENCIES = {
    "states": Provide(provide_states, sync_to_thread=False),
    "filters": Provide(provide_filters, sync_to_thread=False),
}
HANDLERS = [list_sessions, start_session, one_session, stop_session, halt_lane, change_code]
