"""A decision is one message: everything one step of a session decides, a section per kind.

Headers: what caused it, the ordinal of its first row per kind (in the sections), the claim's epoch, the input
ordinals it covers. The message id is made of the session and the ordinals alone, so a repeat has the same id.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np

from events import frames, subjects
from events.errors import Undecodable
from events.facts import Place
from events.frames import Section
from events.rows import DECISION_KINDS, Rows, SectionKind
from events.stack import Stack, stack
from events.tape import CONTENT_TYPE, FRAME_TYPE, Append, Message

CAUSE = "Tapedeck-Cause"  # "sequence.index" of the last market row that the step read
INPUTS = "Tapedeck-Inputs"  # session inputs read up to and with that row
CLAIM = "Tapedeck-Claim"  # epoch of the claim


class Decision(msgspec.Struct, frozen=True):
    """What one step decided. `sections` hold only kinds with rows."""

    session: str
    sections: tuple[Section, ...]
    cause: Place
    inputs: int
    epoch: int
    research: bool = False

    @property
    def message_id(self) -> str:
        """The same for the same rows of the same session."""
        ordinals = ".".join(f"{section.kind.value}-{section.ordinal}" for section in self.sections)
        return f"{self.session}:{ordinals}"

    def rows(self, kind: SectionKind) -> Rows:
        """The rows of one kind."""
        return frames.rows_of(self.sections, kind)


def to_append(decision: Decision, expected: int) -> Append:
    """The message, fenced over all subjects of the session."""
    return Append(
        subject=subjects.session_decision(decision.session, research=decision.research),
        body=frames.encode(decision.sections),
        message_id=decision.message_id,
        headers={
            CONTENT_TYPE: FRAME_TYPE,
            CAUSE: f"{decision.cause.sequence}.{decision.cause.index}",
            INPUTS: str(decision.inputs),
            CLAIM: str(decision.epoch),
        },
        expected=expected,
        fence=subjects.session_fence(decision.session, research=decision.research),
    )


def from_message(message: Message) -> Decision:
    """The decision in a message.

    Raises:
        Undecodable: no frame of decision sections, or its headers are missing.
    """
    sections = tuple(frames.decode(message.body, message.sequence))
    session = subjects.session_of(message.subject)
    try:
        cause, inputs, epoch = _read(message.headers)
    except (KeyError, ValueError):
        raise Undecodable(
            f"Message {message.sequence} is a decision without its headers.", sequence=message.sequence
        ) from None
    if session is None or any(section.kind not in DECISION_KINDS for section in sections):
        raise Undecodable(f"Message {message.sequence} is no decision of a session.", sequence=message.sequence)
    return Decision(session, sections, cause, inputs, epoch, message.subject.startswith("tape.research."))


def _read(headers: dict[str, str]) -> tuple[Place, int, int]:
    sequence, index = headers[CAUSE].split(".")
    return Place(int(sequence), int(index)), int(headers[INPUTS]), int(headers[CLAIM])


def stacked(messages: Sequence[Message]) -> tuple[list[str], Stack]:
    """The session of each decision and the sections of all, up to the first message that `from_message` refuses."""
    sessions: list[str] = []
    known: dict[str, str | None] = {}  # by subject
    for message in messages:
        if (subject := message.subject) not in known:
            known[subject] = subjects.session_of(subject)
        session = known[subject]
        try:
            _read(message.headers)
        except (KeyError, ValueError):
            break
        if session is None:
            break
        sessions.append(session)
    made = stack([message.body for message in messages[: len(sessions)]])
    others = [int(layer.frame[0]) for kind, layer in made.layers.items() if kind not in DECISION_KINDS]
    good = min([made.frames, *others])
    return sessions[:good], made.of(np.arange(good))
