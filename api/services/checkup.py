"""How every part of this process is, and of what it depends on: asked at most once a second, whoever asks."""

from __future__ import annotations

import asyncio
from importlib.metadata import PackageNotFoundError, version
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from api.house import House
from api.processes.signs import Sign, all_signs, told_left_out
from api.reading.reader import is_ready
from events import subjects
from events.clock import NS_PER_SECOND, iso
from events.errors import TapedeckError
from events.tape import Message
from projections.read_models.answers import PAGE_ROWS_MAX, Page
from projections.read_models.sessions import SessionFilter, SessionRow, sessions

KEPT_SECONDS = 1.0
ENGINES_MAX = 64
LAG_EVENTS_MAX = 10_000  # behind the tape's end by more is said to be slow
MARKET_SECONDS_MAX = 5.0  # behind the tape's newest market message by more, in append time, or for longer: slow
WAITING_SECONDS_MAX = 30.0  # a session of the tail that no engine claims for longer is a failure
RUN = ("started", "running")
SUSPENDED = SessionFilter(states=("suspended",), include_research=True, of_jobs=False)  # a job fails by itself


class Component(msgspec.Struct, frozen=True):
    """One part."""

    status: Annotated[str, Meta(description="ok, warn, behind, down or failed")]
    detail: str = ""
    sequence: Annotated[int | None, Meta(description="how far it has come")] = None
    lag: Annotated[
        int | None, Meta(description="events behind the tape's end; of market: its newest market message")
    ] = None
    lag_seconds: float | None = None


class Process(msgspec.Struct, frozen=True):
    """One process of the house."""

    name: str
    role: Annotated[str, Meta(description="seal, engine, worker, projector, api or supervisor")]
    status: Annotated[str, Meta(description="as of a component")]
    started: Annotated[str, Meta(description="ISO 8601, UTC")]
    detail: str = ""
    sequence: int | None = None
    lag: int | None = None


class Health(msgspec.Struct, frozen=True):
    """The whole. `ready` says whether reads are answered."""

    status: Annotated[str, Meta(description="ok, or degraded where a component is not")]
    version: str
    ready: bool
    components: dict[str, Component]
    processes: Annotated[list[Process], Meta(description="all that show signs of life, by name")] = []


def version_of() -> str:
    """The installed version."""
    try:
        return version("tapedeck")
    except PackageNotFoundError:
        return "0.0.0"


VERSION = version_of()


