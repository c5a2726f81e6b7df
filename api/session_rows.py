"""What a session decided: signals, orders, fills, denials, trades, positions and equity, page by page."""

from __future__ import annotations

from typing import Annotated

from litestar import Response, get
from litestar.di import NamedDependency
from litestar.params import PathParameter, QueryParameter

from api.house import House
from api.reading.asking import TEXT_MAX, SessionId
from api.reading.reader import Listing, Moment
from api.session_bodies import (
    DENIAL,
    FILL,
    MARK,
    ORDER,
    POSITION,
    SIGNAL,
    TRADE,
    DenialPage,
    FillPage,
    MarkBody,
    MarkPage,
    OrderPage,
    PositionPage,
    SignalPage,
    TradePage,
)
from projections.duckdb.store import Snapshot
from projections.read_models import denials, equity, fills, orders, positions, signals, trades
from projections.read_models.answers import Page, Scope

OrderNumber = Annotated[int, PathParameter(ge=1, le=2**53, description="number of an order within its session")]


@get("/api/sessions/{session:str}/signals")
async def session_signals(
    house: NamedDependency[House], at: NamedDependency[Moment], of: NamedDependency[Scope], page: NamedDependency[Page]
) -> Response[SignalPage]:
    """What the strategies said, in order."""
    return await house.reader.page(lambda snapshot: signals.signals(snapshot, of, page), SIGNAL, at, page)


@get("/api/sessions/{session:str}/orders")
async def session_orders(
    house: NamedDependency[House],
    at: NamedDependency[Moment],
    of: NamedDependency[Scope],
    page: NamedDependency[Page],
    status: Annotated[str, QueryParameter(description="statuses, comma-separated", max_length=TEXT_MAX)] = "",
    working: Annotated[bool, QueryParameter(description="only what may still be filled")] = False,
) -> Response[OrderPage]:
    """The newest step of every order."""
    statuses = [part for part in status.split(",") if part]
    return await house.reader.page(
        lambda snapshot: orders.orders(snapshot, of, page, statuses=statuses, working=working), ORDER, at, page
    )


@get("/api/sessions/{session:str}/orders/{order_number:int}")
async def session_order(
    session: SessionId,
    order_number: OrderNumber,
    house: NamedDependency[House],
    at: NamedDependency[Moment],
    page: NamedDependency[Page],
) -> Response[OrderPage]:
    """Every step of one order."""
    return await house.reader.page(
        lambda snapshot: orders.order_history(snapshot, session, order_number, page), ORDER, at, page
    )


@get("/api/sessions/{session:str}/fills")
async def session_fills(
    house: NamedDependency[House],
    at: NamedDependency[Moment],
    of: NamedDependency[Scope],
    page: NamedDependency[Page],
    of_order: Annotated[
        int | None, QueryParameter(name="order_number", ge=1, le=2**53, description="only of this order")
    ] = None,
) -> Response[FillPage]:
    """Executions, in order."""
    return await house.reader.page(lambda snapshot: fills.fills(snapshot, of, page, of_order), FILL, at, page)


@get("/api/sessions/{session:str}/denials")
async def session_denials(
    house: NamedDependency[House], at: NamedDependency[Moment], of: NamedDependency[Scope], page: NamedDependency[Page]
) -> Response[DenialPage]:
    """Orders that our own risk check refused, with what was exceeded."""
    return await house.reader.page(lambda snapshot: denials.denials(snapshot, of, page), DENIAL, at, page)


@get("/api/sessions/{session:str}/trades")
async def session_trades(
    house: NamedDependency[House], at: NamedDependency[Moment], of: NamedDependency[Scope], page: NamedDependency[Page]
) -> Response[TradePage]:
    """Ended trades in the order of their ends; `start` and `end` bound the time of exit."""
    return await house.reader.page(lambda snapshot: trades.trades(snapshot, of, page), TRADE, at, page)


@get("/api/sessions/{session:str}/positions")
async def session_positions(
    house: NamedDependency[House],
    at: NamedDependency[Moment],
    of: NamedDependency[Scope],
    page: NamedDependency[Page],
    open_only: Annotated[bool, QueryParameter(description="without flat lanes")] = False,
) -> Response[PositionPage]:
    """What each lane holds that has filled something."""
    return await house.reader.page(
        lambda snapshot: positions.positions(snapshot, of, page, open_only=open_only), POSITION, at, page
    )


@get("/api/sessions/{session:str}/equity")
async def session_equity(
    house: NamedDependency[House],
    at: NamedDependency[Moment],
    of: NamedDependency[Scope],
    page: NamedDependency[Page],
    points: Annotated[
        int | None,
        QueryParameter(ge=2, le=equity.POINTS_MAX, description="the whole curve thinned to this many marks, unpaged"),
    ] = None,
) -> Response[MarkPage]:
    """The account's worth after each fill and at each interval of event time."""
    session = of.session or ""
    if points is None:
        return await house.reader.page(lambda snapshot: equity.equity(snapshot, session, page, of), MARK, at, page)

    def work(snapshot: Snapshot) -> Listing[MarkBody]:
        rows = [MARK(row) for row in equity.equity_curve(snapshot, session, points, of)]
        return Listing(rows, len(rows), points, 0, None)

    return await house.reader.one(work, at)


HANDLERS = [
    session_signals,
    session_orders,
    session_order,
    session_fills,
    session_denials,
    session_trades,
    session_positions,
    session_equity,
]
