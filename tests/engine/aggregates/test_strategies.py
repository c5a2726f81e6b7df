"""Configured strategies: whatever is asked in whatever order, names stay one each and ids are never given twice."""

from __future__ import annotations

from functools import cache

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.aggregates.aggregate import REFUSALS, Asked
from engine.aggregates.strategies import Strategies, check_form, new_form
from engine.strategies.registry import Registry, discover
from events import codec
from events.errors import Conflict, InvalidInput, LimitReached, Unknown
from events.facts import Command, Fact
from events.facts.strategies import (
    ActivateStrategy,
    ChangeStrategy,
    CreateStrategy,
    DeactivateStrategy,
    RemoveStrategy,
    StrategyChanges,
    StrategyForm,
)

NAMES = ("One", "one", "two", "Über 3", "--")
IDS = ("one-1", "one-2", "two-1", "strategy-1", "ber-3-1")


@cache
def kinds() -> Registry:
    """The built-in ones."""
    return discover()


def commands() -> st.SearchStrategy[Command]:
    """Commands that are good, bad, repeated and out of order."""
    changes = st.builds(
        StrategyChanges,
        name=st.none() | st.sampled_from(NAMES),
        kind=st.none() | st.sampled_from(("ema_cross", "pump_v2", "nosuch")),
        params=st.none() | st.dictionaries(st.sampled_from(("fast", "slow", "x")), st.none() | st.integers(-1, 300)),
        direction=st.none() | st.sampled_from(("long", "short", "both")),
    )
    common = {"key": st.just("k"), "user": st.just("ann")}
    named = {**common, "strategy": st.sampled_from(IDS)}
    form = st.builds(StrategyForm, name=st.sampled_from(NAMES), kind=st.sampled_from(("ema_cross", "breakout")))
    return st.one_of(
        st.builds(CreateStrategy, form=form, **common),
        st.builds(ChangeStrategy, changes=changes, **named),
        *(st.builds(kind, **named) for kind in (ActivateStrategy, DeactivateStrategy, RemoveStrategy)),
    )


def act(aggregate: Strategies, command: Command, sequence: int) -> tuple[Fact, ...] | str:
    """Decide twice, as two processes do, and fold what follows; the code of a refusal."""
    asked = Asked(sequence, sequence * 1_000)
    try:
        outcome = aggregate.decide(command, asked)
    except REFUSALS as error:
        with pytest.raises(type(error)):
            aggregate.decide(command, asked)
        return error.code
    assert aggregate.decide(command, asked) == outcome
    for fact in outcome.facts:
        aggregate.evolve(codec.decode(codec.encode(fact)), sequence, asked.at_ns)  # type: ignore[arg-type]
    return outcome.facts


@given(st.lists(commands(), max_size=30))
def test_any_order_of_commands_leaves_a_good_state(asked: list[Command]) -> None:
    """Names are one each, forms can run, ids are never given again, and the facts alone give the same state."""
    aggregate, again = Strategies(kinds()), Strategies(kinds())
    ids: list[str] = []
    for sequence, command in enumerate(asked, 1):
        before = dict(aggregate.configured)
        found = act(aggregate, command, sequence)
        if isinstance(found, str):
            assert aggregate.configured == before
            continue
        ids += [fact.strategy for fact in found if type(fact).__name__ == "StrategyCreated"]  # type: ignore[attr-defined]
        for fact in found:
            again.evolve(fact, sequence, 0)
        if not found:
            assert aggregate.configured == before
        for one in aggregate.configured.values():
            check_form(one.form, kinds())
        names = [one.form.name.casefold() for one in aggregate.configured.values()]
        assert len(set(names)) == len(names)
    assert len(set(ids)) == len(ids)
    assert not set(ids) & set(kinds())
    assert again.configured == aggregate.configured


