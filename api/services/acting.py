"""Carrying out what a user asks of sessions: a command with its key, its answer, and the ids of new sessions."""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, NamedTuple

import msgspec
from litestar import Request

from api.access import WRITES
from api.auth.tokens import Identity
from api.auth.users import Role
from api.house import House
from api.reading.reader import Moment
from api.services.first_answers import REPEATABLE, look
from engine.research.forking import ForkWish, fork
from engine.sessions import history as histories
from engine.sessions.plan import SessionWish, hash_of, plan
from engine.sessions.source_bars import check_bars
from events.clock import Clock, iso
from events.errors import Conflict, Forbidden, InvalidInput, OperatingError, ReadModelUnavailable, Unknown
from events.facts import Command, SessionSpec, StartSession
from events.tape import Tape
from projections.duckdb.store import Snapshot
from projections.read_models.answers import Page
from projections.read_models.sessions import SessionFilter, sessions
from projections.read_models.sessions import spec as session_spec

IDEMPOTENCY_KEY = "Idempotency-Key"
KEY_MAX = 128
SHOWN_SECONDS_MAX = 1.0  # how long an answer waits for this process's read model to show it
NOTHING_DECIDED = 2**62  # a history read without its decisions
RUN = ("started", "running")  # states in which an idempotent start finds a session
RUNNING_MAX = 1_000  # sessions of one user and mode that it is looked for among

ASKED: ContextVar[str] = ContextVar("asked", default="")  # digest of the request with a key that is answered here

_KEY = re.compile(rf"[!-~]{{1,{KEY_MAX}}}\Z")


class Done(NamedTuple):
    """The answer to a command that was accepted."""

    session: str
    changed: bool
    sequence: int  # what to read from on, to find what it did
    key: str  # as the client gave it, or made
    id: str = ""  # of what it made or changed, where that is no session
    order: int = 0  # number of the order by hand that it placed
    denial: str = ""  # code, where that order was denied
    limit: float = 0.0  # that the denial met
    sessions: tuple[str, ...] = ()  # that were chosen; of a start: that it replaced
    answered: int = 0  # sequence of the answer; what others did may stand between it and `sequence`


def session_id(clock: Clock, prefix: str = "exec") -> str:
    """Such as exec_20251118_150123_xyz789."""
    stamp = iso(clock.now_ns())[:19].replace("-", "").replace(":", "").replace("T", "_")
    return f"{prefix}_{stamp}_{clock.new_id()[-6:]}"


async def act(house: House, user: str, key: str | None, make: Callable[[str], Command]) -> Done:
    """Send the command that `make` makes of its idempotency key.

    Raises:
        InvalidInput: see `check_key`; or as `Commands.send`.
        Conflict: the key was used for another request (`KEY_USED`); or as `Commands.send`.
    """
    if key is not None:
        check_key(key, IDEMPOTENCY_KEY)
    given = key or house.clock.new_id()
    # keys are each user's own: nobody is given the answer to somebody else's command
    command = make(f"key:{user}:{given}")
    if key is not None:
        command = msgspec.structs.replace(command, asked=ASKED.get())
    accepted, sequence = await house.commands.send(command)
    if (repeatable := REPEATABLE.get()) is not None:
        repeatable.sent = True
    # what follows from a command stands behind its answer in the same append: a client that asks next finds it
    last = sequence
    with contextlib.suppress(OperatingError):  # it is answered, whatever becomes of the line now
        last = max(sequence, (await house.tape.info()).last)
    with contextlib.suppress(OperatingError, ReadModelUnavailable):
        await house.runner.wait_until(last, SHOWN_SECONDS_MAX)
    fate = (accepted.order, accepted.denial, accepted.limit, accepted.sessions)
    return Done(accepted.session, accepted.changed, last, given, accepted.id, *fate, answered=sequence)


async def note_asked(request: Request[Any, Any, Any]) -> None:
    """Before a request is answered: what is asked under its idempotency key, however its JSON is written."""
    REPEATABLE.set(None)
    if IDEMPOTENCY_KEY not in request.headers:
        return
    body = await request.body()
    with contextlib.suppress(msgspec.MsgspecError, RecursionError):
        body = msgspec.json.encode(msgspec.json.decode(body), order="sorted")
    line = f"{request.method} {request.url.path}?{request.url.query}\n".encode()
    asked = hashlib.blake2b(line + body, digest_size=16).hexdigest()
    ASKED.set(asked)
    if request.method in WRITES:
        await look(request, request.headers[IDEMPOTENCY_KEY], asked, request.app.state.house.counters.keys)


