"""Random legal tapes: sessions that trade by a seed, recordings, instruments, and events that are not ours."""

from __future__ import annotations

import msgspec
import numpy as np

from events import subjects
from events.facts import (
    CodeChanged,
    CommandAccepted,
    Fact,
    InstrumentRegistered,
    Place,
    RecordingAbandoned,
    RecordingCompleted,
    RecordingOpened,
    RecordingProgressed,
    ResearchCompleted,
    SessionClaimed,
    SessionEnded,
    SessionFailed,
    SessionMode,
    SessionProgressed,
    SessionSuspended,
    SessionVerified,
)
from events.facts.audit import ActionAudited
from events.facts.catalogue import InstrumentChanged, InstrumentDetails, InstrumentRemoved
from events.facts.configuration import ConfigurationChanged, ConfiguredValue, TemplateRemoved, TemplateSaved
from events.facts.house import Mode, SystemModeSet
from events.facts.strategies import (
    StrategyActivated,
    StrategyChanged,
    StrategyCreated,
    StrategyDeactivated,
    StrategyForm,
    StrategyRemoved,
)
from events.rows import DECISION_KINDS, Code, OrderStatus, Rows, SectionKind
from tests.projections.random_jobs import RandomJobs
from tests.projections.streams import START_NS, SYMBOLS, Script, rows_of, ticks


class Trader:
    """Rows of a session that trades by a seed: orders filled in parts, flips, denials, marks."""

    def __init__(self, seed: int, lanes: int = 4) -> None:
        self._rng = np.random.Generator(np.random.Philox(key=seed))
        self._lanes = lanes
        self._order = 0
        self._ts = START_NS
        self._working: list[list[float]] = []  # order, lane, side, quantity, filled
        self._position = np.zeros(lanes)

    def step(self) -> dict[SectionKind, Rows]:
        """What one decision holds; sometimes the whole life of an order, sometimes only marks."""
        rng = self._rng
        self._ts += int(rng.integers(0, 5)) * 1_000_000_000
        sections: dict[SectionKind, list[Rows]] = {kind: [] for kind in DECISION_KINDS}
        sections[SectionKind.MARK].append(self._mark())
        if rng.random() < 0.6:
            self._place(sections)
        for order in list(self._working):
            if rng.random() < 0.7:
                self._progress(order, sections)
        if rng.random() < 0.2:
            sections[SectionKind.DENIAL].append(
                rows_of(
                    SectionKind.DENIAL,
                    ts_event_ns=self._ts,
                    lane=0,
                    quantity=1.0,
                    limit=2.0,
                    side=1,
                    kind=1,
                    code=int(Code.BUDGET_EXCEEDED),
                )
            )
        return {kind: np.concatenate(parts) for kind, parts in sections.items() if parts}

    def _mark(self) -> Rows:
        equity = 10_000 + float(self._rng.normal())
        return rows_of(SectionKind.MARK, ts_event_ns=self._ts, cash=equity, equity=equity)

    def _place(self, sections: dict[SectionKind, list[Rows]]) -> None:
        self._order += 1
        lane = int(self._rng.integers(0, self._lanes))
        side = int(self._rng.choice([-1, 1]))
        quantity = float(self._rng.integers(1, 5)) / 10
        self._working.append([self._order, lane, side, quantity, 0.0])
        sections[SectionKind.SIGNAL].append(
            rows_of(SectionKind.SIGNAL, ts_event_ns=self._ts, lane=lane, kind=1, side=side, price=100.0, code=1)
        )
        sections[SectionKind.ORDER].append(self._step(self._working[-1], OrderStatus.ACCEPTED, Code.ENTRY))

    def _step(self, order: list[float], status: OrderStatus, code: Code) -> Rows:
        number, lane, side, quantity, filled = order
        return rows_of(
            SectionKind.ORDER,
            ts_event_ns=self._ts,
            order=number,
            lane=lane,
            side=side,
            quantity=quantity,
            filled=filled,
            kind=1,
            time_in_force=1,
            status=int(status),
            code=int(code),
        )

    def _progress(self, order: list[float], sections: dict[SectionKind, list[Rows]]) -> None:
        if self._rng.random() < 0.2:
            sections[SectionKind.ORDER].append(self._step(order, OrderStatus.CANCELLED, Code.SESSION_END))
            self._working.remove(order)
            return
        number, lane, side, quantity, filled = order
        part = quantity - filled if self._rng.random() < 0.5 else (quantity - filled) / 2
        order[4] = filled + part
        self._position[int(lane)] += side * part
        price = 100 + float(self._rng.integers(-200, 200)) / 100
        sections[SectionKind.FILL].append(
            rows_of(
                SectionKind.FILL,
                ts_event_ns=self._ts,
                order=number,
                lane=lane,
                side=side,
                quantity=part,
                price=price,
                fee=price * part * 0.001,
                position=self._position[int(lane)],
                cash=1.0,
                code=int(Code.ENTRY),
            )
        )
        sections[SectionKind.ORDER].append(self._step(order, OrderStatus.FILLED, Code.ENTRY))
        if order[4] >= quantity * (1 - 1e-9):
            self._working.remove(order)


