"""How strategies share a session's global cap."""

from __future__ import annotations

from events.errors import InvalidInput

SLACK = 1e-9  # of sums of shares that a user meant to be 1


def shares_of(asked: tuple[float, ...]) -> tuple[float, ...]:
    """The share of each strategy: what is named stands, those of 0 share the rest equally.

    Raises:
        InvalidInput: a share that is none, more than the whole in all, or nothing left for the others.
    """
    for at, share in enumerate(asked):
        if not 0 <= share <= 1:
            field = f"strategies[{at}].allocation_ratio"
            raise InvalidInput(f"{field} is {share}; it is a share of the global cap, from 0 to 1.", field=field)
    others = sum(share == 0 for share in asked)
    left = 1.0 - sum(asked)
    if left < -SLACK or (others and left <= SLACK):
        without = f", and nothing is left for {others} more" if others else ""
        raise InvalidInput(f"The allocations add up to {100 * (1 - left):g} %{without}.", field="strategies")
    return tuple(share or left / others for share in asked)


def check_cap(asked: tuple[float, ...], global_cap: float) -> None:
    """A share is one of a cap. Raises InvalidInput: a strategy names one, and the session has no cap."""
    for at, share in enumerate(asked):
        if share and not global_cap:
            raise InvalidInput(
                "An allocation is a share of limits.global_cap, and that is 0: no cap.",
                field=f"strategies[{at}].allocation_ratio",
                hint="Name a global_cap, or leave the allocation out.",
            )
