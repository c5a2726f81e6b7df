"""Configuring strategies: what is wrong is said before anything is appended, as far as it can be known by then."""

from __future__ import annotations

from api.house import House
from api.reading.reader import Moment
from api.services.acting import Done, act
from api.services.learning import KINDS, check_kind
from engine.aggregates.strategies import changed, check_form, check_words, name_taken, new_form
from events.errors import Unknown
from events.facts.strategies import (
    ActivateStrategy,
    ChangeStrategy,
    CreateStrategy,
    DeactivateStrategy,
    RemoveStrategy,
    StrategyChanges,
    StrategyForm,
)
from projections.read_models.answers import PAGE_ROWS_MAX, Page
from projections.read_models.strategies import StrategyRow, strategies, strategy

Switch = type[ActivateStrategy] | type[DeactivateStrategy] | type[RemoveStrategy]


async def create(house: House, user: str, key: str | None, given: StrategyChanges) -> Done:
    """Configure a strategy.

    Raises:
        InvalidInput: a form that cannot be, with its field; nothing was appended.
        Conflict, LimitReached: see the aggregate.
        NotAvailable: a model would decide.
    """
    _check_kind(given, "")
    form = new_form(given, house.lookups.registry)
    check_form(form, house.lookups.registry)
    if key is None:
        await _check_free(house, form.name)
    return await act(house, user, key, lambda made: CreateStrategy(key=made, user=user, form=form))


async def change(house: House, user: str, key: str | None, row: StrategyRow, changes: StrategyChanges) -> Done:
    """Change one. Raises as `create`, and Unknown: it was removed."""
    _check_kind(changes, row.name)
    if row.state != "removed":
        form = changed(_form(row), changes, house.lookups.registry)
        check_form(form, house.lookups.registry)
        if key is None and form.name.casefold() != row.name.casefold():
            await _check_free(house, form.name)
    elif key is None:
        raise _gone(row.strategy)
    return await act(
        house, user, key, lambda made: ChangeStrategy(key=made, user=user, strategy=row.strategy, changes=changes)
    )


async def switch(house: House, user: str, key: str | None, name: str, what: Switch) -> Done:
    """Activate, deactivate or remove one. Raises Unknown."""
    row = await known(house, name)
    if key is None and row.state == "removed":
        raise _gone(name)
    return await act(house, user, key, lambda made: what(key=made, user=user, strategy=name))


# Without a key of the client's a command repeats nothing: what it would be refused for is said before it is appended.


def _check_kind(given: StrategyChanges, name: str) -> None:
    """Raises NotAvailable: a model would decide, and what is given can be; InvalidInput: it cannot be."""
    if given.kind in KINDS:
        words = {field: getattr(given, field) for field in ("symbols", "category", "tags", "description")}
        known = {field: value for field, value in words.items() if value is not None}
        check_words(StrategyForm(name=(name if given.name is None else given.name).strip(), kind=given.kind, **known))
        check_kind(given.kind)


def _gone(name: str) -> Unknown:
    return Unknown(f"Strategy not found: {name[:80]!r}. It was removed.", field="strategy_id")


async def _check_free(house: House, name: str) -> None:
    """Whether no other has a name, as far as is known by now. Raises Conflict."""
    rows = (await house.reader.run(lambda at: strategies(at, Page(limit=PAGE_ROWS_MAX)).rows, Moment())).value
    for row in rows:
        if row.name.casefold() == name.casefold():
            raise name_taken(row.name, row.strategy)


async def known(house: House, name: str) -> StrategyRow:
    """One that is there or was; one that was created just now is waited for. Raises Unknown."""
    try:
        return await _find(house, name)
    except Unknown:
        await house.reader.wait_until((await house.tape.info()).last)
        return await _find(house, name)


async def as_told(house: House, done: Done) -> StrategyRow:
    """One as a command left it, read back. Raises ReadModelUnavailable."""
    await house.reader.wait_until(done.sequence)
    return await _find(house, done.id)


async def _find(house: House, name: str) -> StrategyRow:
    answer = await house.reader.run(lambda snapshot: strategy(snapshot, name, removed=True), Moment())
    return answer.value


def _form(row: StrategyRow) -> StrategyForm:
    return StrategyForm(**{name: getattr(row, name) for name in StrategyForm.__struct_fields__})
