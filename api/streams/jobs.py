"""Jobs as they happen: one tail of their facts in this process, each event with the job as of then, for all clients.

A client has a bounded queue. One that does not keep up is let go, not waited for.
"""

from __future__ import annotations

from typing import NamedTuple

from api.lasting import forgiving
from api.reading.reader import Moment, Reader
from api.streams.listening import Listener, Listeners
from events import codec, subjects
from events.errors import OperatingError, Unknown
from events.facts import Fact
from events.tape import Message, Tail, Tape
from projections.duckdb.store import Snapshot
from projections.read_models.equity import highest_equity
from projections.read_models.jobs import JobRow, job, session_of
from projections.read_models.sessions import SessionRow, session

OVER = ("completed", "failed", "stopped")


class JobEvent(NamedTuple):
    """A fact of a job, and the job as of that fact."""

    fact: Fact
    job: JobRow
    sequence: int
    at_ns: int = 0  # when the fact was appended
    session: SessionRow | None = None  # the one that the job began last, where it has one yet
    peak: float = 0.0  # its highest equity of any mark


JobListener = Listener[JobEvent]


class JobFeed(Listeners[JobEvent]):
    """All clients of this process over one tail."""

    def __init__(self, tape: Tape, reader: Reader, clients_max: int, queue_max: int) -> None:
        super().__init__(clients_max, queue_max)
        self._tape = tape
        self._reader = reader
        self.sequence = 0  # of the newest event that listeners were told of; those who join hear what is behind it
        self._told = forgiving("jobs", self._tell, self.release)  # who missed one comes back
        self.tail: Tail | None = None

    async def start(self) -> None:
        """Follow the tape from its end on."""
        info = await self._tape.info()
        self.sequence = info.last
        self.tail = await self._tape.tail(info.last + 1, self._note, subjects=(subjects.JOB_FACTS,))

    async def close(self) -> None:
        """Stop following."""
        if self.tail is not None:
            await self.tail.close()

    async def ended(self, name: str) -> JobEvent | None:
        """The end of a job as an event; None where it goes on, is not there, or is not known just now."""
        try:
            # an end that was passed on before anybody listened is shown by then
            await self._reader.wait_until(self.sequence)
            found = (await self._reader.run(lambda snapshot: as_it_is(snapshot, name), Moment())).value
            message = await self._tape.get(found.job.changed_at)
        except (Unknown, OperatingError):
            return None
        if found.job.state not in OVER or message is None:
            return None
        fact = codec.decode(message.body, message.sequence)
        assert isinstance(fact, Fact), "what changed a job is a fact"
        return JobEvent(fact, found.job, message.sequence, message.appended_ns, found.session, found.peak)

    async def _note(self, message: Message) -> None:
        if self.clients:
            await self._told(message)
        self.sequence = message.sequence

    async def _tell(self, message: Message) -> None:
        fact = codec.decode(message.body, message.sequence)
        assert isinstance(fact, Fact), "facts stand on subjects of jobs"
        await self._reader.wait_until(message.sequence)
        name = message.subject.rpartition(".")[2]
        found = (await self._reader.run(lambda snapshot: as_it_is(snapshot, name), Moment(message.sequence))).value
        self.tell(JobEvent(fact, found.job, message.sequence, message.appended_ns, found.session, found.peak))


class Known(NamedTuple):
    """A job with the session that it began last, where it has one, and that one's highest equity."""

    job: JobRow
    session: SessionRow | None
    peak: float


def as_it_is(snapshot: Snapshot, name: str) -> Known:
    """What is known of a job, of a backtest with its session's figures. Raises Unknown."""
    row = job(snapshot, name)
    own = session_of(snapshot, name) if row.kind == "backtest" else None
    if own is None:
        return Known(row, None, 0.0)
    return Known(row, session(snapshot, own), highest_equity(snapshot, own))
