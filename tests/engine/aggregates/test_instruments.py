"""Instruments: numbers are given once, by users, sources and imports alike, and are never another's."""

from __future__ import annotations

import asyncio

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import catalogue
from engine.aggregates.aggregate import REFUSALS, Asked
from engine.aggregates.answering import Answering
from engine.aggregates.instruments import Instruments, changed, check_details
from engine.catalogue import Catalogue, InstrumentForm
from engine.feeds.asset_types import asset_type_of
from events import codec, subjects
from events.clock import SystemClock
from events.errors import Conflict, InvalidInput, LimitReached, Unknown
from events.facts import Command, CommandAccepted, InstrumentRegistered, Place, SessionEnded, SessionStarted
from events.facts.catalogue import (
    ChangeInstrument,
    CreateInstrument,
    InstrumentChanges,
    InstrumentDetails,
    RemoveInstrument,
)
from events.memory_tape import MemoryTape
from tests.fixtures.waiting import until
from tests.projections.streams import spec

SYMBOLS = ("BTC_USDT", "AAPL", "@", "")


def commands() -> st.SearchStrategy[Command]:
    """Commands that are good, bad and out of order."""
    common = {"key": st.just("k"), "user": st.just("ann")}
    number = {**common, "number": st.integers(-1, 6)}
    fee = st.sampled_from((0.0, 0.001, 5.0, float("nan")))
    details = st.builds(InstrumentDetails, taker_fee_ratio=fee)
    changes = st.builds(InstrumentChanges, taker_fee_ratio=st.none() | fee, name=st.none() | st.just("A"))
    venue = st.sampled_from(("sim", "mexc"))
    return st.one_of(
        st.builds(CreateInstrument, symbol=st.sampled_from(SYMBOLS), venue=venue, details=details, **common),
        st.builds(ChangeInstrument, changes=changes, **number),
        st.builds(RemoveInstrument, **number),
    )


@given(st.lists(commands(), max_size=30))
def test_any_order_of_commands_leaves_a_good_catalogue(asked: list[Command]) -> None:
    """A number belongs to one symbol and venue for ever; a refusal changes nothing; facts alone give the same state."""
    aggregate, again = Instruments(), Instruments()
    owners: dict[int, tuple[str, str]] = {}
    for sequence, command in enumerate(asked, 1):
        before = (list(aggregate.catalogue.instruments), set(aggregate.catalogue.removed))
        try:
            outcome = aggregate.decide(command, Asked(sequence, sequence))
        except REFUSALS:
            assert (aggregate.catalogue.instruments, aggregate.catalogue.removed) == before
            continue
        for fact in outcome.facts:
            decoded = codec.decode(codec.encode(fact))
            aggregate.evolve(decoded, sequence, 0)  # type: ignore[arg-type]
            again.evolve(fact, sequence, 0)
        for number, one in enumerate(aggregate.catalogue.instruments, 1):
            assert one.number == number
            assert owners.setdefault(number, (one.symbol, one.venue)) == (one.symbol, one.venue)
            check_details(InstrumentDetails(taker_fee_ratio=one.taker_fee_ratio, name=one.name))
    assert len(set(owners.values())) == len(owners)
    assert again.catalogue.instruments == aggregate.catalogue.instruments
    assert again.catalogue.removed == aggregate.catalogue.removed


def create(symbol: str = "BTC_USDT", venue: str = "sim") -> CreateInstrument:
    """A command."""
    return CreateInstrument(key="k", user="ann", symbol=symbol, venue=venue, details=InstrumentDetails())


def act(aggregate: Instruments, command: Command) -> str:
    """Decide and fold; the id."""
    outcome = aggregate.decide(command, Asked(1, 1))
    for fact in outcome.facts:
        aggregate.evolve(fact, 1, 1)
    return outcome.id


def test_what_a_session_trades_stays() -> None:
    """It is refused until the session is over, whatever becomes of it; then it goes, and comes back as it was."""
    aggregate = Instruments()
    act(aggregate, create())
    remove = RemoveInstrument(key="k", user="ann", number=1)
    aggregate.evolve(SessionStarted(spec=spec("s1")), 2, 2)
    with pytest.raises(Conflict, match="s1"):
        aggregate.decide(remove, Asked(3, 3))
    ended = SessionEnded(
        session="s1", reason="stopped", inputs=0, place=Place(1, 0), decision_hash="", counts={}, equity=0.0, ended_ns=1
    )
    aggregate.evolve(ended, 4, 4)
    act(aggregate, remove)
    with pytest.raises(Unknown):
        aggregate.decide(remove, Asked(5, 5))
    with pytest.raises(Conflict, match="removed"):
        aggregate.catalogue.tradable(1)
    with pytest.raises(Unknown):
        aggregate.catalogue.find("BTC_USDT")
    assert act(aggregate, create("ETH_USDT")) == "2"
    assert act(aggregate, create()) == "1"
    assert aggregate.catalogue.tradable(1).symbol == "BTC_USDT"


