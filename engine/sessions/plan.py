"""From what a user asks to what the loop reads: a pure function, the same for the API and the command line."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping

import msgspec
from msgspec import UNSET, UnsetType

from engine.aggregates.strategies import ConfiguredStrategy
from engine.catalogue import Catalogue, terms
from engine.recordings.shelf import Recording, Shelf
from engine.sessions.allocations import check_cap, shares_of
from engine.sessions.limits import check_limits
from engine.sessions.offers import Offer, Sources, chosen, offer_of, offer_of_terms
from engine.strategies.strategy import TRADES
from events.errors import Conflict, InvalidInput, NotAvailable, Unknown
from events.facts import (
    InstrumentTerms,
    Place,
    SessionInput,
    SessionLimits,
    SessionMode,
    SessionSpec,
    StrategySetting,
)
from events.facts.timeframes import TIMEFRAME_NS, Timeframe

SYMBOLS_MAX = 256
STRATEGIES_MAX = 16
LANES_MAX = 512
GRID_MAX = 10_000
NAME_MAX = 128  # characters of a name for people
LATER_LIMITS = ("daily_loss_ratio", "position_risk_ratio")  # of no weight in a hash where they are 0

Params = dict[str, float | int | bool]
# (strategy id, given parameters) -> all parameters; raises Unknown or InvalidInput with the field named.
Resolve = Callable[[str, Mapping[str, object]], Params]
# strategy ids in order, and whether one of them decides on bars of a timeframe -> hash of the loop that runs them
CodeHash = Callable[[tuple[str, ...], bool], str]
# strategy id -> kinds of market rows that its kernel sees, bit k for kind k; raises Unknown
Kinds = Callable[[str], int]
# (strategy id, all parameters, length of a bar in ns) -> why it never signals on such bars; "": it may
Unseen = Callable[[str, Params, int], str]


class StrategyWish(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One strategy, or one that is configured, with the parameters that differ from its own."""

    strategy: str
    params: dict[str, float | int | bool] = {}
    allocation_ratio: float = 0.0  # 0: an equal share
    symbols: tuple[str, ...] = ()
    direction: str = ""  # narrower than the strategy's own
    configured: str = ""  # `configured_wishes` sets it
    timeframe: Timeframe | UnsetType = UNSET  # of the bars it decides on; not written where it is not given


