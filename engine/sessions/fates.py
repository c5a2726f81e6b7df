"""What became of an order by hand in the step that met it: it was placed under a number, or denied with a code."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from engine.answers import Answer
from engine.loop.decision_loop import Answer as Acted
from engine.loop.decision_loop import Decisions
from events.facts import CommandAccepted
from events.rows import Code


class Fate(NamedTuple):
    """Fields of the answer fact; all empty where the command was no order."""

    order: int = 0  # number within the session
    denial: str = ""  # name of the code
    limit: float = 0.0  # what was met, in its unit; 0 where the code has none


NONE = Fate()


def fate_of(acted: Acted, decisions: Decisions) -> Fate:
    """Of the decisions of one order by hand: nothing else is among them."""
    if acted is Acted.DENIED:
        denial = decisions.denials[-1]
        return Fate(0, Code(int(denial["code"])).name, float(denial["limit"]))
    return Fate(int(decisions.orders["order"][-1]))


def told(answer: Answer, fate: Fate) -> Answer:
    """The answer with what became of the order."""
    if fate is NONE or not isinstance(answer, CommandAccepted):
        return answer
    return msgspec.structs.replace(answer, **fate._asdict())
