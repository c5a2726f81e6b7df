"""Contract 003: orders by hand to a running paper session, and what was executed."""

from __future__ import annotations

from typing import Annotated, Any, Literal, NamedTuple

import msgspec
from litestar import Request, Response, get, post
from litestar.di import NamedDependency, Provide
from litestar.params import JSONBody, QueryParameter
from msgspec import UNSET, Meta, UnsetType

from api.access import user_of
from api.house import House
from api.monitoring.signals import CursorText, Limit, Since
from api.orders import NUMBER_MAX, OrderAsked, OrderFate, Price, check, fate_of
from api.reading.asking import TEXT_MAX, Symbol, ns_of
from api.reading.reader import Moment
from api.reading.wording import instant
from api.services.acting import act, check_command, key_of_part
from api.services.symbols import registered, traded
from api.session_control import Key, done
from events.errors import Conflict, ReadModelUnavailable, Unknown
from events.facts import ChooseSession, SubmitOrder
from projections.duckdb.store import Snapshot
from projections.read_models.answers import Cursor, Page, Scope, cursor_of
from projections.read_models.fills import FillRow, newest_fills
from projections.read_models.sessions import STATES_OVER, SessionFilter, sessions
from projections.read_models.sessions import session as session_row
from projections.read_models.sessions import spec as session_spec

SESSIONS_MAX = 64  # running ones of a user, whose symbols an order may mean
SessionQuery = Annotated[str | None, QueryParameter(description="only of this session", max_length=TEXT_MAX)]


