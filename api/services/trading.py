"""The control panel's trading system: one mode for all, and each user's default session of it."""

from __future__ import annotations

import asyncio
from typing import NamedTuple, cast

from api.house import House
from api.reading.reader import Moment
from api.services.acting import RUN, Done, Start, act, key_of_part, start
from api.services.default_session import default
from api.services.first_answers import refuse_repeat
from events.clock import NS_PER_SECOND
from events.errors import Conflict, InvalidInput, NotAvailable, OperatingError, ReadModelUnavailable, Unknown
from events.facts import ChooseSessions, SessionMode, StopSession
from events.facts.house import Mode, SetSystemMode
from projections.duckdb.store import Snapshot
from projections.read_models.answers import Page
from projections.read_models.sessions import SessionFilter, SessionRow, sessions
from projections.read_models.system import ModeRow, system_mode

NOT_OVER = ("started", "running", "suspended")
STOPPED_MAX = 64  # sessions that one stop stops
ENDED_SECONDS_MAX = 1.0  # how long its answer waits for them to be over


class Ended(NamedTuple):
    """What a stop came to."""

    mode: Mode
    told: list[Done]
    left: list[str]  # sessions that are not over yet


class Trading(NamedTuple):
    """The mode, and sessions that are not over and run no job, the newest first."""

    mode: ModeRow
    sessions: list[SessionRow]
    own: list[SessionRow] | None  # that a stop of the user who asks ends; None: nobody is known to ask


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
    """Start the user's default session; while one of the mode runs, that is answered. One that is suspended does not
    run: it is replaced.

    Raises:
        ReadModelUnavailable: see `_mode_now`. Else as `acting.start`.
    """
    refuse_repeat()
    mode = await _mode_now(house)
    running = SessionFilter(user=user, modes=(mode,), states=RUN, include_research=True, own=True)
    for row in await _sessions(house, running, 1):
        return mode, Done(row.session, False, house.runner.status().visible, key or house.clock.new_id())
    return mode, await _start(house, user, key, mode, Start(replaces=True, idempotent=True))


async def end(house: House, user: str, key: str | None) -> Ended:
    """Stop all of the user's sessions that are not over, whatever their mode, but those of jobs; none may run, and
    that is well. A repeat under a key is answered as the first time, whatever ended or began since.

    Raises:
        ReadModelUnavailable: see `_mode_now`.
        OutcomeUnknown, LimitReached: of one of them, see `act`; the others are told to stop all the same.
    """
    refuse_repeat()
    mode = await _mode_now(house)
    if key is None and not await _sessions(house, _stoppable(user), 1):
        return Ended(mode, [], [])  # there is nothing that the desk could choose, and no repeat to remember it for
    chosen = await act(house, user, key, lambda made: ChooseSessions(key=made, user=user, mode=mode, every=True))
    stops = [_stop(house, user, key, name) for name in chosen.sessions]
    answers = await asyncio.gather(*stops, return_exceptions=True)  # one that does not answer holds up no other
    for answer in answers:
        if isinstance(answer, BaseException):
            raise answer
    told = [answer for answer in answers if isinstance(answer, Done)]
    return Ended(cast(Mode, chosen.id), told, await _left(house, user))


async def _stop(house: House, user: str, key: str | None, name: str) -> Done:
    part = key_of_part(key, name)
    return await act(house, user, part, lambda made: StopSession(key=made, user=user, session=name))


async def _left(house: House, user: str) -> list[str]:
    """Those of the user's that are not over, once they had some time to end."""
    until_ns = house.clock.monotonic_ns() + round(ENDED_SECONDS_MAX * NS_PER_SECOND)
    while left := await _sessions(house, _stoppable(user)):
        seconds = (until_ns - house.clock.monotonic_ns()) / NS_PER_SECOND
        try:
            await house.runner.wait_until(house.runner.status().visible + 1, max(0.0, seconds))
        except (OperatingError, ReadModelUnavailable):
            break
    return [row.session for row in left]


def _stoppable(user: str | None) -> SessionFilter:
    """What a stop of the panel ends; of every user where none is named."""
    return SessionFilter(user=user, states=NOT_OVER, include_research=True, of_jobs=False)


async def again(house: House, user: str, key: str | None) -> tuple[Mode, Done]:
    """Stop the user's session of the mode where one runs, and start it anew. Raises as `acting.start`."""
    mode = await _mode_now(house)
    return mode, await _start(house, user, key, mode, Start(replaces=True))


async def _start(house: House, user: str, key: str | None, mode: Mode, how: Start) -> Done:
    """Start the default session. What refuses it is of no field: nobody asked for its symbols or strategies."""
    wish = await default(house, user, mode)
    try:
        return await start(house, wish, user, key, how)
    except (InvalidInput, Unknown, Conflict) as error:
        raise error.at(None) from None


def trading(snapshot: Snapshot, user: str | None) -> Trading:
    """The mode and what runs, of everybody and of a user."""
    page = Page(limit=STOPPED_MAX, newest_first=True)
    own = None if user is None else sessions(snapshot, _stoppable(user), page).rows
    return Trading(system_mode(snapshot), sessions(snapshot, _stoppable(None), page).rows, own)


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