def create(aggregate: Strategies, **given: object) -> str:
    """Create one; its id."""
    form = new_form(StrategyChanges(**{"name": "Mine", "kind": "ema_cross", **given}), kinds())  # type: ignore[arg-type]
    found = act(aggregate, CreateStrategy(key="k", user="ann", form=form), 1)
    assert isinstance(found, tuple)
    return str(msgspec.structs.asdict(found[0])["strategy"])


def test_what_is_left_out_of_a_change_stays() -> None:
    """A change of one parameter keeps the others; null puts one back to its default; another kind begins anew."""
    aggregate = Strategies(kinds())
    name = create(aggregate, params={"fast": 5, "slow": 50}, symbols=("BTC_USDT",), timeframe="5m", tags=("a",))
    steps: list[tuple[StrategyChanges, dict[str, object]]] = [
        (StrategyChanges(params={"fast": 6}), {"fast": 6, "slow": 50}),
        (StrategyChanges(params={"slow": None}), {"fast": 6}),
        (StrategyChanges(name="Other"), {"fast": 6}),
        (StrategyChanges(kind="pump_v2"), {}),
    ]
    for changes, params in steps:
        act(aggregate, ChangeStrategy(key="k", user="ann", strategy=name, changes=changes), 2)
        form = aggregate.configured[name].form
        assert form.params == params
        assert (form.symbols, form.timeframe, form.tags) == (("BTC_USDT",), "5m", ("a",))
    assert aggregate.configured[name].form.direction == "long"  # the only one of its new kind


@pytest.mark.parametrize(
    ("given", "field", "text"),
    [
        ({"kind": "nosuch"}, "type", "ema_cross"),
        ({"params": {"fast": 0}}, "params.fast", "2"),
        ({"params": {"fast": 5.5}}, "params.fast", "whole number"),
        ({"params": {"quick": 5}}, "params.quick", "fast, slow"),
        ({"params": {"fast": 50, "slow": 5}}, "params", "below"),
        ({"kind": "pump_v2", "direction": "short"}, "direction", "long"),
        ({"name": "  "}, "name", "1 to"),
        ({"name": "a\nb"}, "name", "printable"),
        ({"tags": ("a", "a")}, "tags", "twice"),
        ({"symbols": ("",)}, "params.symbols", "1 to"),
    ],
)
def test_a_form_that_cannot_be_names_its_field(given: dict[str, object], field: str, text: str) -> None:
    """Every rule that a form breaks is told with the name that the contract has for the field."""
    with pytest.raises(InvalidInput) as error:
        check_form(new_form(StrategyChanges(**{"name": "Mine", "kind": "ema_cross", **given}), kinds()), kinds())  # type: ignore[arg-type]
    assert error.value.field == field
    assert text in str(error.value)


def test_limits_and_states(monkeypatch: pytest.MonkeyPatch) -> None:
    """So many at most; a name that is taken and one that is gone are refused; what is so already changes nothing."""
    monkeypatch.setattr("engine.aggregates.strategies.CONFIGURED_MAX", 2)
    aggregate = Strategies(kinds())
    first, _ = create(aggregate), create(aggregate, name="Second")
    create_again = CreateStrategy(key="k", user="ann", form=StrategyForm(name="third", kind="ema_cross"))
    with pytest.raises(LimitReached):
        aggregate.decide(create_again, Asked(3, 3))
    rename = ChangeStrategy(key="k", user="ann", strategy=first, changes=StrategyChanges(name="SECOND"))
    with pytest.raises(Conflict) as error:
        aggregate.decide(rename, Asked(3, 3))
    assert (error.value.code, error.value.field) == ("NAME_TAKEN", "name")
    on = ActivateStrategy(key="k", user="ann", strategy=first)
    assert [len(act(aggregate, on, 4)) for _ in range(2)] == [1, 0]
    act(aggregate, RemoveStrategy(key="k", user="ann", strategy=first), 5)
    with pytest.raises(Unknown):
        aggregate.decide(on, Asked(6, 6))
    assert create(aggregate) == "mine-2"