class ExecutionAsked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An order. Prices in quote currency; of a trailing stop `stop_price` is its distance."""

    symbol: Annotated[str, Meta(min_length=1, max_length=TEXT_MAX)]
    side: Literal["buy", "sell"]
    quantity: Annotated[float, Meta(gt=0, le=NUMBER_MAX, description="base units")]
    type: Literal["market", "limit", "stop", "stop_limit", "trailing"] = "market"
    price: Price = 0.0
    stop_price: Price = 0.0
    time_in_force: Literal["GTC", "IOC", "FOK"] = "GTC"
    session_id: Annotated[
        str, Meta(max_length=TEXT_MAX, description="your newest running paper session that trades the symbol, if empty")
    ] = ""


class Submitted(OrderFate, frozen=True, kw_only=True):
    """An order that its session met. Its executions are told by the session."""

    session_id: str
    symbol: str
    side: str
    quantity: float
    type: str
    orders: Annotated[str, Meta(description="where the session's orders are")]


class Execution(msgspec.Struct, frozen=True):
    """One fill. Money in quote currency, quantity in base units."""

    id: str
    session_id: str
    order: Annotated[int, Meta(description="number of the order within its session")]
    strategy: str
    symbol: str
    side: str
    price: float
    quantity: float
    fee: float
    realized: Annotated[float, Meta(description="profit of what it closed, before fees")]
    maker: bool
    time: str | None
    sequence: Annotated[int, Meta(description="of its message on the tape")]


class Executions(msgspec.Struct, frozen=True):
    """A page of executions, the newest on the tape first. `nextCursor` is not there on the last page."""

    executions: list[Execution]
    total: Annotated[int, Meta(description="executions of all pages")]
    nextCursor: str | UnsetType = UNSET  # noqa: N815 - as that of signals


@post("/api/executions", status_code=200, opt={"role": "trader"})
async def submit(
    data: JSONBody[ExecutionAsked], request: Request[Any, Any, Any], house: NamedDependency[House], key: Key = None
) -> Response[Submitted]:
    """Submit an order by hand to a running paper session; the newest of yours that trades the symbol unless named."""
    user, text = user_of(request).user, data.symbol
    order = OrderAsked(text, data.side, data.quantity, data.type, data.price, data.stop_price, data.time_in_force)
    check(order)
    if not data.session_id:
        one, (_, parted, venue) = await registered(house, text, await _traded_by(house, user)), text.partition("@")
        text = f"{one.symbol}{parted}{venue}"
    session = data.session_id or await _chosen(house, user, text, key)
    await check_command(house, user_of(request), session, "session_id")
    symbol = await traded(house, session, text)
    order = msgspec.structs.replace(order, symbol=symbol)
    if key is None:
        await _check_takes(house, session, symbol)
    how = await act(
        house,
        user,
        key,
        lambda made: SubmitOrder(key=made, user=user, session=session, **msgspec.structs.asdict(order)),
    )
    where = f"/api/sessions/{session}/orders"
    body = Submitted(
        session_id=session,
        symbol=symbol,
        side=data.side,
        quantity=data.quantity,
        type=data.type,
        orders=where,
        **fate_of(how),
    )
    return done(body, how, house)


async def _check_takes(house: House, session: str, symbol: str) -> None:
    """Whether a session takes orders of a symbol: said before anything is appended, where nothing can be a repeat.

    Raises:
        Conflict: it is over. Unknown: it does not trade the symbol.
    """

    def look(snapshot: Snapshot) -> tuple[str, set[str]]:
        traded = {terms.symbol for terms in session_spec(snapshot, session).instruments}
        return session_row(snapshot, session).state, traded

    state, traded = (await house.reader.run(look, Moment())).value
    if state in STATES_OVER:
        raise Conflict(f"Session {session} is {state}: it takes no orders.", field="session_id")
    if symbol not in traded:
        raise Unknown(f"Session {session} does not trade {symbol}.", field="symbol")


class Walk(NamedTuple):
    """Which executions, from where on."""

    scope: Scope
    cursor: Cursor | None
    limit: int


def provide_walk(
    limit: Limit = 50,
    cursor: CursorText = None,
    symbol: Symbol = None,
    session_id: SessionQuery = None,
    since: Since = None,
) -> Walk:
    """Which executions a query asks for."""
    return Walk(Scope(session=session_id, symbol=symbol, from_ns=ns_of(since, "since")), cursor_of(cursor), limit)


@get("/api/executions")
async def list_executions(
    house: NamedDependency[House], at: NamedDependency[Moment], walk: NamedDependency[Walk]
) -> Response[Executions]:
    """Fills of live and paper sessions, or of one session of any mode."""

    def work(snapshot: Snapshot) -> Executions:
        try:
            found = newest_fills(snapshot, *walk)
        except Unknown as error:
            raise error.at("session_id") from None
        following: str | UnsetType = UNSET if found.next is None else str(found.next)
        return Executions([_execution(row) for row in found.rows], found.total, following)

    return await house.reader.one(work, at)


async def _chosen(house: House, user: str, text: str, key: str | None) -> str:
    """The user's newest running paper session of a symbol; under the same key the same, however late.

    Raises Conflict: there is none; or as `act`.
    """
    if key is None:  # nobody can repeat it: what is refused need not be remembered
        return await _newest(house, user, text)
    part, (symbol, number) = key_of_part(key, "session"), await registered(house, text)
    how = await act(
        house,
        user,
        part,
        lambda made: ChooseSession(key=made, user=user, symbol=symbol, instrument=number or 0),
    )
    return how.session


async def _traded_by(house: House, user: str) -> list[str]:
    """Symbols of the user's running paper sessions, as far as it is known now."""
    page = Page(limit=SESSIONS_MAX, newest_first=True)
    try:
        found = await house.reader.run(lambda snapshot: sessions(snapshot, _running(user), page).rows, Moment())
    except ReadModelUnavailable:
        return []
    return [symbol for row in found.value for symbol in row.symbols]


def _running(user: str, symbol: str | None = None) -> SessionFilter:
    return SessionFilter(user=user, modes=("paper",), states=("running",), symbol=symbol)


async def _newest(house: House, user: str, symbol: str) -> str:
    """The user's newest running paper session of SYMBOL or SYMBOL@VENUE. Raises Conflict."""
    wanted = _running(user, symbol)
    moment = await house.reader.moment(None, str((await house.tape.info()).last))
    found = await house.reader.run(
        lambda snapshot: sessions(snapshot, wanted, Page(limit=1, newest_first=True)), moment
    )
    if not found.value.rows:
        raise Conflict(
            f"No running paper session of yours trades {symbol[:64]!r}.",
            code="NO_RUNNING_SESSION",
            field="symbol",
            hint="Start one by POST /sessions/start, or name another by session_id.",
        )
    return found.value.rows[0].session


def _execution(row: FillRow) -> Execution:
    return Execution(
        id=f"{row.session}-{row.ordinal}",
        session_id=row.session,
        order=row.order,
        strategy=row.strategy,
        symbol=row.symbol,
        side=row.side,
        price=row.price,
        quantity=row.quantity,
        fee=row.fee,
        realized=row.realized,
        maker=row.maker,
        time=instant(row.ts_event_ns),
        sequence=row.sequence,
    )


DEPENDENCIES = {"walk": Provide(provide_walk, sync_to_thread=False)}
HANDLERS = [submit, list_executions]
