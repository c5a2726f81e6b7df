"""Registering instruments: any number, under any name that can be used."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine import catalogue
from engine.catalogue import InstrumentForm
from engine.feeds.errors import BadMapping
from events.memory_tape import MemoryTape
from tests.engine.feeds.small_files import feed_of

MANY = 1_203  # more than two batches of the tape


async def test_more_instruments_than_a_batch_holds() -> None:
    """A file of many instruments is registered in parts, once, in its order."""
    tape = MemoryTape()
    forms = [InstrumentForm(symbol=f"S{number}", venue="V") for number in range(MANY)]
    known, numbers = await catalogue.register(tape, forms)
    assert numbers == list(range(1, MANY + 1))
    assert (await catalogue.register(tape, forms))[1] == numbers
    assert (await tape.info()).messages == len(known.instruments) == MANY


async def test_registering_goes_on_after_a_part() -> None:
    """Who was killed between two parts gives the rest the next numbers."""
    tape = MemoryTape()
    forms = [InstrumentForm(symbol=f"S{number}", venue="V") for number in range(700)]
    await catalogue.register(tape, forms[:500])
    assert (await catalogue.register(tape, forms))[1] == list(range(1, 701))


async def test_names_are_no_part_of_an_id() -> None:
    """A venue with a blank is registered like any other."""
    _, numbers = await catalogue.register(MemoryTape(), [InstrumentForm(symbol="ES", venue="CME Globex")])
    assert numbers == [1]


async def test_who_registers_an_instrument_first_is_its_primary_source() -> None:
    """Who brought an instrument is read where no source is named; an import is not, and a second takes nothing over."""
    tape = MemoryTape()
    forms = [InstrumentForm(symbol=symbol, venue="V") for symbol in ("FILED", "LIVE")]
    await catalogue.register(tape, forms[:1])
    await catalogue.register(tape, forms, "first")
    known, _ = await catalogue.register(tape, forms, "second")
    assert [one.primary_source for one in known.instruments] == ["", "first"]


@pytest.mark.parametrize("symbol", ["AST BTC", "ÄST/BTC", "-x", "S" * 65])
def test_symbols_that_cannot_be_used_are_refused(symbol: str, tmp_path: Path) -> None:
    """A symbol with a blank or a letter outside ASCII is refused by name, before anything is appended."""
    path = tmp_path / "AST_2018-09-07_15.30.csv"
    quoted = f'"{symbol}"'
    path.write_text(
        f"symbol,timestamp,datetime,side,price,amount,btc_volume\n{quoted},1535297434173,x,buy,1.5,4.0,5.7\n",
        encoding="utf-8",
    )
    with pytest.raises(BadMapping, match=r"The symbol in .* is ") as refused:
        feed_of(path).survey()
    assert refused.value.field == "symbol"