async def random_script(seed: int, steps: int) -> Script:
    """A tape of instruments, recordings, sessions and other people's events in an order that the seed decides."""
    script = Script()
    rng = np.random.Generator(np.random.Philox(key=seed))
    play = _Play(script, rng)
    for _ in range(steps):
        script.clock.advance(float(rng.integers(0, 3)))
        await play.step()
    return script


class _Play:
    """Draws legal next steps."""

    def __init__(self, script: Script, rng: np.random.Generator) -> None:
        self._script = script
        self._rng = rng
        self._traders: dict[str, Trader] = {}
        self._over: set[str] = set()
        self._suspended: set[str] = set()
        self._recordings: list[str] = []
        self._collects: list[str] = []  # collect sessions whose recording is not told
        self._instruments = 0
        self._strategies: list[str] = []
        self._count = 0
        self._jobs = RandomJobs(script, rng)

    async def step(self) -> None:
        running = [name for name in self._traders if name not in self._over | self._suspended]
        draw = self._rng.random()
        if not self._traders or (draw < 0.08 and len(self._traders) < 6):
            await self._start()
        elif draw < 0.2:
            await self._catalogue()
        elif draw < 0.24:
            await self._configure()
        elif draw < 0.3 and running:
            await self._live(str(self._rng.choice(running)))
        elif draw < 0.35:
            await self._aside()
        elif draw < 0.45:
            await self._jobs.step()
        elif running:
            name = str(self._rng.choice(running))
            await self._script.decide(name, self._traders[name].step())
        if self._suspended and self._rng.random() < 0.3:
            name = sorted(self._suspended)[0]
            self._suspended.discard(name)
            await self._script.of_session(name, CodeChanged(session=name, code_hash="c1", inputs=3, user="root"))

    async def _start(self) -> None:
        name = f"s{len(self._traders)}" + "x" * int(self._rng.integers(0, 2))
        lanes = int(self._rng.choice([3, 4]))
        draw = self._rng.random()
        mode: SessionMode = "backtest" if draw < 0.3 else "collect" if draw < 0.5 else "paper"
        parent = next(iter(self._traders), "") if self._rng.random() < 0.3 else ""
        await self._script.start(name, mode=mode, lanes=lanes, parent=parent)
        self._collects += [name] if mode == "collect" else []
        if self._rng.random() < 0.8:
            await self._script.of_session(name, SessionClaimed(session=name, engine="e1", epoch=1))
        self._traders[name] = Trader(int(self._rng.integers(0, 2**31)), lanes)

    async def _live(self, name: str) -> None:
        place = Place(self._count, 1)
        draw = self._rng.random()
        fact: Fact = SessionProgressed(
            session=name, epoch=1, inputs=self._count, place=place, collected=self._count // 2
        )
        if draw < 0.2:
            fact = SessionEnded(
                session=name,
                reason="completed" if draw < 0.1 else "stopped",
                inputs=9,
                place=place,
                decision_hash="ab",
                counts={"fills": 1},
                equity=10_001.0,
                ended_ns=5,
            )
            self._over.add(name)
        elif draw < 0.3:
            fact = SessionFailed(session=name, code="POISON", message="ended twice", at=place, ended_ns=6)
            self._over.add(name)
        elif draw < 0.45:
            fact = SessionSuspended(session=name, code_hash="c0de", found_hash="c1")
            self._suspended.add(name)
        await self._script.of_session(name, fact)
        if name in self._over and self._rng.random() < 0.5:
            verified = SessionVerified(session=name, equal=True, decision_hash="ab", rows=3)
            await self._script.of_session(name, verified)

    async def _catalogue(self) -> None:
        self._count += 1
        draw = self._rng.random()
        if draw < 0.2 and self._instruments:
            await self._script.fact(self._change_of_instrument(), subjects.CATALOGUE)
        elif draw < 0.4:
            self._instruments += 1
            symbol = SYMBOLS[self._instruments % 3]
            await self._script.fact(
                InstrumentRegistered(
                    number=self._instruments,
                    symbol=symbol,
                    venue="sim",
                    asset_type="crypto",
                    base=symbol[:3],
                    quote="USDT",
                    price_step=0.01,
                    quantity_step=0.1,
                ),
                subjects.CATALOGUE,
            )
        elif draw < 0.7 or not self._recordings:
            collects = self._collects and self._rng.random() < 0.5
            name = self._collects.pop() if collects else f"r{self._count}"
            self._recordings.append(name)
            await self._script.fact(
                RecordingOpened(
                    recording=name,
                    source="sim",
                    origin="collect" if collects else "import",
                    description="a file",
                    instruments=(1, 2),
                    symbols=SYMBOLS[:2],
                    kinds=("trade",),
                    opened_ns=3,
                ),
                subjects.recording(name),
            )
        else:
            name = self._recordings[-1]
            if self._rng.random() < 0.4:
                told = RecordingProgressed(recording=name, rows=self._count)
                return await self._script.fact(told, subjects.recording_progress(name))
            self._recordings.pop()
            fact: Fact = RecordingAbandoned(recording=name, reason="no disk")
            if draw < 0.9:
                fact = RecordingCompleted(
                    recording=name,
                    rows=10,
                    first=Place(1, 0),
                    last=Place(2, 4),
                    first_event_ns=1,
                    last_event_ns=2,
                    content_hash="cc",
                    findings=("a gap",),
                )
            await self._script.fact(fact, subjects.recording(name))

    def _change_of_instrument(self) -> Fact:
        number = int(self._rng.integers(1, self._instruments + 1))
        if self._rng.random() < 0.4:
            return InstrumentRemoved(number=number, user="ann")
        details = InstrumentDetails(name=f"Changed {self._count}", taker_fee_ratio=self._count / 1e4)
        return InstrumentChanged(number=number, details=details, user="ann")

    async def _configure(self) -> None:
        """One more step in the life of a configured strategy."""
        self._count += 1
        draw = self._rng.random()
        if draw < 0.4 or not self._strategies:
            self._strategies.append(f"mine-{self._count}")
        name = str(self._strategies[-1] if draw < 0.4 else self._rng.choice(self._strategies))
        form = StrategyForm(name=f"Mine {self._count}", kind="ema_cross", params={"fast": self._count}, tags=("a",))
        fact: Fact = StrategyActivated(strategy=name, user="bob")
        if draw < 0.4 or name == f"mine-{self._count}":
            fact = StrategyCreated(strategy=name, form=form, user="ann")
        elif draw < 0.6:
            fact = StrategyChanged(strategy=name, form=form, user="bob")
        elif draw < 0.8:
            fact = StrategyRemoved(strategy=name, user="bob")
            self._strategies.remove(name)
        elif draw < 0.9:
            fact = StrategyDeactivated(strategy=name, user="bob")
        await self._script.fact(fact, subjects.STRATEGIES)

    async def _set_value(self) -> None:
        """One or two keys of the configuration change, or a template is saved."""
        self._count += 1
        raw = msgspec.Raw(str(self._count).encode())
        keys = ("ppo.gamma", "risk.maxDailyLoss")[: 1 + int(self._rng.random() < 0.5)]
        values = tuple(ConfiguredValue(key=key, value=raw, before=msgspec.Raw(b"[1]")) for key in keys)
        fact: Fact = ConfigurationChanged(values=values, user="ann", origin="file")
        if self._rng.random() < 0.3:
            name = f"t{self._count}"
            fact = TemplateSaved(template=name, name=name, values=msgspec.Raw(b'{"ppo":{}}'), user="bob", saved_ns=7)
        await self._script.fact(fact, subjects.CONFIGURATION)
        if isinstance(fact, TemplateSaved) and self._count % 2:
            await self._script.fact(TemplateRemoved(template=fact.template, user="ann"), subjects.CONFIGURATION)
        if self._rng.random() < 0.3:
            mode: Mode = "collect" if self._rng.random() < 0.5 else "backtest"
            await self._script.fact(SystemModeSet(mode=mode, user="bob", command=1), subjects.HOUSE)

    async def _aside(self) -> None:
        """Events that read models of sessions do not apply, and results of research."""
        if self._rng.random() < 0.5:
            await self._script.market("sim", ticks(3))
        elif self._rng.random() < 0.5:
            await self._set_value()
        elif self._rng.random() < 0.3:
            fact = ActionAudited(action="login", user="ann", what=f"POST /{self._count}", count=2)
            await self._script.fact(fact, subjects.AUDIT)
        elif self._rng.random() < 0.5:
            await self._script.fact(CommandAccepted(key=f"k{self._count}", cause=1), subjects.DESK)
        else:
            body = msgspec.Raw(b'{"runs":[1,2]}')
            fact = ResearchCompleted(research=f"sweep{self._count}", kind="sweep", body=body)
            await self._script.fact(fact, subjects.session_fact("sweep", research=True))
