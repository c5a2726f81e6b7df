"""The commands of one session: answered, to be carried out again where they acted, and met too early."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from engine.answers import Answer, Answers, accepted, refused
from engine.sessions.history import History, Scheduled
from engine.sessions.inputs import CommandInput
from events.facts import Command, StopSession

Refusal = tuple[str, str, str | None]  # code, message, field


class CommandBook:
    """What a runner knows of its session's commands. It carries nothing out itself."""

    def __init__(self, session: str, keys_max: int) -> None:
        self._session = session
        self._keys = Answers(keys_max)
        self._again: deque[Scheduled] = deque()  # acted in an earlier run, in order
        self._early: deque[CommandInput] = deque()  # met before all was decided again
        self._done: set[int] = set()  # sequences ahead that an earlier run answered
        self.answered = 0  # sequence of the last command carried out
        self.stop: StopSession | None = None

    @property
    def behind(self) -> bool:
        """Whether a command of an earlier run has still to act."""
        return bool(self._again)

    @property
    def next_input(self) -> int | None:
        """Before which session input the next command of an earlier run acted."""
        return self._again[0].effective_input if self._again else None

    @property
    def known(self) -> tuple[Answer, ...]:
        """The answers that are remembered by key, the oldest first."""
        return self._keys.known()

    def restore(self, answered: int, keys: Iterable[Answer]) -> None:
        """What a snapshot holds."""
        self.answered = answered
        self._keys.note(keys)

    def recall(self, history: History, *, fresh: bool) -> None:
        """Answers given so far, and commands to carry out again; a snapshot stands behind all that a fork brings."""
        behind = [answer for answer in history.answered.values() if answer.cause > self.answered]
        self._done = {answer.cause for answer in behind}
        self._keys.note(behind)
        again = (one for one in history.scheduled if one.sequence > self.answered or (fresh and one.sequence == 0))
        self._again = deque(again)

    def take_again(self, inputs: int | None) -> Command | None:
        """The next command of an earlier run that acted before input `inputs` (None: at the end)."""
        if not self._again or (inputs is not None and self._again[0].effective_input > inputs):
            return None
        one = self._again.popleft()
        self.answered = max(self.answered, one.sequence)
        self._act(one.command)
        return one.command

    def was_answered(self, item: CommandInput) -> bool:
        """Whether an earlier run answered it. Asked once of each."""
        if item.sequence in self._done:
            self._done.discard(item.sequence)
            return True
        return item.sequence <= self.answered

    def defer(self, item: CommandInput) -> None:
        """Keep it until everything that an earlier run decided without it is decided again."""
        self._early.append(item)

    def take_deferred(self) -> CommandInput | None:
        """The first of those that were kept."""
        return self._early.popleft() if self._early else None

    def answer(self, item: CommandInput, refusal: Refusal | None, inputs: int) -> tuple[Answer, bool]:
        """Its answer before input `inputs`, and whether it is to be carried out."""
        command = item.command
        if (known := self._keys.again(command, item.sequence)) is not None:
            return known, False
        if refusal is not None:
            return refused(command, item.sequence, self._session, refusal), False
        return accepted(command, item.sequence, self._session, effective_input=inputs), True

    def note(self, item: CommandInput, answer: Answer, *, acts: bool) -> None:
        """It was answered."""
        self._keys.note((answer,))
        self.answered = item.sequence
        if acts:
            self._act(item.command)

    def _act(self, command: Command) -> None:
        if isinstance(command, StopSession):
            self.stop = command
