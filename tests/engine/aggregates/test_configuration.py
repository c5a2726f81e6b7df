"""The configuration: changes merge deeply, wrong ones are named all at once, and facts alone give the same state."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.aggregates.aggregate import REFUSALS, Asked
from engine.aggregates.configuration import TEMPLATES_MAX, ConfigurationAggregate
from engine.configuration.changes import TYPES, check_whole, flat, nested, read
from engine.configuration.sections import DEFAULTS, Configuration
from events import codec
from events.errors import Conflict, InvalidInput, LimitReached, Unknown
from events.facts.configuration import (
    ChangeConfiguration,
    ConfigurationChanged,
    RemoveTemplate,
    SaveTemplate,
    TemplateSaved,
)


def change(changes: Any) -> ChangeConfiguration:
    """A command."""
    return ChangeConfiguration(key="k", user="ann", changes=msgspec.Raw(msgspec.json.encode(changes)))


def decided(aggregate: ConfigurationAggregate, changes: Any) -> list[str]:
    """Decide and fold; the keys that changed."""
    facts = aggregate.decide(change(changes), Asked(1, 1)).facts
    for fact in facts:
        aggregate.evolve(fact, 2, 2)
    return [one.key for fact in facts if isinstance(fact, ConfigurationChanged) for one in fact.values]


def test_a_change_sets_what_it_names_and_leaves_the_rest() -> None:
    """Two values of a section are changed, the others stay, and a second time nothing changes."""
    aggregate = ConfigurationAggregate()
    wanted = {"transformer": {"epochs": 200, "learningRate": 0.00005}}
    assert decided(aggregate, wanted) == ["transformer.epochs", "transformer.learningRate"]
    assert decided(aggregate, wanted) == []
    assert decided(aggregate, {"data": {"symbols": ["EURUSD"]}}) == ["data.symbols"]
    assert decided(aggregate, {"data": {"symbols": ["EURUSD"]}}) == [], "an equal list is no change"
    assert decided(aggregate, {"data": {"symbols": ["EURUSD", "GBPUSD"]}}) == ["data.symbols"]
    expected = flat(DEFAULTS) | {"transformer.epochs": 200, "transformer.learningRate": 0.00005}
    assert aggregate.values == expected
    assert msgspec.convert(nested(aggregate.values), Configuration).transformer.epochs == 200


def test_all_wrong_fields_are_named_at_once() -> None:
    """Every wrong value, unknown key and unknown section is told by its dotted name."""
    with pytest.raises(InvalidInput) as told:
        read(
            {
                "transformer": {"epochs": -1, "dropout": 1, "heads": 3, "learningRate": 0.0001},
                "ppo": {"gaeambda": "high", "gamma": True},
                "risk": [],
                "broker": {},
                "backtest": {"leverage": float("nan"), "initialBalance": float("inf"), "spreadPips": None},
                "data": {"symbols": ["a b"]},
            }
        )
    fields = told.value.fields
    assert fields["transformer.epochs"] == ["Must be greater than 0"]
    assert fields["transformer.dropout"] == ["Must be less than 1"]
    assert set(fields) == {
        "transformer.epochs", "transformer.dropout", "transformer.heads", "ppo.gaeambda", "ppo.gamma", "risk",
        "broker", "backtest.leverage", "backtest.initialBalance", "backtest.spreadPips", "data.symbols",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"transformer": {"nHeads": 7}}, "transformer.nHeads"),
        ({"data": {"symbols": ["A", "A"]}}, "data.symbols"),
        ({"data": {"primaryTimeframe": "4h"}}, "data.additionalTimeframes"),
        ([], "config"),
        (3, "config"),
    ],
)
def test_values_that_cannot_stand_together_change_nothing(changes: Any, field: str) -> None:
    """A change whose whole would not be good is refused with the field, and nothing is changed."""
    aggregate = ConfigurationAggregate()
    with pytest.raises(InvalidInput) as told:
        decided(aggregate, changes)
    assert told.value.field == field
    assert aggregate.values == flat(DEFAULTS)


def test_a_template_is_saved_once() -> None:
    """A template with good values is kept; its id is not given twice; wrong values are refused."""
    aggregate = ConfigurationAggregate()
    good = SaveTemplate(
        key="k", user="ann", template="mine-1", name="Mine", values=msgspec.Raw(b'{"transformer":{"epochs":50}}')
    )
    (fact,) = aggregate.decide(good, Asked(5, 50)).facts
    aggregate.evolve(fact, 6, 60)
    assert aggregate.templates["mine-1"].saved_ns == 50
    with pytest.raises(Conflict):
        aggregate.decide(good, Asked(7, 70))
    for reserved in ("quick-test", "production"):
        with pytest.raises(Conflict):
            aggregate.decide(msgspec.structs.replace(good, template=reserved), Asked(8, 80))
    for wrong in ({"name": " "}, {"template": "../x"}, {"values": msgspec.Raw(b'{"ppo":{"gamma":2}}')}):
        with pytest.raises(InvalidInput):
            aggregate.decide(msgspec.structs.replace(good, **wrong), Asked(8, 80))


NUMBERS = (0, 1, 2, 7, 64, 0.5, -1, 1e300, 10**400)
VALUES: st.SearchStrategy[Any] = st.sampled_from((*NUMBERS, None, True, "1h", "4h", ["EURUSD"], ["4h"], {}, []))


@given(st.lists(st.dictionaries(st.sampled_from(sorted(TYPES)), VALUES, max_size=4), max_size=20))
def test_any_order_of_changes_leaves_a_good_configuration(asked: list[dict[str, Any]]) -> None:
    """Whatever is asked, the state is good, a refusal changes nothing, and facts as encoded give it again."""
    aggregate, again = ConfigurationAggregate(), ConfigurationAggregate()
    for sequence, values in enumerate(asked, 1):
        before = dict(aggregate.values)
        try:
            facts = aggregate.decide(change(nested(values)), Asked(sequence, sequence)).facts
        except REFUSALS:
            assert aggregate.values == before
            continue
        for fact in facts:
            aggregate.evolve(fact, sequence, 0)
            again.evolve(codec.decode(codec.encode(fact)), sequence, 0)  # type: ignore[arg-type]
    assert again.values == aggregate.values
    check_whole(aggregate.values)
    assert flat(msgspec.convert(nested(aggregate.values), Configuration)) == aggregate.values


def test_room_for_templates_is_made_by_removing_some() -> None:
    """At the bound one more is refused until one is gone; what is there from the start stays."""
    aggregate = ConfigurationAggregate()
    for number in range(TEMPLATES_MAX):
        saved = TemplateSaved(template=f"t{number}", name="T", values=msgspec.Raw(b"{}"), user="ann")
        aggregate.evolve(saved, number + 1, 0)
    more = SaveTemplate(key="k", user="ann", template="more", name="More", values=msgspec.Raw(b"{}"))
    with pytest.raises(LimitReached):
        aggregate.decide(more, Asked(2_000, 0))
    (gone,) = aggregate.decide(RemoveTemplate(key="r", user="ann", template="t7"), Asked(2_001, 0)).facts
    aggregate.evolve(gone, 2_001, 0)
    assert aggregate.decide(more, Asked(2_002, 0)).id == "more"
    with pytest.raises(Unknown):
        aggregate.decide(RemoveTemplate(key="s", user="ann", template="t7"), Asked(2_003, 0))
    with pytest.raises(Conflict):
        aggregate.decide(RemoveTemplate(key="t", user="ann", template="production"), Asked(2_004, 0))
