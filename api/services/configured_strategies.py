"""Configuring strategies: what is wrong is said before anything is appended, as far as it can be known by then."""

from __future__ import annotations

from api.house import House
from api.reading.reader import Moment
from api.services.acting import Done, act
from engine.aggregates.strategies import changed, check_form, new_form
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
from projections.read_models.strategies import StrategyRow, strategy

Switch = type[ActivateStrategy] | type[DeactivateStrategy] | type[RemoveStrategy]


async def create(house: House, user: str, key: str | None, given: StrategyChanges) -> Done:
    """Configure a strategy.

    Raises:
        InvalidInput: a form that cannot be, with its field; nothing was appended.
        Conflict, LimitReached: see the aggregate.
    """
    form = new_form(given, house.lookups.registry)
    check_form(form, house.lookups.registry)
    return await act(house, user, key, lambda made: CreateStrategy(key=made, user=user, form=form))


async def change(house: House, user: str, key: str | None, row: StrategyRow, changes: StrategyChanges) -> Done:
    """Change one. Raises as `create`, and Unknown: it was removed."""
    if row.state != "removed":
        check_form(changed(_form(row), changes, house.lookups.registry), house.lookups.registry)
    return await act(
        house, user, key, lambda made: ChangeStrategy(key=made, user=user, strategy=row.strategy, changes=changes)
    )


async def switch(house: House, user: str, key: str | None, name: str, what: Switch) -> Done:
    """Activate, deactivate or remove one. Raises Unknown."""
    await known(house, name)
    return await act(house, user, key, lambda made: what(key=made, user=user, strategy=name))


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
