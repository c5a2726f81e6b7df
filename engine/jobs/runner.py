"""The job runner of one worker process: it folds the queue, claims what its machine has room for, and does it.

Claims are fenced over the facts of all jobs: whoever claims has seen the whole queue, so two workers of one machine
never fill the same room twice. Jobs of workers that no longer show signs of life pass on with the next epoch.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Mapping

import msgspec
import structlog

from engine.claims import Claims, SignOfLife
from engine.jobs.kind import Kind
from engine.jobs.life import OVER, Job, JobState
from engine.jobs.queue import Queue, QueueState, Room, fits, need
from engine.jobs.steps import Steps
from engine.jobs.work import Tools, Work
from engine.memory import Fold, Memory, code_of
from engine.taking_part import Part, TakingPart
from events import codec, subjects
from events.clock import NS_PER_SECOND
from events.durations import JOB_SECONDS, Durations
from events.errors import FenceLost, OperatingError, TapedeckError
from events.facts import Fact, SessionSpec
from events.facts.jobs import JobClaimed
from events.tape import Keys, Message

log = structlog.get_logger(__name__)

FOLDED = (subjects.JOB_FACTS, subjects.DESK, "tape.research.*.fact")
FOLDING = ("engine.jobs.life", "engine.jobs.queue", "engine.jobs.sessions")  # what makes the fold, with this file


class JobSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Named limits of a job runner, and the room of its machine."""

    worker: str  # name of this process
    machine: str
    room: Room
    concurrent_max: int = 16  # jobs this process does at once
    overtakes_max: int = 20  # younger jobs that may pass one which does not fit
    claims_max: int = 10  # how often a job is taken up before it is given up
    progress_seconds: float = 1.0  # between two tellings of a job's progress
    alive_seconds: float = 2.0  # how often it shows a sign of life
    look_seconds: float = 1.0  # how often it looks for jobs of workers that are gone
    rest_seconds: float = 2.0  # before it tries a job again whose work broke off
    doublings_max: int = 4  # of the rest, each time that it breaks off again


class Known(msgspec.Struct, frozen=True):
    """All that a job runner folded."""

    queue: QueueState
    sessions: tuple[SessionSpec, ...]


