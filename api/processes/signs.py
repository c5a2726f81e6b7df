"""Signs of life of the processes of a house: one key each, written at an interval, which ends by itself."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial

import msgspec
import structlog

from api.lasting import lasting
from events.clock import Clock
from events.durations import Timing
from events.errors import OperatingError
from events.tape import Keys

log = structlog.get_logger(__name__)

SIGN_SECONDS = 2.0
ROOT = "process"
PROCESSES_MAX = 256  # shown
DETAIL_MAX = 200


class State(msgspec.Struct, frozen=True, kw_only=True):
    """How a process is."""

    status: str = "ok"  # or behind, failed, down
    detail: str = ""
    sequence: int | None = None  # how far it has come
    lag: int | None = None  # messages behind the end
    timings: tuple[Timing, ...] = ()  # how long things took since its start


class Sign(msgspec.Struct, frozen=True, kw_only=True):
    """What a process says of itself."""

    name: str  # of its house's own: worker-0
    role: str
    host: str
    pid: int
    started_ns: int
    state: State = State()


# words of a projection's runner in those of health
STATES = {"ready": "ok", "catching_up": "behind", "halted": "failed", "stopped": "down"}

Ask = Callable[[], Awaitable[State]]


async def well() -> State:
    """The state of a process that has no more to say than that it runs."""
    return State()


def told_left_out(rows: int) -> str:
    """What is said of rows that the market store cannot hold; nothing where there are none."""
    return f"{rows} rows with an event time not within 1970 to 2261 left out" if rows else ""


def host_name() -> str:
    """This machine's name, as it may stand in a key or a subject."""
    short = socket.gethostname().split(".")[0]
    return "".join(letter if letter.isalnum() else "-" for letter in short)[:48] or "host"


@asynccontextmanager
async def shown(keys: Keys, clock: Clock, role: str, name: str, ask: Ask = well) -> AsyncIterator[None]:
    """Show a sign of life while the body runs."""
    sign = Sign(
        name=name or f"{role}-{os.getpid()}", role=role, host=host_name(), pid=os.getpid(), started_ns=clock.now_ns()
    )
    key = f"{ROOT}.{sign.host}.{sign.name}"
    task = asyncio.create_task(lasting(f"sign of life of {sign.name}", partial(_show, keys, clock, key, sign, ask)))
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        with suppress(OperatingError):
            await keys.delete(key)


async def _show(keys: Keys, clock: Clock, key: str, sign: Sign, ask: Ask) -> None:
    while True:
        try:
            await keys.put(key, msgspec.json.encode(msgspec.structs.replace(sign, state=await _asked(sign, ask))))
        except OperatingError as error:
            log.warning("sign_of_life_failed", process=sign.name, error=str(error))
        await clock.sleep(SIGN_SECONDS)


async def _asked(sign: Sign, ask: Ask) -> State:
    """How the process is; one that cannot say it is not well, and lives. Raises OperatingError."""
    try:
        return await ask()
    except OperatingError:
        raise
    except Exception as error:
        log.exception("state_not_known", process=sign.name)
        return State(status="failed", detail=f"{type(error).__name__}: {error}"[:DETAIL_MAX])


async def all_signs(keys: Keys) -> list[Sign]:
    """Signs of every process that lives, by host and name. Raises TapeUnavailable."""
    found = []
    for key in (await keys.names(ROOT))[:PROCESSES_MAX]:
        value = await keys.get(key)
        if value is not None:
            found.append(msgspec.json.decode(value[0], type=Sign))
    return found
