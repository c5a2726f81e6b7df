"""The runner: one session from its newest good snapshot to its end. Recovery is the only way to start.

Order of everything a step does: rows are read, the loop decides, the ledger compares with what the tape holds, what
is new is appended under the session's fence. A command's answer is confirmed before any output of a later row.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

import numpy as np
import structlog

from engine.claims import finished
from engine.recordings.reading import RowsInput, Window
from engine.sessions import history as histories
from engine.sessions import snapshots
from engine.sessions.broken import RunBroke
from engine.sessions.command_book import CommandBook
from engine.sessions.cutting import careful, cut, last_input, read_with
from engine.sessions.decider import Decider
from engine.sessions.endings import closes, failed, reason_of
from engine.sessions.fates import told
from engine.sessions.history import Told
from engine.sessions.inputs import CommandInput, Inputs, RecordingInputs, TailInputs
from engine.sessions.life import Session
from engine.sessions.order_times import OrderTimes
from engine.sessions.outputs import Diverged, Ledger, Produced
from engine.sessions.pace import Pace, event_times
from engine.sessions.progress import ProgressTimes
from engine.sessions.snapshot_times import SnapshotTimes
from engine.sessions.surroundings import RunnerSettings, Surroundings
from engine.sessions.watched import decide
from events import codec, subjects
from events.decisions import Decision
from events.errors import Bug, FenceLost, OperatingError, TapedeckError
from events.facts import Fact, Place, SessionEnded, SessionProgressed, SessionSuspended
from events.families import SessionFamily
from events.writer import FencedWriter

__all__ = ["Runner", "RunnerSettings", "Surroundings"]

log = structlog.get_logger(__name__)

THREAD_ROWS_MIN = 4_096  # a longer stretch is decided in a thread, so that the process stays awake
STEP_ROWS_MAX = 131_072  # of one step, so that commands and snapshots come in time


class Runner:
    """Runs one claimed session to its end, or until its fence is lost."""

    def __init__(self, around: Surroundings, session: Session, claim: int) -> None:
        self._around = around
        self._session = session
        self.spec = session.spec
        self._decider: Decider
        family = SessionFamily(self.spec.session, research=self.spec.research)
        self._order_times = OrderTimes(around.order_times, around.clock)
        confirmed = self._order_times.confirmed
        self._writer = FencedWriter(around.tape, family, claim, clock=around.clock, confirmed=confirmed)
        self._pace = Pace(around.clock, self.spec.input.acceleration)
        self._place = Place()
        self._commands = CommandBook(self.spec.session, around.settings.keys_max)
        self._inputs: Inputs | None = None
        self._told = Told(0, 0)
        self._recovered = False
        self._settled = False  # all inputs so far are decided, and all that was decided is put
        self._snapshot_times = SnapshotTimes(around.settings, around.clock)
        self._progress = ProgressTimes(around.clock, around.settings.progress_seconds)

    async def run(self) -> None:
        """Recover, then read to the end.

        Raises:
            OperatingError: the tape does not answer; the session may be claimed again.
            RunBroke: an error that nobody named; so it may, and fails when that happens twice.
        """
        with structlog.contextvars.bound_contextvars(session=self.spec.session, epoch=self._session.epoch):
            try:
                if await self._recover():
                    await self._read()
            except FenceLost as error:
                log.warning("runner_is_stale", error=str(error))
            except (Diverged, Bug) as error:
                await self._fail(error)
            except OperatingError:
                raise
            except TapedeckError as error:
                await self._fail(error)
            except asyncio.CancelledError:
                await self._leave()
                raise
            except Exception as error:
                raise RunBroke(self._inputs_read(), error) from error
            finally:
                await self._close()

    @property
    def _behind(self) -> bool:
        """Whether something of an earlier run has still to be decided or carried out again."""
        return bool(self._ledger.pending) or self._commands.behind

    @property
    def _read_before(self) -> int:
        """How many inputs an earlier run had read for all that is known."""
        return max(self._ledger.until, self._commands.next_input or 0, self._told.inputs)

    def _inputs_read(self) -> int:
        return self._decider.inputs if self._recovered else 0

    # --- recovery -------------------------------------------------------------------------------------------------

    async def _recover(self) -> bool:
        """Stand where the session stood; False where other code was found and the session is suspended."""
        around, spec = self._around, self.spec
        self._decider = await asyncio.to_thread(around.make_decider, spec)  # it may compile a user's kernel
        if self._decider.code_hash != self._session.code_hash:
            fact = SessionSuspended(
                session=spec.session, code_hash=self._session.code_hash, found_hash=self._decider.code_hash
            )
            await self._append(fact, f"{spec.session}:suspended:{self._session.epoch}")
            await self._writer.flush()
            log.warning("session_suspended", code_hash=fact.code_hash, found_hash=fact.found_hash)
            return False
        info = await around.tape.info()
        code_hash = self._decider.code_hash
        snapshot = await snapshots.to_go_on_from(around.blobs, spec, info, code_hash)
        written = snapshot.written if snapshot else 0
        history = await histories.read(around.tape, spec.session, decided_after=written)
        self._ledger = Ledger(history.held, snapshot.hash_state if snapshot else None)
        if snapshot is not None:
            self._decider.restore(snapshot.records, any_code=True)
            self._place = snapshot.place
            self._commands.restore(snapshot.answered, snapshot.keys)
            self._pace.last = snapshot.paced
        self._told = history.told or Told(0, 0)
        self._commands.recall(history, fresh=snapshot is None)
        self._epoch = info.epoch
        other_code = snapshot is not None and snapshot.code_hash != code_hash
        self._snapshot_times.begin(self._decider.inputs, due_at_once=other_code)
        self._recovered = True
        log.info(
            "session_recovered",
            inputs=self._decider.inputs,
            pending=self._ledger.pending,
            snapshot=snapshot is not None,
        )
        return True

    # --- reading --------------------------------------------------------------------------------------------------

    async def _read(self) -> None:
        self._inputs = self._open()
        async for item in self._inputs.read():
            self._settled = False
            if isinstance(item, RowsInput):
                await self._rows(item)
            else:
                await self._command(item)
            if self._commands.stop is not None:
                break
            self._settled = True
        self._settled = False
        if self._commands.stop is None:
            await self._carry_out_again(None)
            await self._meet_deferred()
        await self._end()

    def _open(self) -> Inputs:
        tape, spec = self._around.tape, self.spec
        behind = max(self._commands.answered, self._session.after)
        if spec.input.recording is None:
            after = max(self._place, Place(self._session.after, 1 << 40))
            return TailInputs(
                tape, spec.input.source, spec.session, after, max(self._commands.answered, self._session.after)
            )
        assert spec.input.first is not None, "a recording has a window"
        assert spec.input.last is not None, "a recording has a window"
        window = Window(spec.input.source, spec.input.first, spec.input.last, self._place)
        return RecordingInputs(tape, self._around.reader, window, spec.session, behind)

    async def _rows(self, item: RowsInput) -> None:
        at, total = 0, len(item.rows)
        times = None if self._pace.free else event_times(item.rows)
        while at < total and self._commands.stop is None:
            due = self._due(item, at, times)
            if due == 0 and times is not None:
                self._settled = True
                await self._pace.wait(int(times[at]))
                self._settled = False
            else:
                size, again = min(due, STEP_ROWS_MAX), self._decider.inputs < self._read_before
                await self._stretch(item, at, at + size)
                at += size
                if times is not None and (not again or self._decider.inputs <= self._told.inputs):
                    self._pace.gave(int(times[at - 1]), self._told.at_ns if again else None)
            await self._meet_commands()

    def _due(self, item: RowsInput, at: int, times: np.ndarray | None) -> int:
        """How many of the rows from `at` on to read now: at the session's pace, but those read before at once."""
        rest = item.rows[at:]
        if times is None:
            return len(rest)
        inputs, told, before = self._decider.inputs, self._told.inputs, self._read_before
        if self._behind or inputs < before:
            return max(1, self._decider.rows_until(rest, told if inputs < told else before, item.kind))
        return self._pace.due(times[at:])

    async def _meet_commands(self) -> None:
        await self._meet_deferred()
        if isinstance(self._inputs, RecordingInputs):
            for command in self._inputs.commands():
                await self._command(command)

    async def _stretch(self, item: RowsInput, at: int, end: int) -> None:
        """Rows `at` to `end` of an input, cut where a command of an earlier run acted."""
        while at < end:
            await self._carry_out_again(self._decider.inputs)
            if self._commands.stop is not None:
                return
            size = end - at
            if (next_input := self._commands.next_input) is not None:
                size = self._decider.rows_until(item.rows[at:end], next_input, item.kind)
            size = careful(item, at, at + size, self._decider, self._session.overruns)
            await self._step(item, at, at + size)
            at += size

    async def _step(self, item: RowsInput, at: int, end: int) -> None:
        rows, before = item.rows[at:end], self._decider.decided
        if len(rows) >= THREAD_ROWS_MIN:
            produced = await asyncio.to_thread(self._decide, item, at, end)
        else:
            produced = self._decide(item, at, end)
        begun = self._place
        read = self._decider.consumed if self._decider.failed else end - at
        if read:
            self._place = item.place(at + read - 1)
        with self._order_times.of(item.appended_ns):
            await self._offer(
                produced, lambda inputs: read_with(self._decider, item, (at, end), inputs - before) or begun
            )
        if self._decider.failed:
            raise self._decider.failure(item.place(min(at + read, end - 1)))
        await self._tell()
        await self._maybe_snapshot()

    def _decide(self, item: RowsInput, at: int, end: int) -> Produced:
        return decide(self._around.watchdog, self._session, self._decider, item, (at, end))

    async def _tell(self) -> None:
        """How far it has read, now and then; not while an earlier run is caught up with."""
        inputs = self._decider.inputs
        if not self._behind and self._progress.due(inputs):
            name, epoch = self.spec.session, self._session.epoch
            fact = SessionProgressed(session=name, epoch=epoch, inputs=inputs, place=self._place)
            await self._append(fact, f"{name}:progress:{epoch}:{inputs}")

    async def _offer_checked(self, produced: Produced) -> None:
        """Hand over what was decided between rows; rows that waited may have made a kernel fail."""
        await self._offer(produced)
        if self._decider.failed:
            raise self._decider.failure(self._place)

    async def _offer(self, produced: Produced, place_of: Callable[[int], Place] | None = None) -> None:
        """Hand over what was decided: one message, or several cut between rows where it is long."""
        spec, epoch = self.spec, self._session.epoch
        try:
            sections = self._ledger.take(produced)
        except Diverged as error:
            if place_of is not None and error.input is not None:
                error.place = place_of(error.input + 1)
            raise
        parts = cut(sections)
        for number, part in enumerate(parts):
            cause, inputs = self._place, self._decider.inputs
            if place_of is not None and number < len(parts) - 1:
                inputs = last_input(part) + 1
                cause = place_of(inputs)
            decision = Decision(spec.session, part, cause, inputs, epoch, spec.research)
            await self._writer.put(self._order_times.put(decision))

    # --- commands -------------------------------------------------------------------------------------------------

    async def _command(self, item: CommandInput) -> None:
        await self._carry_out_again(self._decider.inputs)  # what an earlier run answered acts at its place
        if self._commands.was_answered(item) or self._commands.stop is not None:
            return
        if self._behind:
            self._commands.defer(item)  # what an earlier run decided without it comes first
        else:
            await self._carry_out(item)

    async def _carry_out_again(self, inputs: int | None) -> None:
        while self._commands.stop is None and (command := self._commands.take_again(inputs)) is not None:
            if self._commands.stop is None:
                await self._offer_checked(self._decider.carry_out(command))

    async def _meet_deferred(self) -> None:
        await self._carry_out_again(self._decider.inputs)
        while self._commands.stop is None and not self._behind and (item := self._commands.take_deferred()):
            await self._carry_out(item)

    async def _carry_out(self, item: CommandInput) -> None:
        refusal, inputs = self._decider.refusal(item.command), self._decider.inputs
        answer, acts = self._commands.answer(item, refusal, inputs)
        produced: Produced = {}
        if acts:  # the answer says what becomes of an order, and stands before what is decided
            produced = self._decider.carry_out(item.command)
            answer = told(answer, self._decider.fate)
        await self._append(answer, f"answer:{item.sequence}")
        self._commands.note(item, answer, acts=acts)
        if acts and self._commands.stop is None:
            await self._offer_checked(produced)

    # --- the end --------------------------------------------------------------------------------------------------

    async def _end(self) -> None:
        stop, spec = self._commands.stop, self.spec
        await self._offer_checked(self._decider.close(closes(stop, spec)))
        if difference := self._ledger.leftover():
            raise Diverged(difference)
        fact = SessionEnded(
            session=spec.session,
            reason=reason_of(stop),
            inputs=self._decider.inputs,
            place=self._place,
            decision_hash=self._ledger.hash.hexdigest(),
            counts=self._ledger.hash.counts(),
            equity=self._decider.equity,
            ended_ns=self._around.clock.now_ns(),
        )
        await self._append(fact, f"{spec.session}:ended")
        await self._writer.flush()
        await snapshots.forget(self._around.blobs, spec.session)
        log.info("session_ended", reason=fact.reason, inputs=fact.inputs, hash=fact.decision_hash[:16], **fact.counts)

    async def _fail(self, error: TapedeckError) -> None:
        log.error("session_failed", code=error.code, error=str(error))
        fact = failed(self.spec, error, self._place, self._around.clock.now_ns())
        if self._writer.failed is not None:  # it stopped over this very error: nothing of it is in flight
            family = SessionFamily(self.spec.session, research=self.spec.research)
            self._writer = FencedWriter(self._around.tape, family, self._writer.expected, clock=self._around.clock)
        try:
            await self._append(fact, f"{self.spec.session}:failed")
            await self._writer.flush()
        except FenceLost as lost:
            log.warning("runner_is_stale", error=str(lost))

    async def _append(self, fact: Fact, message_id: str) -> None:
        """Put a fact of the session behind everything decided so far; the writer confirms in order."""
        spec = self.spec
        subject = subjects.session_fact(spec.session, research=spec.research)
        await self._writer.put(codec.to_append(fact, subject, message_id))

    async def _close(self) -> None:
        if self._inputs is not None:
            await self._inputs.close()
        await self._writer.close()

    # --- snapshots ------------------------------------------------------------------------------------------------

    async def _maybe_snapshot(self) -> None:
        due = self._snapshot_times.due(self._decider.inputs, self._writer.messages)
        if due and not self._behind:
            await self.snapshot()

    async def _leave(self) -> None:
        """A last snapshot: whoever goes on has nothing to decide again, which other code might do differently."""
        seconds = self._around.settings.leave_seconds_max
        if seconds and self._settled and not self._behind:
            await finished(self._save_within(seconds))

    async def _save_within(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError, OperatingError):
            async with asyncio.timeout(seconds):
                await self.snapshot()

    async def snapshot(self) -> str:
        """Write a snapshot once everything decided so far is confirmed; returns its name."""
        written = await self._writer.flush()
        snapshot = snapshots.Snapshot(
            session=self.spec.session,
            tape_epoch=self._epoch,
            code_hash=self._decider.code_hash,
            place=self._place,
            inputs=self._decider.inputs,
            records=self._decider.snapshot(),
            hash_state=self._ledger.hash.state(),
            answered=self._commands.answered,
            keys=self._commands.known,
            paced=self._pace.last,
            written=written,
        )
        name = await snapshots.save(self._around.blobs, snapshot)
        self._snapshot_times.taken(self._decider.inputs, self._writer.messages)
        return name