class JobRunner:
    """Does jobs until `close`. `describe` is what its sign of life says of the machine."""

    def __init__(
        self,
        tools: Tools,
        kinds: Mapping[str, Kind],
        keys: Keys,
        settings: JobSettings,
        describe: Callable[[], Awaitable[bytes]] | None = None,
    ) -> None:
        self._tools = tools
        self._tape, self._clock = tools.around.tape, tools.around.clock
        self._kinds = kinds
        self._keys = keys
        self._settings = settings
        self.queue = Queue()
        self._claims = Claims(
            self._clock, lambda name, error: name in self.queue.open, settings.rest_seconds, settings.doublings_max
        )
        self._broke_off: dict[str, str] = {}  # of open jobs: what their work here broke off for last
        self._endless: set[str] = set()  # open jobs whose end the tape does not take: our bug, not to be begun again
        self._sign = SignOfLife(
            keys, self._clock, sign_key(settings.worker), describe or _nothing, settings.alive_seconds
        )
        self.waits = Durations("tapedeck_job_wait_seconds", JOB_SECONDS)
        self.runs = Durations("tapedeck_job_run_seconds", JOB_SECONDS)
        self._asked_to_stop: set[str] = set()  # sessions of jobs that are over
        part = Part(settings.worker, FOLDED, self._fold, self._act, settings.look_seconds)
        self._part = TakingPart(self._tape, self._clock, part, self._claims.changed)

    async def start(self, *beside: Coroutine[None, None, None]) -> None:
        """Fold the tape so far, then take part; what ends `beside` ends it."""
        await self._sign.show()
        memory = Memory(self._tape, self._tools.around.blobs, self._kept())
        await self._part.start(self._sign.run(), *beside, memory=memory)

    async def close(self) -> None:
        """Let go: jobs go on elsewhere, or here at the next start."""
        await self._part.close(self._claims.tasks())
        await self._sign.end()

    async def ended(self) -> None:
        """Wait until a part fails; raises what failed."""
        await self._part.ended()

    @property
    def jobs(self) -> int:
        """How many this process does now."""
        return len(self._claims)

    def admits(self, spec: SessionSpec) -> bool:
        """Whether this process may run a session: one of a job where the job is done, or when the job is over."""
        return not spec.job or spec.job in self._claims or self.queue.state(spec.job) in OVER

    # --- folding --------------------------------------------------------------------------------------------------

    def _kept(self) -> Fold:
        def state() -> bytes:
            return msgspec.json.encode(Known(self.queue.known(), self._tools.sessions.known()))

        def restore(state: bytes) -> None:
            known = msgspec.json.decode(state, type=Known)
            self.queue.restore(known.queue)
            self._tools.sessions.restore(known.sessions)

        return Fold("jobs", code_of(__name__, *FOLDING), state, restore, lambda: self.queue.last)

    def _fold(self, message: Message) -> None:
        body = codec.decode(message.body, message.sequence)
        if isinstance(body, Fact):
            job = self.queue.note(body, message.sequence)
            if job is None:
                self._tools.sessions.note(body)
            elif job.state in OVER:
                self._over(job)

    def _over(self, job: Job) -> None:
        self._broke_off.pop(job.id, None)
        self._endless.discard(job.id)
        if job.state is JobState.STOPPED:
            self._claims.cancel(job.id)

    # --- taking part ----------------------------------------------------------------------------------------------

    async def _act(self) -> None:
        await self._stop_sessions()
        await self._claim()

    async def _stop_sessions(self) -> None:
        """Sessions of jobs that are over have nobody who waits for them."""
        sessions = self._tools.sessions
        for name, spec in list(sessions.running.items()):
            over = self.queue.state(spec.job) in OVER and spec.job not in self._claims
            if over and name not in self._asked_to_stop:
                await sessions.stop(name)
                self._asked_to_stop.add(name)
        self._asked_to_stop &= sessions.running.keys()

    async def _claim(self) -> None:
        """Take over what has lost its worker, then the next of the queue, as long as there is room."""
        for job in self.queue.running():
            if len(self._claims) < self._settings.concurrent_max and await self._is_free(job):
                await self._take(job)
        while len(self._claims) < self._settings.concurrent_max:
            found = self.queue.next(self._settings.machine, self._settings.room, self._settings.overtakes_max)
            if found is None or not await self._take(found):
                return

    async def _is_free(self, job: Job) -> bool:
        if job.id in self._claims or job.id in self._endless or self._claims.resting(job.id):
            return False
        settings = self._settings
        if job.worker != settings.worker and await self._keys.get(sign_key(job.worker)) is not None:
            return False
        left = self.queue.free(settings.machine, settings.room)
        mine = job.machine == settings.machine  # then its share is taken already
        return mine or fits(need(job, settings.room), left)

    async def _take(self, job: Job) -> bool:
        """Claim a job as of the whole queue that was folded; False where the queue has moved on."""
        claim = JobClaimed(
            job=job.id,
            worker=self._settings.worker,
            epoch=job.epoch + 1,
            machine=self._settings.machine,
            claimed_ns=self._clock.now_ns(),
        )
        append = codec.to_append(
            claim,
            subjects.job(job.id),
            f"job:{job.id}:{claim.epoch}:claim:{claim.worker}",
            expected=self.queue.last,
            fence=subjects.JOB_FACTS,
        )
        try:
            sequence = await self._tape.append(append)
        except FenceLost:
            return False
        self.queue.note(claim, sequence)
        if claim.epoch == 1:  # what is taken up again has waited before
            self.waits.note((claim.claimed_ns - job.queued.queued_ns) / NS_PER_SECOND)
        mine = msgspec.structs.replace(job, worker=claim.worker, machine=claim.machine, epoch=claim.epoch)
        self._claims.begin(job.id, self._run(mine, sequence))
        log.info("job_claimed", job=job.id, kind=job.queued.kind, epoch=claim.epoch, sequence=sequence)
        return True

    # --- the work -------------------------------------------------------------------------------------------------

    async def _run(self, job: Job, claim: int) -> None:
        steps = Steps(self._tape, self._clock, job, claim, self._settings.progress_seconds)
        began_ns = self._clock.monotonic_ns()
        with structlog.contextvars.bound_contextvars(job=job.id, epoch=job.epoch):
            try:
                await self._do(job, steps)
                self.runs.note((self._clock.monotonic_ns() - began_ns) / NS_PER_SECOND)
            except FenceLost as error:
                log.warning("job_is_stale", error=str(error))
            except OperatingError as error:
                self._broke_off[job.id] = f"{error.code}: {error}"
                raise
            except TapedeckError as error:
                self._endless.add(job.id)
                log.exception("job_end_not_written", code=error.code)

    async def _do(self, job: Job, steps: Steps) -> None:
        if job.epoch > self._settings.claims_max:
            await steps.failed("GIVEN_UP", self._why_given_up(job))
            return
        kind = self._kinds.get(job.queued.kind)
        if kind is None:
            await steps.failed("UNKNOWN_KIND", f"This worker knows no jobs of kind {job.queued.kind!r}.")
            return
        try:
            result = await kind.do(kind.read(job.queued.body), Work(job, self._tools, steps))
            await steps.completed(result)
            log.info("job_completed", kind=kind.name)
        except OperatingError:
            raise  # again, here or elsewhere
        except TapedeckError as error:
            log.warning("job_failed", kind=kind.name, code=error.code, error=str(error))
            await steps.failed(error.code, str(error))
        except Exception as error:
            log.exception("job_met_a_bug", kind=kind.name)
            await steps.failed("BUG", f"{type(error).__name__}: {error}")

    def _why_given_up(self, job: Job) -> str:
        begun = f"It was begun {self._settings.claims_max} times"
        if why := self._broke_off.get(job.id):
            return f"{begun} and broke off each time; the last time for {why}"
        return f"{begun}, and its worker ended every time."


def sign_key(worker: str) -> str:
    """Key of a worker's sign of life."""
    return f"worker.{worker}"


async def _nothing() -> bytes:
    return b"{}"
