"""How quantities are worded."""

from __future__ import annotations

import pytest

from projections.read_models.lanes import on_step


@pytest.mark.parametrize(
    ("quantity", "step", "worded"),
    [
        (0.0009999999999999998, 1e-5, 0.001),
        (-0.0019000000000000006, 1e-5, -0.0019),
        (0.1 + 0.2, 0.1, 0.3),
        (12345678.900000002, 0.1, 12345678.9),
        (3_000.0000000000005, 1_000.0, 3_000.0),
        (0.0, 1e-5, 0.0),
        (0.0010000001, 1e-5, 0.0010000001),
        (0.5, 1.0, 0.5),
        (0.0009999999999999998, 0.0, 0.0009999999999999998),
        (1e308, 1e-5, 1e308),
    ],
)
def test_a_quantity_is_told_in_whole_steps(quantity: float, step: float, worded: float) -> None:
    """What the rounding of sums has moved off a step is told as the step; what lies elsewhere is told as it is."""
    assert on_step(quantity, step) == worded
