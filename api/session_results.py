"""What a session has come to: metrics, report, verification; and forks of it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from litestar import MediaType, Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody, QueryParameter
from msgspec import Meta

from api.access import user_of
from api.front import extend
from api.house import House
from api.pages.policy import REPORT_POLICY
from api.reading.asking import SessionId
from api.reading.reader import Moment, answered
from api.services.acting import start_fork
from api.services.results import figures, report
from api.session_control import Key, done
from api.sessions import CommandBody, Params, StrategyAsked
from engine.research.forking import ForkWish
from engine.research.metrics.annualisation import DAY_NS, HOUR_NS, MINUTE_NS, Annualisation, of_period
from engine.research.metrics.table import BY_NAME
from engine.research.verify import Verdict
from engine.sessions.plan import NAME_MAX
from events.facts.timeframes import Timeframe
from projections.duckdb.store import Snapshot

PERIODS = {"1m": MINUTE_NS, "1h": HOUR_NS, "1d": DAY_NS}


class MetricBody(msgspec.Struct, frozen=True):
    """One metric. Where it is not defined `value` is null and `reason` says why."""

    name: str
    label: str
    group: str
    unit: str
    value: float | None
    reason: str
    definition: str
    annualised: str
    source: Annotated[str, Meta(description="the tool or text that defines it so")]


class MetricsBody(msgspec.Struct, frozen=True):
    """All metrics of a session and how they were annualised."""

    session: str
    state: str
    metrics: list[MetricBody]
    result: Annotated[dict[str, dict[str, float | None]], Meta(description="the values by group and name")]
    annualisation: Annualisation
    returns: Annotated[int, Meta(description="number of period returns")]
    trades: Annotated[int, Meta(description="open ones included")]
    decision_hash: str


class ForkAsked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What shall be different. Nothing given: the same again."""

    strategies: Annotated[tuple[StrategyAsked, ...], Meta(max_length=16)] = ()
    limits: Annotated[Params, Meta(description="those that change")] = {}
    params: Annotated[Params, Meta(description="of the only strategy")] = {}
    timeframe: Annotated[Timeframe | None, Meta(description="of the only strategy; null: as it was")] = None
    seed: Annotated[int, Meta(ge=0, le=2**63 - 1)] | None = None
    with_commands: Annotated[bool, Meta(description="orders by hand too")] = False
    name: Annotated[str, Meta(max_length=NAME_MAX)] = ""


@get("/api/sessions/{session:str}/metrics")
async def session_metrics(
    session: SessionId,
    house: NamedDependency[House],
    at: NamedDependency[Moment],
    period: Annotated[
        Literal["1m", "1h", "1d"] | None, QueryParameter(description="of the returns; by the length of the session")
    ] = None,
    periods_per_year: Annotated[
        float | None,
        QueryParameter(gt=0, le=1e9, description="365 days, of shares and indices 252 of 6.5 hours, unless given"),
    ] = None,
    quiet: Annotated[
        Literal["hold", "skip"] | None,
        QueryParameter(description="what a period without a mark is: a return of 0, or none; by the market"),
    ] = None,
) -> Response[MetricsBody]:
    """Every metric with its definition. Of a session that still runs, those so far."""

    def work(snapshot: Snapshot) -> MetricsBody:
        found = figures(snapshot, session)
        wanted = _annualisation(found.measurements.annualisation, period, periods_per_year, quiet)
        if wanted != found.measurements.annualisation:
            found = figures(snapshot, session, wanted)
        measured = found.measurements
        return MetricsBody(
            session=session,
            state=found.row.state,
            metrics=[
                MetricBody(
                    one.name,
                    BY_NAME[one.name].label,
                    one.group,
                    one.unit,
                    one.value,
                    one.reason,
                    BY_NAME[one.name].definition,
                    BY_NAME[one.name].annualised,
                    BY_NAME[one.name].source,
                )
                for one in measured.metrics
            ],
            result=measured.by_group(),
            annualisation=measured.annualisation,
            returns=measured.returns,
            trades=len(found.trades),
            decision_hash=found.row.decision_hash,
        )

    return await house.reader.one(work, at)


@get("/api/sessions/{session:str}/report", media_type=MediaType.HTML)
async def session_report(
    session: SessionId, house: NamedDependency[House], at: NamedDependency[Moment]
) -> Response[str]:
    """One self-contained HTML page: equity, drawdown, prices with entries and exits, metrics, trades."""
    found = await house.reader.run(lambda snapshot: figures(snapshot, session), at)
    page = await report(found.value, house.market, house.verifications.found(session))
    response = answered(page, found.sequence, found.epoch, MediaType.HTML)
    response.headers["Content-Security-Policy"] = REPORT_POLICY
    return response


@post("/api/sessions/{session:str}/verify", status_code=200, opt={"role": "viewer"})
async def verify_session(
    session: SessionId, request: Request[Any, Any, Any], house: NamedDependency[House]
) -> Response[Verdict]:
    """Decide an ended session again from its log and compare every row: equal, or the first divergence.

    `equal` is null under other code than the session ran under: nothing can be said then.
    """
    await house.reader.check_session(session)
    extend(request.scope, house.verifications.settings.seconds_max + 10)
    verdict = await house.verifications.run(session)
    sequence, epoch = house.reader.now(Moment())
    return answered(verdict, sequence, epoch)


@post("/api/sessions/{session:str}/fork", status_code=200, opt={"role": "trader"})
async def fork_session(
    session: SessionId,
    data: JSONBody[ForkAsked],
    request: Request[Any, Any, Any],
    house: NamedDependency[House],
    key: Key = None,
) -> Response[CommandBody]:
    """Run the market rows of an ended session again, with other strategies, parameters or limits."""
    await house.reader.check_session(session)
    wish = ForkWish(
        strategies=tuple(one.wish() for one in data.strategies),
        limits=data.limits,
        params=data.params,
        timeframe=data.timeframe,
        seed=data.seed,
        with_commands=data.with_commands,
        name=data.name,
    )
    how = await start_fork(house, session, wish, user_of(request).user, key)
    return done(CommandBody(how.session, how.changed), how, house)


def _annualisation(
    usual: Annualisation, period: str | None, periods_per_year: float | None, quiet: Literal["hold", "skip"] | None
) -> Annualisation:
    """What was asked for, completed by what is usual for a session of this length."""
    found = of_period(PERIODS[period], closes=usual.quiet == "skip") if period else usual
    per_year = periods_per_year or found.periods_per_year
    return msgspec.structs.replace(found, periods_per_year=float(per_year), quiet=quiet or found.quiet)


HANDLERS = [session_metrics, session_report, verify_session, fork_session]
