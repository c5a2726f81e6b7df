"""What the demo does, step by step; it works like any other program on the tape."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable

import msgspec

from api.cli.opened import Opened
from engine import catalogue
from engine.feeds.simulated import SimulatedFeed, SimulatedMarket, six_hours
from engine.recordings.importing import Imported, Importer
from engine.recordings.shelf import Recording, RecordingState
from engine.research.forking import ForkWish, fork
from engine.research.verify import Verdict, verify
from engine.sessions import history as histories
from engine.sessions.history import History
from engine.sessions.plan import SessionWish, StrategyWish, plan
from engine.sources.run import recording_name
from events.clock import NS_PER_SECOND
from events.errors import Bug, OperatingError
from events.facts import RecordingCompleted, SessionLimits, SessionSpec, StartSession, StopSession

STEP_SECONDS_MAX = 120.0
POLL_SECONDS = 0.05
USER = "admin"
LIMITS = SessionLimits(
    cash=10_000.0,
    global_cap=10_000.0,
    stop_loss_ratio=0.05,
    take_profit_ratio=0.25,
    slippage_ratio=0.0005,
    latency_ms=50.0,
    fill_ratio_max=0.5,
    close_on_stop=True,
)
STRATEGIES = (
    StrategyWish(strategy="pump_v2"),
    StrategyWish(strategy="dump_v2"),
    StrategyWish(strategy="ema_cross", params={"fast": 5_000, "slow": 20_000}, symbols=("BTCUSDT",)),
)


class Replayed(msgspec.Struct, kw_only=True):
    """What was done with the recording in bulk."""

    imported: Imported
    import_seconds: float
    backtest: History
    backtest_seconds: float
    fork: History
    verdict: Verdict  # of the backtest


class Told(msgspec.Struct, kw_only=True):
    """What the demo came to."""

    market: SimulatedMarket
    imported: Imported
    import_seconds: float
    live: RecordingCompleted
    paper: History
    backtest: History
    backtest_seconds: float
    fork: History
    verdicts: tuple[Verdict, Verdict]


class Story:
    """The demo's steps over one open house: `begin`, `replay`, `end`."""

    def __init__(self, tools: Opened, source: str, seed: int, say: Callable[[str], None]) -> None:
        self._tools = tools
        self._source = source
        self._market = six_hours(seed)
        self._say = say
        self._before: frozenset[str] = frozenset()  # recordings that were there already
        self._live: SessionSpec | None = None

    async def begin(self) -> None:
        """Start the paper session; returns when its source plays."""
        self._say(
            "A paper session on the simulation's live tail: ten seconds paced as live, the rest at full speed ..."
        )
        wished = await self._paper()
        self._before = frozenset(self._tools.lookups.shelf.recordings)
        self._live = await self._start(wished)
        await self._until(lambda: self._playing() is not None)

    async def replay(self) -> Replayed:
        """What the recording in bulk is for; it is done while the live part is paced."""
        imported, import_seconds = await self._record()
        backtest, backtest_seconds = await self._backtest(imported)
        forked = await self._fork(backtest)
        verdict = await self._verify(backtest.started.spec.session)
        self._say("Forked with another target, and decided again.")
        return Replayed(
            imported=imported,
            import_seconds=import_seconds,
            backtest=backtest,
            backtest_seconds=backtest_seconds,
            fork=forked,
            verdict=verdict,
        )

    async def end(self, replayed: Replayed) -> Told:
        """Wait for the live tail's end, stop the paper session and verify it."""
        assert self._live is not None, "the story has begun"
        self._say("Waiting for the live tail ...")
        live = await self._live_recording()
        ended = await self._stopped(self._live, live)
        self._say("Verifying the paper session against its own log ...")
        return Told(
            market=self._market,
            imported=replayed.imported,
            import_seconds=replayed.import_seconds,
            live=live,
            paper=ended,
            backtest=replayed.backtest,
            backtest_seconds=replayed.backtest_seconds,
            fork=replayed.fork,
            verdicts=(await self._verify(self._live.session), replayed.verdict),
        )

    # --- steps ----------------------------------------------------------------------------------------------------

    async def _record(self) -> tuple[Imported, float]:
        clock = self._tools.clock
        feed = SimulatedFeed(self._market)
        content = hashlib.blake2b(feed.survey().mapping.encode(), digest_size=32).hexdigest()
        began = clock.monotonic_ns()
        importer = Importer(self._tools.connection.tape, clock, self._tools.segments, user=USER)
        imported = await importer.run(feed, content, f"simulated market, seed {self._market.seed}", "simulated")
        seconds = (clock.monotonic_ns() - began) / NS_PER_SECOND
        what = f"{imported.rows:,} rows" if imported.appended else f"{imported.rows:,} rows were there already"
        self._say(f"Recorded in bulk: {what}, {seconds:.2f} s.")
        return imported, seconds

    async def _backtest(self, imported: Imported) -> tuple[History, float]:
        began = self._tools.clock.monotonic_ns()
        wish = SessionWish(
            mode="backtest", recording=imported.recording.id, strategies=STRATEGIES, limits=LIMITS, name="demo backtest"
        )
        await self._known(imported.recording.id)
        spec = await self._start(plan(wish, self._name(), USER, self._tools.lookups.library()))
        history = await self._ended(spec.session)
        seconds = (self._tools.clock.monotonic_ns() - began) / NS_PER_SECOND
        self._say(f"Replayed as a backtest: {seconds:.2f} s.")
        return history, seconds

    async def _paper(self) -> SessionSpec:
        symbols = tuple(one.symbol for one in self._market.instruments)
        await self._registered(symbols)
        wish = SessionWish(
            mode="paper",
            source=self._source,
            symbols=symbols,
            strategies=STRATEGIES,
            limits=LIMITS,
            name="demo paper session",
        )
        return plan(wish, self._name(), USER, self._tools.lookups.library())

    async def _stopped(self, paper: SessionSpec, live: RecordingCompleted) -> History:
        self._say(f"The live tail ended: {live.rows:,} rows; stopping the paper session ...")
        key = f"demo-stop-{paper.session}"
        await self._tools.commands.send(StopSession(key=key, user=USER, session=paper.session))
        return await self._ended(paper.session)

    async def _verify(self, session: str) -> Verdict:
        return await verify(self._tools.connection.tape, self._tools.reader, self._tools.decider, session)

    async def _fork(self, backtest: History) -> History:
        wish = ForkWish(limits={"take_profit_ratio": 0.08}, name="demo fork, 8 % target")
        spec = fork(backtest, wish, self._name(), USER, self._tools.lookups.library())
        await self._start(spec)
        return await self._ended(spec.session)

    # --- waiting --------------------------------------------------------------------------------------------------

    def _name(self) -> str:
        return recording_name(self._tools.clock).replace("session_", "exec_")

    async def _start(self, spec: SessionSpec) -> SessionSpec:
        await self._tools.commands.send(StartSession(key=f"demo-{spec.session}", user=USER, spec=spec))
        return spec

    async def _registered(self, symbols: tuple[str, ...]) -> None:
        forms = list(SimulatedFeed(self._market).survey().instruments)
        await catalogue.register(self._tools.connection.tape, forms)
        known = self._tools.lookups.catalogue
        await self._until(lambda: all(any(one.symbol == s for one in known.instruments) for s in symbols))

    async def _known(self, recording: str) -> None:
        shelf = self._tools.lookups.shelf
        await self._until(
            lambda: recording in shelf.recordings and shelf.recordings[recording].state is RecordingState.COMPLETE
        )

    def _playing(self) -> Recording | None:
        """The recording that the source makes of this demo."""
        found = self._tools.lookups.shelf.recordings
        mine = (one for name, one in found.items() if name not in self._before and one.opened.source == self._source)
        return next(mine, None)

    async def _live_recording(self) -> RecordingCompleted:
        while True:
            if (playing := self._playing()) is not None and playing.completed is not None:
                return playing.completed
            await asyncio.sleep(POLL_SECONDS)

    async def _ended(self, session: str) -> History:
        tape = self._tools.connection.tape
        deadline = asyncio.get_running_loop().time() + STEP_SECONDS_MAX
        while asyncio.get_running_loop().time() < deadline:
            last = await tape.last(f"tape.*.{session}.fact")
            if last is not None and b'"type":"SessionEnded"' in last.body[:30]:
                return await histories.read(tape, session)
            if last is not None and b'"type":"SessionFailed"' in last.body[:30]:
                raise Bug(f"Session {session} failed: {last.body.decode()[:500]}")
            await asyncio.sleep(POLL_SECONDS)
        raise OperatingError(f"Session {session} did not end within {STEP_SECONDS_MAX:.0f} s.")

    async def _until(self, done: Callable[[], bool]) -> None:
        deadline = asyncio.get_running_loop().time() + STEP_SECONDS_MAX
        while not done():
            if asyncio.get_running_loop().time() > deadline:
                raise OperatingError("The tape's facts did not arrive in time.")
            await asyncio.sleep(POLL_SECONDS)