def test_numbers_have_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """So many at most, those of removed ones included."""
    monkeypatch.setattr("engine.aggregates.instruments.INSTRUMENTS_MAX", 1)
    aggregate = Instruments()
    act(aggregate, create())
    act(aggregate, RemoveInstrument(key="k", user="ann", number=1))
    with pytest.raises(LimitReached):
        aggregate.decide(create("ETH_USDT"), Asked(2, 2))


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        (InstrumentChanges(price_step=float("inf")), "price_step"),
        (InstrumentChanges(maker_fee_ratio=-0.2), "maker_fee_ratio"),
        (InstrumentChanges(notional_min=-1.0), "notional_min"),
        (InstrumentChanges(asset_type="gold"), "type"),
        (InstrumentChanges(name="a\0"), "name"),
        (InstrumentChanges(primary_source="a b"), "primary_source"),
    ],
)
def test_details_that_cannot_be_name_their_field(changes: InstrumentChanges, field: str) -> None:
    """Every bound is told by the contract's name of the field."""
    with pytest.raises(InvalidInput) as error:
        check_details(changed(InstrumentDetails(), changes))
    assert error.value.field == field


async def test_sources_register_beside_it() -> None:
    """Users and sources at once: every number is given once, and everybody has theirs."""
    tape = MemoryTape()
    answering = Answering(tape.share(), SystemClock(), [Instruments()])
    await answering.start()

    async def source(name: str) -> list[int]:
        forms = [InstrumentForm(symbol=f"{name}{each}_USDT", venue="sim") for each in range(5)]
        numbers: list[int] = []
        for form in forms:
            numbers += (await catalogue.register(tape.share(), [form]))[1]
        return numbers

    async def user() -> None:
        for each in range(10):
            command = msgspec.structs.replace(create(f"U{each}_USDT"), key=f"key-{each}")
            await tape.append(codec.to_append(command, "tape.command.catalogue", f"command:{each}"))
            await asyncio.sleep(0)

    found = await asyncio.gather(source("A"), source("B"), user())

    def all_answered() -> bool:
        bodies = [codec.decode(each.body) for each in tape._store.messages]
        return len([one for one in bodies if isinstance(one, CommandAccepted)]) == 10

    await until(all_answered)
    await answering.close()
    whole = await catalogue.load(tape)
    assert [one.number for one in whole.instruments] == list(range(1, 21))
    assert len({(one.symbol, one.venue) for one in whole.instruments}) == 20
    for name, numbers in zip("AB", found[:2], strict=True):
        assert [whole.number(number).symbol for number in numbers or ()] == [f"{name}{each}_USDT" for each in range(5)]


async def test_a_source_of_a_removed_instrument_keeps_its_number() -> None:
    """Rows that still come are under the number they were; the instrument stays removed until a user brings it back."""
    tape = MemoryTape()
    form = InstrumentForm(symbol="BTC_USDT", venue="sim")
    _, first = await catalogue.register(tape, [form])
    aggregate = Instruments()
    aggregate.evolve(InstrumentRegistered(number=1, symbol="BTC_USDT", venue="sim", **EMPTY), 1, 1)
    [removed] = aggregate.decide(RemoveInstrument(key="k", user="ann", number=1), Asked(2, 2)).facts
    await tape.append(codec.to_append(removed, subjects.CATALOGUE, "removed"))
    whole, again = await catalogue.register(tape, [form])
    assert (first, again) == ([1], [1])
    assert whole.removed == {1}


EMPTY = {"asset_type": "crypto", "base": "", "quote": "", "price_step": 0.0, "quantity_step": 0.0}


@pytest.mark.parametrize(
    ("symbol", "kind"),
    [
        ("EURUSD", "forex"),
        ("EUR/USD", "forex"),
        ("XAUUSD", "forex"),
        ("BTC_USDT", "crypto"),
        ("BTCUSDT", "crypto"),
        ("BTCUSD", "crypto"),
        ("eth-btc", "crypto"),
        ("ETH-PERP", "perpetual"),
        ("BTCUSD_PERP", "perpetual"),
        ("AAPL", "equity"),
        ("BRK.B", "equity"),
        ("SPY", "equity"),
        ("US500", "index"),
        ("^GSPC", "index"),
        ("GER40.cash", "index"),
        ("something", ""),
        ("12345", ""),
        ("", ""),
    ],
)
def test_a_symbol_says_what_it_is(symbol: str, kind: str) -> None:
    """The form of a symbol tells currencies, crypto, shares and indices apart, or says nothing."""
    assert asset_type_of(symbol) == kind


def test_a_catalogue_folds_nothing_but_instruments() -> None:
    """Answers on its subject move its fence and nothing else."""
    fold = Catalogue()
    fold.evolve(CommandAccepted(key="k", cause=1), 7)
    assert (fold.instruments, fold.last) == ([], 7)
