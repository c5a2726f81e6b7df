"""Contract 004: state of the system, its mode, and start, stop and restart of the user's default session."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody
from msgspec import Meta

from api.access import caller_of, user_of
from api.house import House
from api.reading.asking import AsOf, MinSequence
from api.reading.reader import answered
from api.reading.wording import instant
from api.services import trading as work
from api.services.components import Registry, Word, worst
from api.services.replaced import Replaced, replaced_by
from api.session_control import Key, done
from events.clock import iso
from events.errors import ReadModelUnavailable
from events.facts import SessionMode
from projections.read_models.sessions import SessionRow

TRADER = {"role": "trader"}


class ModeRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which mode."""

    mode: Annotated[SessionMode, Meta(description="live is refused with 501: no venue is configured")]


class Nothing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An empty body."""


class SystemSession(msgspec.Struct, frozen=True):
    """A session that is not over."""

    session_id: str
    mode: str
    user: str
    state: str
    symbols: list[str]
    strategies: list[str]
    started_at: str | None


class SystemState(msgspec.Struct, frozen=True):
    """The unified state of the system."""

    status: Annotated[Word, Meta(description="the worst of all components")]
    mode: Annotated[str | None, Meta(description="null: not known now, see `reason`")]
    mode_set_by: str
    mode_set_at: str | None
    running: Annotated[
        bool | None, Meta(description="whether a session of any user is in state `running`; null: not known now")
    ]
    own_running: Annotated[
        bool | None, Meta(description="the same of whoever asks; null: without a token, or not known now")
    ]
    own_sessions: Annotated[list[str], Meta(description="that a stop by whoever asks would end, the newest first")]
    sessions: Annotated[
        list[SystemSession], Meta(description="the newest 64 that are not over, of every user; none of a job")
    ]
    components: dict[str, Word]
    timestamp: str
    reason: Annotated[str | None, Meta(description="why mode and sessions are left out, where they are")] = None


class ModeSet(msgspec.Struct, frozen=True):
    """The mode in force now."""

    mode: str
    status: str = "mode_changed"


class SystemStarted(msgspec.Struct, frozen=True):
    """A session that runs."""

    session_id: str
    mode: str
    changed: Annotated[bool, Meta(description="false: it ran already")]
    status: str
    replaced: Annotated[list[Replaced], Meta(description="sessions that this start ended, and what they still held")]


class SystemStopped(msgspec.Struct, frozen=True):
    """Sessions that were told to stop; none ran where it is empty."""

    sessions: list[str]
    mode: str
    status: Annotated[
        Literal["stopped", "stopping"],
        Meta(
            description="stopped: none of yours is left; stopping: see `own_sessions` of `GET /api/system/status`, or "
            "stop again, not under this key: a repeat is answered as the first time"
        ),
    ]
    left: Annotated[list[str], Meta(description="of yours, that are not over yet")]


@get("/api/system/status")
async def system_status(
    request: Request[Any, Any, Any],
    house: NamedDependency[House],
    registry: NamedDependency[Registry],
    as_of: AsOf = None,
    min_sequence: MinSequence = None,
) -> Response[SystemState]:
    """Mode, sessions that are not over and which of them a stop by whoever asks would end, and every component in a
    word. While the read model is away, the components
    are told all the same, but where a moment is asked for.
    """
    identity = caller_of(request).identity
    user = identity.user if identity else None
    parts = await registry.parts()
    body = SystemState(
        status=worst(parts),
        mode=None,
        mode_set_by="",
        mode_set_at=None,
        running=None,
        own_running=None,
        own_sessions=[],
        sessions=[],
        components={part.id: part.status for part in parts},
        timestamp=iso(house.clock.now_ns()),
    )
    try:
        moment = await house.reader.moment(as_of, min_sequence)
        found = await house.reader.run(lambda snapshot: work.trading(snapshot, user), moment)
    except ReadModelUnavailable as error:
        if as_of is not None or min_sequence is not None:
            raise
        return _now(msgspec.structs.replace(body, reason=str(error)), house)
    mode, rows, own = found.value
    body = msgspec.structs.replace(
        body,
        mode=mode.mode,
        mode_set_by=mode.user,
        mode_set_at=instant(mode.set_ns),
        running=_run(rows),
        own_running=None if own is None else _run(own),
        own_sessions=[row.session for row in own or ()],
        sessions=[_session(row) for row in rows],
    )
    return answered(body, found.sequence, found.epoch)


def _now(body: SystemState, house: House) -> Response[SystemState]:
    return answered(body, house.runner.status().visible, house.reader.epoch)


@post("/api/system/mode", status_code=200, opt=TRADER)
async def set_mode(
    data: JSONBody[ModeRequest], request: Request[Any, Any, Any], house: NamedDependency[House], key: Key = None
) -> Response[ModeSet]:
    """Set which kind of session the panel starts from now on, for every user; what runs goes on."""
    how = await work.set_mode(house, user_of(request).user, key, data.mode)
    return done(ModeSet(data.mode), how, house)


@post("/api/system/start", status_code=200, opt=TRADER)
async def start_system(
    request: Request[Any, Any, Any],
    house: NamedDependency[House],
    data: JSONBody[Nothing | None] = None,
    key: Key = None,
) -> Response[SystemStarted]:
    """Start the user's default session of the mode: what is left of what they ran last in it, else the active
    configured strategies on all symbols of a source. While one of theirs in the mode runs, that is answered;
    one that is suspended is replaced.
    """
    mode, how = await work.begin(house, user_of(request).user, key)
    return done(SystemStarted(how.session, mode, how.changed, "started", await replaced_by(house, how)), how, house)


@post("/api/system/stop", status_code=200, opt=TRADER)
async def stop_system(
    request: Request[Any, Any, Any],
    house: NamedDependency[House],
    data: JSONBody[Nothing | None] = None,
    key: Key = None,
) -> Response[SystemStopped]:
    """Stop all of the user's sessions but those of jobs, whatever their mode. None may run, and that is well.

    A repeat under a key is answered as the first time, `stopping` too: what is left is told by `own_sessions` of
    `GET /api/system/status`, and ended by a stop without a key or under a new one.
    """
    found = await work.end(house, user_of(request).user, key)
    sequence = max((how.sequence for how in found.told), default=house.runner.status().visible)
    body = SystemStopped(
        sessions=[how.session for how in found.told],
        mode=found.mode,
        status="stopping" if found.left else "stopped",
        left=found.left,
    )
    return answered(body, max(sequence, house.runner.status().visible), house.reader.epoch)


@post("/api/system/restart", status_code=200, opt=TRADER)
async def restart_system(
    request: Request[Any, Any, Any],
    house: NamedDependency[House],
    data: JSONBody[Nothing | None] = None,
    key: Key = None,
) -> Response[SystemStarted]:
    """Stop the user's session of the mode where one runs, and start what is left of it anew."""
    mode, how = await work.again(house, user_of(request).user, key)
    return done(SystemStarted(how.session, mode, how.changed, "restarted", await replaced_by(house, how)), how, house)


def _run(rows: list[SessionRow]) -> bool:
    return any(row.state == "running" for row in rows)


def _session(row: SessionRow) -> SystemSession:
    return SystemSession(
        row.session, row.mode, row.user, row.state, row.symbols, row.strategies, instant(row.started_ns)
    )


HANDLERS = [system_status, set_mode, start_system, stop_system, restart_system]
