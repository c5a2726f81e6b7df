"""What verbs are given is read strictly: numbers, pairs, grids, limits, strategies, moments."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.cli.asking import grid_of, instant_of, limits_of, number_of, numbers_of, strategies_of
from engine.sessions.plan import GRID_MAX
from events.clock import from_iso
from events.errors import InvalidInput


@given(st.integers(-(10**17), 10**17))
def test_whole_numbers_stay_whole(value: int) -> None:
    """A number without a point is an integer."""
    found = number_of(str(value), "x")
    assert found == value
    assert type(found) is int


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_floats_are_read_as_they_are_written(value: float) -> None:
    """A finite float comes through exactly."""
    assert number_of(repr(value), "x") == value


@given(st.text(max_size=12))
def test_any_text_is_a_finite_number_or_refused(text: str) -> None:
    """Whatever is typed: a finite number, a truth value, or a refusal that names the option."""
    refused: InvalidInput | None = None
    value: float = 0.0
    try:
        value = number_of(text, "--limit")
    except InvalidInput as error:
        refused = error
    assert math.isfinite(value) if refused is None else refused.field == "--limit"


@pytest.mark.parametrize("text", ["nan", "inf", "-inf", "1e999", "", "ten", "0x10", "1,5"])
def test_what_is_no_number_is_refused(text: str) -> None:
    """NaN, infinity and words are no values of a parameter."""
    with pytest.raises(InvalidInput):
        number_of(text, "x")


@pytest.mark.parametrize("texts", [["fast"], ["=3"], ["fast="], ["fast=1", "fast=2"]])
def test_malformed_pairs_are_refused(texts: list[str]) -> None:
    """NAME=VALUE has both sides, and each name once."""
    with pytest.raises(InvalidInput):
        numbers_of(texts, "--param")


def test_a_grid_is_every_combination_in_order() -> None:
    """Lists and ranges combine, the last name fastest; a range has both of its ends."""
    assert grid_of(["fast=1,2", "slow=10:20:5"]) == tuple(
        {"fast": fast, "slow": slow} for fast in (1, 2) for slow in (10, 15, 20)
    )
    assert [row["x"] for row in grid_of(["x=0.1:0.5:0.1"])] == [0.1, 0.2, 0.3, 0.4, 0.5]


@pytest.mark.parametrize("text", ["x=1:2:0", "x=2:1:1", "x=1:2:-1", "x=true:2:1", "x=1:nan:1", "x=,", "x=1:2"])
def test_bad_axes_are_refused(text: str) -> None:
    """A range goes upward by a positive step between numbers."""
    with pytest.raises(InvalidInput):
        grid_of([text])


@pytest.mark.parametrize("texts", [[f"x=0:{GRID_MAX}:1"], ["x=0:999:1", "y=0:10:1"], ["x=0:1e300:1e-300"]])
def test_a_grid_has_a_limit(texts: list[str]) -> None:
    """More than GRID_MAX combinations are refused before they are made."""
    with pytest.raises(InvalidInput, match="more than"):
        grid_of(texts)


@given(st.text("0123456789.:,+-einfatrus", max_size=14))
def test_any_axis_is_numbers_within_the_limit_or_refused(text: str) -> None:
    """Whatever is typed behind the name of a parameter: finite numbers, or a refusal."""
    try:
        found = grid_of([f"x={text}"])
    except InvalidInput:
        return
    assert 0 < len(found) <= GRID_MAX
    assert all(math.isfinite(row["x"]) for row in found)


def test_limits_are_the_defaults_and_what_is_named() -> None:
    """A named limit changes, the others stay."""
    limits = limits_of(["cash=500", "close_on_stop=true"])
    assert (limits.cash, limits.close_on_stop, limits.global_cap) == (500.0, True, 10_000.0)


@pytest.mark.parametrize("text", ["bogus=1", "cash=-1", "cash=1e300", "stop_loss_ratio=2", "equity_interval_ms=1.5"])
def test_limits_are_checked(text: str) -> None:
    """Unknown, negative, huge and fractional limits are refused."""
    with pytest.raises(InvalidInput):
        limits_of([text])


def test_parameters_find_their_strategies() -> None:
    """A bare name is for the only strategy; with several, each names its own."""
    assert strategies_of(["a"], ["x=1"], [])[0].params == {"x": 1}
    first, second = strategies_of(["a", "b"], ["a.x=1", "b.x=2"], ["b=0.25"])
    assert (first.params, second.params, second.allocation_ratio) == ({"x": 1}, {"x": 2}, 0.25)


@pytest.mark.parametrize(
    ("names", "params", "shares"),
    [(["a", "b"], ["x=1"], []), (["a"], ["b.x=1"], []), (["a", "a"], [], []), (["a"], [], ["b=1"]), ([], ["x=1"], [])],
)
def test_parameters_without_their_strategy_are_refused(names: list[str], params: list[str], shares: list[str]) -> None:
    """Nothing is guessed where a parameter or share fits no strategy."""
    with pytest.raises(InvalidInput):
        strategies_of(names, params, shares)


def test_moments_are_utc() -> None:
    """A moment without a zone is UTC; what is none is refused."""
    assert instant_of("2025-11-18T15:00:00", "--since") == from_iso("2025-11-18T15:00:00+00:00")
    assert instant_of(None, "--since") is None
    for text in ("tomorrow", "", "2025-13-01", "99999-01-01"):
        with pytest.raises(InvalidInput):
            instant_of(text, "--since")
