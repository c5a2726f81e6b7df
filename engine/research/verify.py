"""Verification: decide a session again from its own log and compare every row."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import msgspec

from engine.recordings.reading import RecordingReader, RowsInput, Window
from engine.sessions import history as histories
from engine.sessions.decider import Decider
from engine.sessions.endings import closes
from engine.sessions.history import History, Scheduled
from engine.sessions.outputs import Difference, Diverged, Ledger
from events import codec, subjects
from events.clock import Clock
from events.errors import Conflict
from events.facts import Place, SessionSpec, SessionVerified, StopSession
from events.tape import Tape

STEP_ROWS_MAX = 131_072

Progress = Callable[[int, int], None]  # inputs so far, inputs in all

WAY_ON = "verify it with the release that was installed when it began, or fork it to run its rows under this code"


class Verdict(msgspec.Struct, frozen=True):
    """What a verification found. `equal` is null under another code: nothing can be said then."""

    session: str
    equal: bool | None
    decision_hash: str  # of what was decided now
    held_hash: str  # what the session's end says
    inputs: int
    rows: int  # decision rows compared
    difference: Difference | None = None
    detail: str = ""


async def verify(
    tape: Tape,
    reader: RecordingReader,
    make_decider: Callable[[SessionSpec], Decider],
    session: str,
    progress: Progress = lambda done, total: None,
) -> Verdict:
    """Decide the session again and compare with its log.

    Raises:
        Unknown: no such session.
        Conflict: it has not ended yet, or keeps no decisions of its own (`NOT_VERIFIABLE`).
    """
    history = await histories.read(tape, session)
    ended = history.ended
    if ended is None:
        reason = f"it failed: {history.failed.message}" if history.failed else "it has not ended"
        raise Conflict(f"Session {session} cannot be verified: {reason}.", field="session")
    spec = history.started.spec
    if spec.grid or spec.mode == "collect":
        what = "a sweep: run one of its rows as a backtest" if spec.grid else "a collect session: it decides nothing"
        message = f"Session {session} is {what}."
        raise Conflict(message, code="NOT_VERIFIABLE", field="session")
    decider = make_decider(spec)
    if decider.code_hash != spec.code_hash:
        detail = f"other code: the session ran under {spec.code_hash}, here is {decider.code_hash}; {WAY_ON}"
        return Verdict(session, None, "", ended.decision_hash, 0, 0, detail=detail)
    if history.changes:
        went_on = history.changes[-1].code_hash
        detail = f"other code: the session went on under {went_on} after it was changed; a fork runs its rows under one"
        return Verdict(session, None, "", ended.decision_hash, 0, 0, detail=detail)
    ledger = Ledger(history.held)
    try:
        await _replay(decider, ledger, history, reader, progress)
        if difference := ledger.leftover():
            raise Diverged(difference)
    except Diverged as error:
        rows = sum(ledger.ordinals.values())
        return Verdict(
            session, False, "", ended.decision_hash, decider.inputs, rows, error.difference, str(error.difference)
        )
    made, rows = ledger.hash.hexdigest(), sum(ledger.ordinals.values())
    equal = made == ended.decision_hash and decider.inputs == ended.inputs
    detail = "" if equal else f"rows are equal, but the session's end says {ended.inputs} inputs and another hash"
    return Verdict(session, equal, made, ended.decision_hash, decider.inputs, rows, detail=detail)


async def keep(tape: Tape, clock: Clock, verdict: Verdict) -> None:
    """Append what was found to the ended session; under other code nothing was found. Raises OperatingError."""
    if verdict.equal is None:
        return
    started, _ = await histories.find(tape, verdict.session)
    fact = SessionVerified(
        session=verdict.session,
        equal=verdict.equal,
        decision_hash=verdict.decision_hash,
        rows=verdict.rows,
        detail=verdict.detail[:2_000],
    )
    subject = subjects.session_fact(verdict.session, research=started.spec.research)
    await tape.append(codec.to_append(fact, subject, f"verified:{clock.new_id()}"))


async def _replay(
    decider: Decider, ledger: Ledger, history: History, reader: RecordingReader, progress: Progress
) -> None:
    ended, spec = history.ended, history.started.spec
    assert ended is not None, "checked before"
    stop: StopSession | None = None
    scheduled = list(history.scheduled)
    async for item in window_of(history, reader):
        at = 0
        while at < len(item.rows):
            scheduled, stop = _carry_out(decider, ledger, scheduled)
            if stop is not None or decider.inputs >= ended.inputs:
                break
            size = min(len(item.rows) - at, STEP_ROWS_MAX)
            until = scheduled[0].effective_input if scheduled else ended.inputs
            size = min(size, decider.rows_until(item.rows[at : at + size], until, item.kind))
            ledger.take(decider.rows(item.rows[at : at + size], item.kind))
            at += size
            progress(decider.inputs, ended.inputs)
        if stop is not None or decider.inputs >= ended.inputs:
            break
    if stop is None:
        _, stop = _carry_out(decider, ledger, scheduled)
    ledger.take(decider.close(closes(stop, spec)))


def _carry_out(
    decider: Decider, ledger: Ledger, scheduled: list[Scheduled]
) -> tuple[list[Scheduled], StopSession | None]:
    while scheduled and scheduled[0].effective_input <= decider.inputs:
        command = scheduled.pop(0).command
        if isinstance(command, StopSession):
            return scheduled, command
        ledger.take(decider.carry_out(command))
    return scheduled, None


def window_of(history: History, reader: RecordingReader) -> AsyncIterator[RowsInput]:
    """The rows that a session read, or would have read."""
    spec = history.started.spec
    if spec.input.first is not None and spec.input.last is not None:
        return reader.read(Window(spec.input.source, spec.input.first, spec.input.last))
    last = history.ended.place if history.ended else Place()
    return reader.read(Window(spec.input.source, Place(history.started.after + 1, 0), last))