async def check_command(house: House, identity: Identity, session: str, field: str = "session") -> None:
    """Whether a user may send commands to a session: any trader may, but one of a job is its user's, and admins'.

    `field` is what the request calls it.

    Raises:
        InvalidInput, Unknown: see `check_session`.
        Forbidden: it runs a job of somebody else.
    """
    try:
        await house.reader.check_session(session)
    except (InvalidInput, Unknown) as error:
        raise error.at(field) from None
    spec = (await house.reader.run(lambda snapshot: session_spec(snapshot, session), Moment())).value
    if spec.job and identity.user != spec.user and not identity.role.includes(Role.ADMIN):
        raise Forbidden(f"Session {session} runs a job of somebody else.", code="NOT_YOURS", field=field)


def key_of_part(key: str | None, part: str) -> str | None:
    """The key of one of several commands that a request sends under one key of its client's. Raises InvalidInput."""
    if key is None:
        return None
    check_key(key, IDEMPOTENCY_KEY)
    return hashlib.blake2b(f"{key}:{part}".encode(), digest_size=16).hexdigest()


def check_key(key: str, field: str) -> None:
    """Raises InvalidInput: a key has other than 1 to 128 visible ASCII characters."""
    if not _KEY.match(key):
        raise InvalidInput(f"{field} must be 1 to {KEY_MAX} visible ASCII characters.", field=field)


class Start(NamedTuple):
    """How a session is started beside what it is (C26)."""

    replaces: bool = False
    idempotent: bool = False
    body_hash: str = ""  # of what the client sent, where the wish says more than that: what was configured


async def start(house: House, wish: SessionWish, user: str, key: str | None, how: Start) -> Done:
    """Plan a session and start it. An idempotent start finds the session of the same body that runs, also where what it
    names would be refused by now.

    Raises:
        InvalidInput, Unknown, Conflict, NotAvailable: see `plan` and `act`.
        ReadModelUnavailable: it is refused, and whether it runs is not known in time.
    """
    await house.lookups.current(house.tape)
    body_hash = how.body_hash or hash_of(wish)
    try:
        library = house.lookups.library()
        spec = plan(wish, session_id(house.clock), user, library)
        await check_bars(house.tape, spec, library)
    except (InvalidInput, Unknown, Conflict):
        same = await _same(house, user, wish.mode, body_hash) if how.idempotent else None
        if same is None:
            raise
        spec = same
    return await begin(house, msgspec.structs.replace(spec, body_hash=body_hash), key, how)


async def _same(house: House, user: str, mode: str, body_hash: str) -> SessionSpec | None:
    """The user's own session of this mode and body that runs; None where there is none."""
    await house.reader.wait_until((await house.tape.info()).last)
    mine = SessionFilter(user=user, modes=(mode,), states=RUN, include_research=True, own=True)

    def work(snapshot: Snapshot) -> SessionSpec | None:
        rows = sessions(snapshot, mine, Page(limit=RUNNING_MAX)).rows
        found = [row.session for row in rows if row.body_hash == body_hash]
        return session_spec(snapshot, found[0]) if found else None

    return (await house.reader.run(work, Moment())).value


async def begin(house: House, spec: SessionSpec, key: str | None, how: Start) -> Done:
    """Start a planned session. Raises as `act`."""
    return await act(
        house,
        spec.user,
        key,
        lambda made: StartSession(
            key=made, user=spec.user, spec=spec, replaces=how.replaces, idempotent=how.idempotent
        ),
    )


async def start_fork(house: House, parent: str, wish: ForkWish, user: str, key: str | None) -> Done:
    """Run the market rows of a session again with other settings.

    Raises:
        Unknown, Conflict, InvalidInput: see `fork` and `act`.
    """
    history = await _history(house.tape, parent)
    await house.lookups.current(house.tape)
    library = house.lookups.library()
    spec = fork(history, wish, session_id(house.clock, "fork"), user, library)
    await check_bars(house.tape, spec, library, "timeframe" if wish.timeframe is not None else "")
    return await begin(house, spec, key, Start())


async def _history(tape: Tape, session: str) -> histories.History:
    """Life and commands of a session; what it decided is not needed."""
    return await histories.read(tape, session, decided_after=NOTHING_DECIDED)
