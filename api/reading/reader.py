"""Reads of this process's read model: as of when, how new at least, and the headers that say so."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Generic, NamedTuple, TypeVar

import msgspec
from litestar import MediaType, Response
from msgspec import Meta

from api.reading.hot import HotAnswer, HotAnswers, HotKey
from api.reading.wording import Wording
from events import subjects
from events.errors import InvalidInput, ReadModelUnavailable, Unknown
from events.tape import Tape
from projections.as_of import on_tape, parse
from projections.duckdb.reads import Answer, Reads
from projections.duckdb.store import DuckStore, Snapshot
from projections.market_store import MarketStore
from projections.read_models.answers import Listed, Page, number_of
from projections.runner import ProjectionRunner

T = TypeVar("T")

WAIT_SECONDS_MAX = 5.0  # for a sequence that a read asks for
POLL_SECONDS = 0.05
MIN_SEQUENCE = "Tape-Min-Sequence"
SEQUENCE = "Tape-Sequence"
EPOCH = "Tape-Epoch"
INSTRUMENT = "Tape-Instrument"  # SYMBOL@VENUE that an answer is about, where its symbol may have been several

_SEQUENCE = re.compile(r"[0-9]{1,18}\Z")
_encode = msgspec.json.Encoder().encode


class Moment(msgspec.Struct, frozen=True):
    """As of when a read answers."""

    sequence: int | None = None  # None: as new as there is
    least: int = 0  # what `Tape-Min-Sequence` asked for, reached by this read model
    key: HotKey | None = None  # under which the answer may be kept


class Listing(msgspec.Struct, Generic[T], frozen=True):
    """One page of a list."""

    rows: list[T]
    total: Annotated[int, Meta(description="rows of all pages")]
    limit: int
    offset: int
    next_offset: Annotated[int | None, Meta(description="where the next page starts; null at the end")]


class Reader:
    """Runs queries on the read model and words what they find, off the event loop."""

    def __init__(
        self, store: DuckStore, runner: ProjectionRunner, tape: Tape, market: MarketStore, hot: HotAnswers
    ) -> None:
        self._store = store
        self._reads = Reads(store)
        self._runner = runner
        self._tape = tape
        self._market = market
        self._hot = hot

    def close(self) -> None:
        """Let the threads go."""
        self._reads.close()

    # --- as of when -----------------------------------------------------------------------------------------------

    async def moment(self, as_of: str | None, least: str | None, key: HotKey | None = None) -> Moment:
        """What `as_of` and `Tape-Min-Sequence` mean, reached by this read model.

        Raises:
            InvalidInput: one of them is junk, or `as_of` lies beyond the tape's end.
            ReadModelUnavailable: not caught up yet, or the sequence did not come within the bound.
        """
        self._check_ready()
        wanted = least_of(least)
        if wanted:
            await self.wait_until(wanted)
        sequence, instant = parse(as_of)
        if instant is not None:
            around = await asyncio.to_thread(self._store.around, int(instant))
            sequence = await on_tape(self._tape, instant, *around)
            key = None
        if sequence is not None:
            await self._reach(sequence)
        return Moment(sequence, wanted, key)

    def _check_ready(self) -> None:
        if is_ready(self._runner):
            return
        status = self._runner.status()
        why = f" {status.error}" if status.error else ""
        raise ReadModelUnavailable(
            f"The read model is {status.state.replace('_', ' ')}, {status.lag} events behind.{why}",
            code="READ_MODEL_HALTED" if status.state == "halted" else None,
            hint="Its lag is on /api/health.",
        )

    async def wait_until(self, sequence: int) -> None:
        """Wait, bounded, until this process shows a sequence. Raises ReadModelUnavailable."""
        await self._runner.wait_until(sequence, WAIT_SECONDS_MAX)

    async def _reach(self, sequence: int) -> None:
        if sequence <= self._runner.status().visible:
            return
        last = (await self._tape.info()).last
        if sequence > last:
            raise InvalidInput(f"as_of is {sequence}, and the tape ends at {last}.", field="as_of")
        await self.wait_until(sequence)

    @property
    def epoch(self) -> str:
        """Of the tape that is read."""
        return self._store.checkpoint.epoch

    def now(self, moment: Moment) -> tuple[int, str]:
        """Sequence and epoch of an answer that reads no table."""
        return self._store.visible if moment.sequence is None else moment.sequence, self.epoch

    async def check_session(self, session: str) -> None:
        """Whether a session is known; one that stands on the tape already, and is not shown yet, is waited for.

        Raises:
            InvalidInput: no id of a session at all.
            Unknown: no such session.
        """
        subjects.token(session, "session")
        moment = await self.moment(None, None)
        try:
            await self.run(lambda snapshot: number_of(snapshot, session), moment)
        except Unknown:
            facts = [subjects.session_fact(session, research=research) for research in (False, True)]
            found = [message.sequence for fact in facts if (message := await self._tape.last(fact)) is not None]
            if not found:
                raise Unknown(f"There is no session {session[:64]!r}.", field="session") from None
            await self.wait_until(max(found))
            await self.run(lambda snapshot: number_of(snapshot, session), moment)

    # --- queries --------------------------------------------------------------------------------------------------

    async def run(self, query: Callable[[Snapshot], T], moment: Moment) -> Answer[T]:
        """The answer of one query. Raises as `Reads.run`."""
        return await self._reads.run(query, moment.sequence)

    async def one(self, query: Callable[[Snapshot], object], moment: Moment) -> Response[Any]:
        """What a query finds, as JSON."""
        return self._answered(await self.run(lambda snapshot: _encode(query(snapshot)), moment), moment)

    async def page(
        self, query: Callable[[Snapshot], Listed[Any]], wording: Wording[Any, Any], moment: Moment, page: Page
    ) -> Response[Any]:
        """One page of a list, worded."""

        def work(snapshot: Snapshot) -> Listing[Any]:
            found = query(snapshot)
            rows = [wording(row) for row in found.rows]
            return Listing(rows, found.total, page.limit, page.offset, found.next)

        return await self.one(work, moment)

    def _answered(self, answer: Answer[bytes], moment: Moment) -> Response[Any]:
        if moment.key is not None:
            fixed = moment.sequence is not None
            self._hot.keep(moment.key, HotAnswer(answer.value, answer.sequence, answer.epoch, fixed))
        return answered(answer.value, answer.sequence, answer.epoch)

    # --- the market store -----------------------------------------------------------------------------------------

    async def market_as_of(self, moment: Moment) -> int | None:
        """What to ask the market store for; waits until it shows what the request asks for at least.

        Raises:
            ReadModelUnavailable: it did not come within the bound.
        """
        if moment.least:
            await self._market.wait_visible(moment.least, seconds=WAIT_SECONDS_MAX)
        return moment.sequence

    async def newest_market(self) -> int:
        """Sequence of the tape's newest market message; 0 where there is none. Raises TapeUnavailable."""
        newest = await self._tape.last(subjects.MARKET)
        return newest.sequence if newest else 0