class Checkup:
    """Asks the parts of a house."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._asking = asyncio.Lock()
        self._kept: Health | None = None
        self._kept_until_ns = 0

    async def find(self) -> Health:
        """How everything is, at most `KEPT_SECONDS` old."""
        clock = self._house.clock
        async with self._asking:
            if self._kept is None or clock.monotonic_ns() >= self._kept_until_ns:
                self._kept = await _ask(self._house)
                self._kept_until_ns = clock.monotonic_ns() + round(KEPT_SECONDS * NS_PER_SECOND)
            return self._kept


async def _ask(house: House) -> Health:
    signs = await _signs(house)
    components = {
        "tape": await _tape(house),
        "processes": _processes(house, signs),
        "read_model": _read_model(house),
        "market": await _market(house),
        "engines": await _engines(house),
        "streams": _streams(house),
        "config": Component(house.config_file.status, house.config_file.detail),
    }
    well = all(one.status == "ok" for one in components.values())
    processes = [_process(one) for one in signs or ()]
    return Health("ok" if well else "degraded", VERSION, is_ready(house.runner), components, processes)


async def _signs(house: House) -> list[Sign] | None:
    """Signs of life; None where the tape does not answer."""
    try:
        return await all_signs(house.liveness)
    except TapedeckError:
        return None


def _process(sign: Sign) -> Process:
    state = sign.state
    return Process(sign.name, sign.role, state.status, iso(sign.started_ns), state.detail, state.sequence, state.lag)


def _processes(house: House, signs: list[Sign] | None) -> Component:
    """Whether each role that the house needs is there, and what a process says of itself where it is not well."""
    if signs is None:
        return Component("down", "signs of life cannot be read")
    needed = ("seal", "engine", "worker", *(("projector",) if not house.beside else ()))
    missing = [role for role in needed if role not in {sign.role for sign in signs}]
    if missing:
        return Component("down", f"no sign of life of {', '.join(missing)}")
    unwell = [sign for sign in signs if sign.state.status != "ok"]
    words = {sign.state.status for sign in unwell}
    detail = "; ".join(f"{sign.name} {sign.state.status}: {sign.state.detail}".rstrip(": ") for sign in unwell)
    word = next((word for word in ("failed", "down", "behind") if word in words), "ok")
    return Component(word, detail or f"{len(signs)} processes")


async def _tape(house: House) -> Component:
    try:
        info = await house.tape.info()
    except TapedeckError as error:
        return Component("down", str(error))
    return Component("ok", sequence=info.last, lag=0)


def _read_model(house: House) -> Component:
    status = house.runner.status()
    word = {"ready": "ok", "catching_up": "behind", "halted": "failed", "stopped": "down"}[status.state]
    word = "ok" if is_ready(house.runner) else word
    if word == "ok" and status.lag > LAG_EVENTS_MAX:
        word = "behind"
    detail = status.error or ("" if word == "ok" else status.state.replace("_", " "))
    return Component(word, detail, status.visible, status.lag, round(status.lag_seconds, 3))


async def _market(house: House) -> Component:
    """How far the market store is behind the newest market message of the tape."""
    try:
        visible = await house.market.visible()
        troubles = await house.market.troubles()
        newest = await house.tape.last(subjects.MARKET)
        lag, seconds = await _market_lag(house, visible, newest)
    except TapedeckError as error:
        return Component("down", str(error))
    halted = [status.error for one in house.beside if (status := one.status()).state == "halted"]
    if halted:
        return Component("failed", "; ".join(halted), visible, lag, seconds)
    if troubles:
        return Component("failed", "; ".join(f"{one.table}: {one.reason}" for one in troubles), visible, lag, seconds)
    left_out = told_left_out(sum(one.status().left_out for one in house.beside))
    waits_ns = house.clock.now_ns() - newest.appended_ns if newest and lag else 0
    behind = seconds > MARKET_SECONDS_MAX or waits_ns > MARKET_SECONDS_MAX * NS_PER_SECOND
    return Component("behind" if behind else "ok", left_out, visible, lag, seconds)


async def _market_lag(house: House, visible: int, newest: Message | None) -> tuple[int, float]:
    """Messages and seconds of append time between what is visible and the newest market message."""
    if newest is None or visible >= newest.sequence:
        return 0, 0.0
    seen = await house.tape.get(visible) if visible else None
    since_ns = seen.appended_ns if seen else (await house.tape.info()).created_ns
    return newest.sequence - visible, round((newest.appended_ns - since_ns) / NS_PER_SECOND, 3)


async def _engines(house: House) -> Component:
    """Engines that have claimed a session, and whether they show signs of life; sessions that nobody runs any more."""
    if not is_ready(house.runner):
        return Component("behind", "known when the read model is ready")
    try:
        moment = await house.reader.moment(None, None)
        page = Page(limit=PAGE_ROWS_MAX, newest_first=True)
        wanted = SessionFilter(states=RUN, include_research=True)
        rows = (await house.reader.run(lambda snapshot: sessions(snapshot, wanted, page), moment)).value.rows
        suspended = (await house.reader.run(lambda snapshot: sessions(snapshot, SUSPENDED, page), moment)).value.rows
        engines = sorted({row.engine for row in rows if row.engine})[:ENGINES_MAX]
        silent = [name for name in engines if await house.liveness.get(f"engine.{name}") is None]
    except TapedeckError as error:
        return Component("down", str(error))
    waiting = [row for row in rows if row.state == "started" and row.mode != "backtest"]
    now_ns = house.clock.now_ns()
    late = [row for row in waiting if now_ns - row.started_ns > WAITING_SECONDS_MAX * NS_PER_SECOND]
    detail = f"{len(rows)} sessions on {len(engines)} engines, {len(waiting)} not claimed yet"
    if silent:
        return Component("failed", f"{detail}; no sign of life of {', '.join(silent)}")
    if late:
        return Component("failed", f"{detail}; {late[0].session} waits for more than {WAITING_SECONDS_MAX:.0f} s")
    return Component("warn", f"{detail}; {_told(suspended)}") if suspended else Component("ok", detail)


def _told(suspended: list[SessionRow]) -> str:
    """That nobody runs them, and why, of the newest."""
    one = suspended[0]
    return f"{len(suspended)} suspended: {one.session} of {one.user} decides nothing, it was {one.error_message}"


def _streams(house: House) -> Component:
    """What follows the tape for clients and answers."""
    ended: list[str] = []
    for name, tail in house.tails().items():
        failed: Any = tail.failed if tail is not None else "not started"
        if failed is not None:
            ended.append(f"{name}: {failed}")
    detail = f"{house.hub.clients} event streams, {house.broadcast.clients} sockets"
    return Component("failed", "; ".join(ended), house.hub.sequence) if ended else Component("ok", detail)
