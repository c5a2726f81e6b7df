"""The host: one engine or worker process. It folds the desk, answers what the desk answers, claims sessions of its
modes and runs them; claims of engines that no longer show signs of life pass to it with the next epoch.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine

import msgspec
import structlog

from engine.claims import Claims, SignOfLife
from engine.memory import Fold, Memory, code_of
from engine.sessions.broken import BrokenRuns
from engine.sessions.desk import Desk, DeskLimits, DeskState, Outcome
from engine.sessions.life import OVER, Session, SessionState
from engine.sessions.unrun_end import end_of
from engine.taking_part import Part, TakingPart
from events import codec, subjects
from events.clock import Clock
from events.errors import Bug, FenceLost
from events.facts import (
    Command,
    Fact,
    SessionClaimed,
    SessionFailed,
    SessionSpec,
    SessionStarted,
    StepOverran,
    StopSession,
)
from events.tape import Append, Blobs, Keys, Message, Tape

log = structlog.get_logger(__name__)

# commands to the desk and to sessions: those to other aggregates are answered elsewhere
COMMANDS = (subjects.DESK_COMMANDS, subjects.SESSION_COMMANDS)
FOLDED = (*COMMANDS, subjects.DESK, "tape.session.*.fact", "tape.research.*.fact")
FOLDING = ("engine.answers", "engine.sessions.desk", "engine.sessions.life")  # what makes the fold, with this file


class HostSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Named limits of a host."""

    modes: tuple[str, ...] = ("paper", "live", "collect")
    concurrent_max: int = 16  # sessions this process runs at once
    sessions_max: int = 64  # running at once, in all processes
    alive_seconds: float = 2.0  # how often it shows a sign of life
    look_seconds: float = 1.0  # how often it looks for free claims
    rest_seconds: float = 2.0  # before it tries a session again whose run broke off


Run = Callable[[Session, int], Coroutine[None, None, None]]  # (session, sequence of the claim) -> runs it to its end
Admits = Callable[[SessionSpec], bool]  # whether this process may run a session


def no_jobs(spec: SessionSpec) -> bool:
    """Sessions of jobs are run where their job runs: not by a process that runs none."""
    return not spec.job