def is_ready(runner: ProjectionRunner) -> bool:
    """Whether reads are answered: it has caught up once with the tape of its start, or had nothing to catch up."""
    if runner.ready:
        return True
    status = runner.status()
    return status.state == "catching_up" and status.lag == 0


def least_of(text: str | None) -> int:
    """The sequence in `Tape-Min-Sequence`; 0 without one. Raises InvalidInput."""
    if text is None:
        return 0
    if not _SEQUENCE.match(text):
        raise InvalidInput(f"{MIN_SEQUENCE} is {text[:40]!r}; it is a sequence, 0 or more.", field=MIN_SEQUENCE)
    return int(text)


def places(sequence: int, epoch: str) -> Mapping[str, str]:
    """The headers that say as of when an answer is."""
    return {SEQUENCE: str(sequence), EPOCH: epoch}


def answered(body: object, sequence: int, epoch: str, media_type: MediaType | str = MediaType.JSON) -> Response[Any]:
    """An answer as of a sequence of a tape. Bytes are sent as they are."""
    return Response(body, headers=dict(places(sequence, epoch)), media_type=media_type)


# --- reads of the tape itself -------------------------------------------------------------------------------------


class TapeMoment(NamedTuple):
    """As of which sequence the tape is read, and where it ends."""

    sequence: int
    last: int
    epoch: str


async def tape_moment(tape: Tape, as_of: str | None, least: str | None) -> TapeMoment:
    """What `as_of` and `Tape-Min-Sequence` mean for a read of the tape itself.

    Raises:
        InvalidInput: one of them is junk, or `as_of` lies beyond the end.
        ReadModelUnavailable: the tape did not reach the sequence within the bound.
    """
    wanted = least_of(least)
    found = await tape.info()
    deadline = asyncio.get_running_loop().time() + WAIT_SECONDS_MAX
    while found.last < wanted:
        if asyncio.get_running_loop().time() >= deadline:
            raise ReadModelUnavailable(f"The tape ends at {found.last}; {wanted} did not come within the bound.")
        await asyncio.sleep(POLL_SECONDS)
        found = await tape.info()
    sequence, instant = parse(as_of)
    if instant is not None:
        sequence = await on_tape(tape, instant, 0, None)
    if sequence is not None and sequence > found.last:
        raise InvalidInput(f"as_of is {sequence}, and the tape ends at {found.last}.", field="as_of")
    return TapeMoment(found.last if sequence is None else sequence, found.last, found.epoch)