class SessionWish(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a user asks for."""

    mode: SessionMode
    symbols: tuple[str, ...] = ()  # or SYMBOL@VENUE; empty: all of the recording or source
    strategies: tuple[StrategyWish, ...] = ()
    recording: str | None = None
    first: Place | None = None  # of a part of the recording; None: from its beginning
    last: Place | None = None  # None: to its end
    source: str | None = None
    acceleration: float = 0.0
    limits: SessionLimits = SessionLimits()
    seed: int = 0
    name: str = ""
    grid: tuple[dict[str, float | int | bool], ...] = ()


class Library(msgspec.Struct, frozen=True):
    """All that a plan looks things up in."""

    catalogue: Catalogue
    shelf: Shelf
    sources: Sources
    resolve: Resolve
    code_hash: CodeHash
    kinds: Kinds
    unseen: Unseen
    configured: Mapping[str, ConfiguredStrategy] = {}


def plan(wish: SessionWish, session: str, user: str, library: Library) -> SessionSpec:
    """The session as the loop will read it.

    Raises:
        InvalidInput, Unknown: with the field at fault.
        Conflict: the recording is not complete.
        NotAvailable: a live session; no venue is configured.
    """
    body_hash = hash_of(wish)
    wish = msgspec.structs.replace(wish, strategies=configured_wishes(wish.strategies, wish.mode, library))
    _check(wish)
    recording = _recording(wish, library)
    source = recording.opened.source if recording else _source(wish, library)
    offer = offer_of(recording) if recording else library.sources.offer(source)
    instruments = tuple(terms(one) for one in chosen(wish.symbols, offer, library.catalogue))
    if wish.mode != "collect":
        check_currency(instruments)
    strategies = settings_of(wish.strategies, instruments, library)
    grid = tuple(_grid_row(row, at, strategies, library) for at, row in enumerate(wish.grid))
    if wish.mode == "live":  # behind all that would be refused of a paper session too
        raise NotAvailable(
            "Live sessions need a venue, and none is configured.",
            code="NO_VENUE",
            field="mode",
            hint="Run the same configuration as a paper session.",
        )
    return SessionSpec(
        session=session,
        mode=wish.mode,
        user=user,
        input=_input(wish, recording, source),
        instruments=instruments,
        strategies=strategies,
        limits=wish.limits,
        seed=wish.seed,
        code_hash=code_hash_of(strategies, library) if strategies else "",
        designated=recording.opened.designated if recording else "event",
        body_hash=body_hash,
        research=wish.mode == "backtest",
        grid=grid,
        name=wish.name,
    )


def code_hash_of(strategies: tuple[StrategySetting, ...], library: Library) -> str:
    """Hash of the loop that runs the strategies of a session."""
    return library.code_hash(tuple(one.strategy for one in strategies), any(one.timeframe for one in strategies))


def hash_of(wish: SessionWish) -> str:
    """Hash of what was asked for, whatever configured strategies it names are by now.

    Limits that came later count where they are set: the hashes of before stand.
    """
    body = msgspec.to_builtins(wish)
    for name in LATER_LIMITS:
        if not body["limits"][name]:
            del body["limits"][name]
    return hashlib.blake2b(msgspec.json.encode(body), digest_size=16).hexdigest()


def check_currency(instruments: tuple[InstrumentTerms, ...]) -> None:
    """All are quoted in one currency, the account's. Raises InvalidInput."""
    quotes = sorted({one.quote for one in instruments})
    if len(quotes) > 1:
        raise InvalidInput(
            f"A session has one account currency; these symbols are quoted in {', '.join(quotes)}.", field="symbols"
        )


def _check(wish: SessionWish) -> None:
    if wish.mode != "collect" and not wish.strategies:
        raise InvalidInput("Name at least one strategy.", field="strategies")
    for field, count, most in (("symbols", len(wish.symbols), SYMBOLS_MAX), ("grid", len(wish.grid), GRID_MAX)):
        if count > most:
            raise InvalidInput(f"{field} has {count} entries; it has at most {most}.", code="TOO_LARGE", field=field)
    if len(set(wish.symbols)) < len(wish.symbols):
        raise InvalidInput("A symbol is named twice.", field="symbols")
    if wish.grid and wish.mode != "backtest":
        raise InvalidInput("Only a backtest runs a grid of parameters.", field="grid")
    if wish.mode == "collect" and wish.recording:
        message = "A collect session records a source; what is recorded is replayed by a backtest or on paper."
        raise InvalidInput(message, field="recording")
    if wish.mode == "backtest" and not wish.recording:
        raise InvalidInput("A backtest needs the recording it replays.", field="recording")
    if wish.recording and wish.source:
        raise InvalidInput("Name a recording or a source, not both.", field="source")
    if not (math.isfinite(wish.acceleration) and 0 <= wish.acceleration <= 1e9):
        raise InvalidInput("acceleration is a number from 0 to 1e9.", field="acceleration")
    check_seed(wish.seed)
    check_name(wish.name)
    check_limits(wish.limits)
    check_cap(tuple(one.allocation_ratio for one in wish.strategies), wish.limits.global_cap)


def check_seed(seed: int) -> None:
    """A seed fits the generator's counter. Raises InvalidInput."""
    if not 0 <= seed < 2**63:
        raise InvalidInput("seed is a whole number from 0 to 2^63 - 1.", field="seed")


def check_name(name: str) -> None:
    """A name for people is short, and shows as it is. Raises InvalidInput."""
    if len(name) > NAME_MAX or not name.isprintable():
        raise InvalidInput(f"name has over {NAME_MAX} characters or unprintable ones.", field="name")


def _recording(wish: SessionWish, library: Library) -> Recording | None:
    if not wish.recording:
        return None
    recording = library.shelf.find(wish.recording)
    recording.whole()
    return recording


def _source(wish: SessionWish, library: Library) -> str:
    known = library.sources.symbols
    if wish.source:
        if wish.source not in known:
            listed = ", ".join(known) or "none"
            raise InvalidInput(f"There is no source {wish.source!r}. Configured or running: {listed}.", field="source")
        return wish.source
    source = library.sources.with_symbols(wish.symbols, library.catalogue)
    if source is None:
        listed = ", ".join(f"{name} ({', '.join(has)})" for name, has in known.items()) or "none"
        raise InvalidInput(
            f"No source has {', '.join(wish.symbols) or 'these symbols'}. Sources: {listed}.",
            field="symbols",
            hint="Name a recording to trade recorded data, or configure a source.",
        )
    return source


def settings_of(
    wishes: tuple[StrategyWish, ...], instruments: tuple[InstrumentTerms, ...], library: Library
) -> tuple[StrategySetting, ...]:
    """The strategies of a session on these instruments, with all their parameters.

    Raises:
        InvalidInput, Unknown: with the field at fault.
    """
    if len(wishes) > STRATEGIES_MAX:
        raise InvalidInput(f"At most {STRATEGIES_MAX} strategies.", code="TOO_LARGE", field="strategies")
    if len({one.strategy for one in wishes}) < len(wishes):
        why = "Two are of one kind; a session runs each kind once." if any(one.configured for one in wishes) else ""
        raise InvalidInput(f"A strategy is named twice. {why}".strip(), field="strategies")
    if len(wishes) * len(instruments) > LANES_MAX:
        message = f"{len(wishes)} strategies on {len(instruments)} symbols are more than {LANES_MAX} lanes."
        raise InvalidInput(message, field="symbols")
    shares = shares_of(tuple(one.allocation_ratio for one in wishes))
    offer = offer_of_terms("The session", instruments)
    return tuple(_setting(one, at, shares[at], offer, library) for at, one in enumerate(wishes))


def _setting(one: StrategyWish, at: int, share: float, offer: Offer, library: Library) -> StrategySetting:
    params = resolved(one.strategy, one.params, (f"strategies[{at}].strategy", f"strategies[{at}].params"), library)
    timeframe = one.timeframe or ""
    check_timeframe(one.strategy, params, timeframe, f"strategies[{at}].timeframe", library)
    return StrategySetting(
        strategy=one.strategy,
        params=params,
        allocation_ratio=share,
        symbols=_own_symbols(one, at, offer, library.catalogue),
        direction=one.direction,
        configured=one.configured,
        timeframe=timeframe,
    )


def resolved(strategy: str, given: Params, fields: tuple[str, str], library: Library) -> Params:
    """All parameters of a strategy; `fields` are the dotted names of it and of its parameters in the body.

    Raises:
        InvalidInput: with the dotted name of the parameter. Unknown: there is no such strategy.
    """
    try:
        return library.resolve(strategy, given)
    except InvalidInput as error:
        raise error.at(f"{fields[1]}.{error.field}" if error.field else fields[1]) from None
    except Unknown as error:
        raise error.at(fields[0]) from None


def check_timeframe(strategy: str, params: Params, timeframe: Timeframe, field: str, library: Library) -> None:
    """Whether a strategy can decide on bars of a timeframe; "" is none.

    Raises:
        InvalidInput: its kernel sees other rows than trades, or under these parameters nothing in such bars.
    """
    if not timeframe:
        return
    if library.kinds(strategy) != TRADES:
        raise InvalidInput(
            f"{strategy} decides on quotes, the book or the clock: of those no bars are made.",
            field=field,
            hint="Leave the timeframe out.",
        )
    if why := library.unseen(strategy, params, TIMEFRAME_NS[timeframe]):
        raise never_signals(strategy, timeframe, why, field)


def never_signals(strategy: str, length: str, why: str, field: str) -> InvalidInput:
    """The error of bars, of this length in words, that cannot show what a strategy looks for."""
    return InvalidInput(
        f"{strategy} never signals on bars of {length}: {why}.",
        code="TIMEFRAME_TOO_LONG",
        field=field,
        hint="Name trades or shorter bars, set these parameters for bars, or name another strategy.",
    )


def _own_symbols(one: StrategyWish, at: int, offer: Offer, catalogue: Catalogue) -> tuple[str, ...]:
    """Where a strategy trades. A configured one leaves out what the session has not."""
    field = f"strategies[{at}].symbols"
    named = tuple(dict.fromkeys(offer.plain(symbol, catalogue, field) for symbol in one.symbols))
    mine = tuple(symbol for symbol in named if symbol in offer.symbols)
    if len(mine) < len(named) and not (one.configured and mine):
        missing = ", ".join(symbol for symbol in named if symbol not in offer.symbols)
        name = one.configured or one.strategy
        raise InvalidInput(f"{name} names {missing}, which the session has not.", field=field)
    return mine


def configured_wishes(
    wishes: tuple[StrategyWish, ...], mode: SessionMode, library: Library
) -> tuple[StrategyWish, ...]:
    """Configured strategies as the kind that they are, with their parameters under those that the wish names.

    What was resolved once stays as it is.

    Raises:
        Conflict: one of them is not active, and the session is to trade a market of now.
    """
    return tuple(_configured_wish(one, mode, library.configured.get(one.strategy)) for one in wishes)


def _configured_wish(one: StrategyWish, mode: SessionMode, found: ConfiguredStrategy | None) -> StrategyWish:
    if found is None or one.configured:
        return one
    if mode in ("paper", "live") and not found.active:
        raise Conflict(
            f"Strategy {found.id} is not active.",
            code="STRATEGY_INACTIVE",
            field="strategies",
            hint="Activate it first; a backtest may run it as it is.",
        )
    form = found.form
    return StrategyWish(
        strategy=form.kind,
        params={**form.params, **one.params},
        allocation_ratio=one.allocation_ratio,
        symbols=one.symbols or form.symbols,
        direction=form.direction,
        configured=found.id,
        timeframe=form.timeframe if one.timeframe is UNSET else one.timeframe,
    )


def _grid_row(row: Params, at: int, strategies: tuple[StrategySetting, ...], library: Library) -> Params:
    if len(strategies) != 1:
        raise InvalidInput("A sweep runs one strategy.", field="strategies")
    only = strategies[0]
    try:
        return resolved(only.strategy, {**only.params, **row}, ("strategies", f"grid[{at}]"), library)
    except InvalidInput as error:
        raise InvalidInput(f"Grid row {at}: {error.message}", field=error.field) from None


def _input(wish: SessionWish, recording: Recording | None, source: str) -> SessionInput:
    if recording is None:
        return SessionInput(source=source)
    whole = recording.whole()
    return SessionInput(
        source=source,
        recording=recording.id,
        acceleration=wish.acceleration,
        first=wish.first or whole.first,
        last=wish.last or whole.last,
    )