class Host:
    """Runs sessions of its modes until `close`."""

    def __init__(self, tape: Tape, keys: Keys, clock: Clock, engine: str, run: Run, settings: HostSettings) -> None:
        self._tape = tape
        self._keys = keys
        self._clock = clock
        self._engine = engine
        self._run = run
        self._settings = settings
        self.admits: Admits = no_jobs  # another where jobs are done in the same process
        self.desk = Desk(DeskLimits(sessions_max=settings.sessions_max))
        self._noted = 0  # sequence of what was appended here last, which the desk knew before it was folded
        self._claims = Claims(clock, self._over, settings.rest_seconds)
        self._sign = SignOfLife(keys, clock, f"engine.{engine}", self._now, settings.alive_seconds)
        part = Part(engine, FOLDED, self._fold, self._act, settings.look_seconds)
        self._part = TakingPart(tape, clock, part, self._claims.changed)
        self._broken = BrokenRuns()

    @property
    def folded(self) -> int:
        """Sequence of the last message folded."""
        return self._part.folded

    @property
    def sessions(self) -> int:
        """How many this process runs now."""
        return len(self._claims)

    async def start(self, blobs: Blobs | None = None) -> None:
        """Fold the tape so far, from what `blobs` remember of it on, then take part."""
        await self._sign.show()
        memory = Memory(self._tape, blobs, self._kept()) if blobs is not None else None
        await self._part.start(self._sign.run(), memory=memory)

    async def close(self) -> None:
        """Let go: sessions go on elsewhere, or here at the next start."""
        await self._part.close(self._claims.tasks())
        await self._sign.end()

    async def ended(self) -> None:
        """Wait until a part of the host fails; raises what failed."""
        await self._part.ended()

    # --- folding --------------------------------------------------------------------------------------------------

    def _kept(self) -> Fold:
        def restore(state: bytes) -> None:
            self.desk.restore(msgspec.json.decode(state, type=DeskState))

        def state() -> bytes:
            return msgspec.json.encode(self.desk.known())

        return Fold("desk", code_of(__name__, *FOLDING), state, restore, lambda: self._noted)

    def _fold(self, message: Message) -> None:
        body = codec.decode(message.body, message.sequence)
        if isinstance(body, Command):
            self.desk.note_command(body, message.sequence)
        elif isinstance(body, Fact):
            self.desk.note_fact(body, message.sequence)
        if message.subject == subjects.DESK:
            self.desk.last_answer = message.sequence

    # --- taking part ----------------------------------------------------------------------------------------------

    async def _act(self) -> None:
        await self._answer()
        await self._claim()

    async def _answer(self) -> None:
        while due := self.desk.due():  # looked up anew: a start makes the commands behind it another's
            sequence, command = due[0]
            outcome = self.desk.decide(command, sequence)
            try:
                if outcome.unrun is not None:
                    if not await self._append_release(outcome, outcome.unrun, command, sequence):
                        return  # its newest fact is not folded yet
                    continue
                await self._append_outcome(outcome, sequence)
            except FenceLost:
                self._part.changed.set()
                return  # another engine answered something: fold that first

    async def _append_outcome(self, outcome: Outcome, sequence: int) -> None:
        answer = codec.to_append(
            outcome.answer,
            subjects.DESK,
            f"answer:{sequence}",
            expected=self.desk.last_answer,
            fence=subjects.DESK,
        )
        started = self._started(outcome, sequence)
        appends = [answer, *self._consequences(outcome, started)]
        last = (await self._tape.append_atomic(appends))[0]
        self.desk.last_answer = last
        self.desk.note_fact(outcome.answer, last)
        self._noted = last + len(appends) - 1
        if started is not None:
            self.desk.note_fact(started, self._noted)
        log.info("command_answered", sequence=sequence, answer=type(outcome.answer).__name__, at=last)

    async def _append_release(self, outcome: Outcome, session: Session, command: Command, sequence: int) -> bool:
        """Answer for a session that nobody runs, on its own subject; False where it is another's by now."""
        name, found = session.spec.session, outcome.release
        facts: list[tuple[Fact, str]] = [(outcome.answer, f"answer:{sequence}")]
        if found is not None and found.changed is not None:
            facts.append((found.changed, f"{name}:code:{sequence}"))
        if found is not None and found.ends:
            assert isinstance(command, StopSession), "nothing else ends a session"
            facts.append((await end_of(self._tape, self._clock, session, command), f"{name}:ended"))
        last = await self._append_fenced(session, *facts)
        if last is not None:
            self._noted = last
            self.desk.note_fact(outcome.answer, last)
            log.info("command_answered", sequence=sequence, answer=type(outcome.answer).__name__, at=last)
        return last is not None

    def _started(self, outcome: Outcome, sequence: int) -> SessionStarted | None:
        if outcome.started is None:
            return None
        return msgspec.structs.replace(outcome.started, after=sequence, started_ns=self._clock.now_ns())

    def _consequences(self, outcome: Outcome, started: SessionStarted | None) -> list[Append]:
        appends = [
            codec.to_append(stop, subjects.session_commands(stop.session), f"command:{stop.key}")
            for stop in outcome.stops
        ]
        if (verified := outcome.verified) is not None:
            research = self.desk.ended[verified.session].research
            subject = subjects.session_fact(verified.session, research=research)
            appends.append(codec.to_append(verified, subject, f"verified:{outcome.answer.cause}"))
        if started is not None:
            spec = started.spec
            subject = subjects.session_fact(spec.session, research=spec.research)
            appends.append(codec.to_append(started, subject, f"{spec.session}:started"))
        return appends

    async def _claim(self) -> None:
        for name in list(self.desk.running):
            session = self.desk.sessions.get(name)  # None: its end was folded while another was claimed
            if session is not None and session.spec.mode in self._settings.modes and await self._is_free(session):
                reason = self._broken.reason(name)
                await (self._take(session) if reason is None else self._give_up(session, reason))

    async def _is_free(self, session: Session) -> bool:
        name = session.spec.session
        if name in self._claims or len(self._claims) >= self._settings.concurrent_max or not self.admits(session.spec):
            return False
        if session.state in OVER or session.state is SessionState.SUSPENDED or self._claims.resting(name):
            return False
        if session.engine in ("", self._engine):  # nobody's yet, or no longer
            return True
        return await self._keys.get(f"engine.{session.engine}") is None

    async def _take(self, session: Session) -> None:
        spec = session.spec
        if (step := session.poison) is not None:
            await self._append_fenced(session, (self._poisoned(step), f"{spec.session}:failed"))
            return
        claim = SessionClaimed(session=spec.session, engine=self._engine, epoch=session.epoch + 1)
        sequence = await self._append_fenced(session, (claim, f"{spec.session}:claim:{claim.epoch}"))
        if sequence is None:
            return
        session = msgspec.structs.replace(
            session, engine=self._engine, epoch=claim.epoch, state=SessionState.RUNNING, last=sequence
        )
        self._claims.begin(spec.session, self._run(session, sequence))
        log.info("session_claimed", session=spec.session, engine=self._engine, epoch=claim.epoch, sequence=sequence)

    async def _give_up(self, session: Session, reason: str) -> None:
        name = session.spec.session
        fact = SessionFailed(
            session=name, code=Bug.code, message=reason[:2_000], at=session.place, ended_ns=self._clock.now_ns()
        )
        if await self._append_fenced(session, (fact, f"{name}:failed")) is not None:
            self._broken.forget(name)
            log.error("session_failed", session=name, code=fact.code, error=reason)

    async def _append_fenced(self, session: Session, *facts: tuple[Fact, str]) -> int | None:
        """Append facts, with their message ids, of a session that nobody runs: the sequence of the last of them.

        None where another wrote to it that is not folded yet.
        """
        spec = session.spec
        root = subjects.session_fence(spec.session, research=spec.research)
        subject = subjects.session_fact(spec.session, research=spec.research)
        last = await self._tape.last(root)
        if not await self._knows(session, subject):
            return None  # its newest fact may be its end: fold that first
        appends = [codec.to_append(fact, subject, message_id) for fact, message_id in facts]
        appends[0] = msgspec.structs.replace(appends[0], expected=last.sequence if last else 0, fence=root)
        try:
            return (await self._tape.append_atomic(appends))[-1]
        except FenceLost:
            return None  # another engine was faster, or its old one still writes

    async def _knows(self, session: Session, subject: str) -> bool:
        """Whether `session` is all that the tape says of its life; asked behind the place that fences the claim."""
        newest = await self._tape.last(subject)
        folded = max(self.folded, session.last)
        return self.desk.sessions.get(session.spec.session) is session and (newest is None or newest.sequence <= folded)

    def _poisoned(self, step: StepOverran) -> SessionFailed:
        log.error("session_failed", session=step.session, code="POISON", first_input=step.first_input)
        return SessionFailed(
            session=step.session,
            code="POISON",
            message=f"Twice a step did not end within {step.seconds:g} s at row {step.at.sequence}.{step.at.index}, "
            f"input {step.first_input}, and ended its process: a kernel does not return from this row.",
            at=step.at,
            ended_ns=self._clock.now_ns(),
        )

    def _over(self, name: str, error: BaseException | None) -> bool:
        self._broken.note(name, error)
        return name in self.desk.running  # it broke off, or its last fact is not folded yet

    async def _now(self) -> bytes:
        return str(self._clock.now_ns()).encode()
