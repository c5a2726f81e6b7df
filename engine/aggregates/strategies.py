"""Configured strategies: created, changed, activated, deactivated, removed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from engine.aggregates.aggregate import Asked, Outcome
from engine.strategies.strategy import Strategy
from events import subjects
from events.errors import Bug, Conflict, InvalidInput, LimitReached, Unknown
from events.facts import Command, Fact
from events.facts.strategies import (
    ActivateStrategy,
    ChangeStrategy,
    CreateStrategy,
    DeactivateStrategy,
    RemoveStrategy,
    StrategyActivated,
    StrategyChanged,
    StrategyChanges,
    StrategyCreated,
    StrategyDeactivated,
    StrategyForm,
    StrategyRemoved,
)

CONFIGURED_MAX = 1_000  # at once
SLUG_MAX = 40  # of the name in an id
NAME_MAX = 120
WORD_MAX = 64  # category, tag
TAGS_MAX = 16
TEXT_MAX = 2_000  # description
SYMBOLS_MAX = 256

Kinds = Mapping[str, Strategy]
_NOT_IN_IDS = re.compile(r"[^a-z0-9]+")


class ConfiguredStrategy(msgspec.Struct, frozen=True):
    """One as it stands."""

    id: str
    form: StrategyForm
    active: bool = False


class Strategies:
    """The aggregate. `kinds` are the strategies of this installation."""

    name = "strategies"
    subject = subjects.STRATEGIES
    reads: tuple[str, ...] = ()

    def __init__(self, kinds: Kinds) -> None:
        self._kinds = kinds
        self.configured: dict[str, ConfiguredStrategy] = {}
        self._given: set[str] = set()  # ids, also of those that were removed

    def subject_of(self, fact: Fact) -> str:
        """See `Aggregate`."""
        return self.subject

    # --- decide ---------------------------------------------------------------------------------------------------

    def decide(self, command: Command, asked: Asked) -> Outcome:
        """See `Aggregate`.

        Raises:
            InvalidInput: a form that cannot be, with the contract's name of the field.
            Conflict: another one has the name.
            LimitReached: `CONFIGURED_MAX`.
            Unknown: no such strategy, or no more.
        """
        match command:
            case CreateStrategy():
                return self._create(command)
            case ChangeStrategy():
                return self._change(command)
            case ActivateStrategy(strategy=name, user=user):
                facts = () if self.find(name).active else (StrategyActivated(strategy=name, user=user),)
                return Outcome(name, facts)
            case DeactivateStrategy(strategy=name, user=user):
                return Outcome(name, (StrategyDeactivated(strategy=name, user=user),) if self.find(name).active else ())
            case RemoveStrategy(strategy=name, user=user):
                return Outcome(self.find(name).id, (StrategyRemoved(strategy=name, user=user),))
            case _:
                raise Bug(f"{type(command).__name__} is no command of strategies.")

    def find(self, name: str) -> ConfiguredStrategy:
        """One that is there. Raises Unknown."""
        found = self.configured.get(name)
        if found is None:
            known = ", ".join(list(self.configured)[-8:]) or "none yet"
            raise Unknown(f"Strategy not found: {name[:80]!r}. Configured: {known}.", field="strategy_id")
        return found

    def _create(self, command: CreateStrategy) -> Outcome:
        form = command.form
        check_form(form, self._kinds)
        self._check_free(form.name)
        if len(self.configured) >= CONFIGURED_MAX:
            raise LimitReached(f"{CONFIGURED_MAX} strategies are configured (CONFIGURED_MAX). Remove one first.")
        strategy = self._new_id(form.name)
        return Outcome(strategy, (StrategyCreated(strategy=strategy, form=form, user=command.user),))

    def _change(self, command: ChangeStrategy) -> Outcome:
        found = self.find(command.strategy)
        form = changed(found.form, command.changes, self._kinds)
        check_form(form, self._kinds)
        if form == found.form:
            return Outcome(found.id)
        self._check_free(form.name, found.id)
        return Outcome(found.id, (StrategyChanged(strategy=found.id, form=form, user=command.user),))

    def _check_free(self, name: str, but: str = "") -> None:
        for one in self.configured.values():
            if one.id != but and one.form.name.casefold() == name.casefold():
                raise name_taken(one.form.name, one.id)

    def _new_id(self, name: str) -> str:
        """With a dash before the number it is never the id of a kind, which has none."""
        slug = _NOT_IN_IDS.sub("-", name.lower()).strip("-")[:SLUG_MAX].rstrip("-") or "strategy"
        number = next(number for number in range(1, len(self._given) + 2) if f"{slug}-{number}" not in self._given)
        return f"{slug}-{number}"

    # --- evolve ---------------------------------------------------------------------------------------------------

    def evolve(self, fact: Fact, sequence: int, at_ns: int) -> None:
        """See `Aggregate`."""
        match fact:
            case StrategyCreated(strategy=name, form=form):
                self._given.add(name)
                self.configured[name] = ConfiguredStrategy(name, form)
            case StrategyChanged(strategy=name, form=form):
                self._replace(name, form=form)
            case StrategyActivated(strategy=name):
                self._replace(name, active=True)
            case StrategyDeactivated(strategy=name):
                self._replace(name, active=False)
            case StrategyRemoved(strategy=name):
                self.configured.pop(name, None)
            case _:
                pass

    def _replace(self, name: str, **changes: object) -> None:
        if name in self.configured:
            self.configured[name] = msgspec.structs.replace(self.configured[name], **changes)


def name_taken(name: str, strategy: str) -> Conflict:
    """Why no other can be called so."""
    return Conflict(f"A strategy is called {name!r} already: {strategy}.", code="NAME_TAKEN", field="name")


# --- forms --------------------------------------------------------------------------------------------------------


def kind_of(kind: str, kinds: Kinds) -> Strategy:
    """A kind of strategy. Raises InvalidInput, which names those there are."""
    if kind not in kinds:
        raise InvalidInput(f"There is no kind of strategy {kind[:80]!r}. Kinds: {', '.join(kinds)}.", field="type")
    return kinds[kind]


def new_form(given: StrategyChanges, kinds: Kinds) -> StrategyForm:
    """The form of a new strategy: what is not given is the kind's. Raises InvalidInput: no such kind."""
    kind = kind_of(given.kind or "", kinds)
    empty = StrategyForm(name="", kind=kind.id, direction=kind.direction, category=kind.category, tags=tuple(kind.tags))
    return changed(empty, given, kinds)


def changed(form: StrategyForm, changes: StrategyChanges, kinds: Kinds) -> StrategyForm:
    """A form with changes. Raises InvalidInput: no such kind."""
    given = {name: value for name, value in msgspec.structs.asdict(changes).items() if value is not None}
    if "name" in given:
        given["name"] = given["name"].strip()
    kind = kind_of(given.get("kind", form.kind), kinds)
    params = dict(form.params) if kind.id == form.kind else {}
    for name, value in given.pop("params", {}).items():
        if value is None:
            params.pop(name, None)
        else:
            params[name] = value
    if kind.id != form.kind:
        _take_over(given, form, kinds.get(form.kind), kind)
    return msgspec.structs.replace(form, **given, params=params)


def _take_over(given: dict[str, Any], form: StrategyForm, before: Strategy | None, kind: Strategy) -> None:
    """Words of another kind: what was the old kind's own becomes the new one's; what a user chose stays."""
    if kind.direction != "both":
        given.setdefault("direction", kind.direction)
    if before is not None and form.category == before.category:
        given.setdefault("category", kind.category)
    if before is not None and form.tags == tuple(before.tags):
        given.setdefault("tags", tuple(kind.tags))


def check_form(form: StrategyForm, kinds: Kinds) -> None:
    """Whether a form can be. Raises InvalidInput with the contract's name of the field."""
    check_words(form)
    kind = kind_of(form.kind, kinds)
    known = [one.name for one in kind.parameters()]
    for name in form.params:
        if name not in known:
            raise InvalidInput(
                f"{kind.id} has no parameter {name[:80]!r}. Parameters: {', '.join(known) or 'none'}.",
                field=f"params.{name[:80]}",
            )
    try:
        kind.resolve(form.params)
    except InvalidInput as error:
        field = f"params.{error.field}" if error.field else "params"
        raise InvalidInput(error.message, field=field, hint=error.hint) from None
    if kind.direction not in ("both", form.direction):
        raise InvalidInput(f"{kind.id} trades {kind.direction} only, not {form.direction}.", field="direction")


def check_words(form: StrategyForm) -> None:
    """Whether names, tags and symbols can be. Raises InvalidInput."""
    _check_text(form.name, "name", NAME_MAX, least=1)
    _check_text(form.category, "category", WORD_MAX)
    _check_text(form.description.replace("\n", " "), "description", TEXT_MAX)
    for field, words, most in (("tags", form.tags, TAGS_MAX), ("params.symbols", form.symbols, SYMBOLS_MAX)):
        if len(words) > most:
            raise InvalidInput(f"{field} has {len(words)} entries; it has at most {most}.", field=field)
        if len(set(words)) < len(words):
            raise InvalidInput(f"{field} names something twice.", field=field)
        for word in words:
            _check_text(word, field, WORD_MAX, least=1)


def _check_text(text: str, field: str, most: int, *, least: int = 0) -> None:
    if not least <= len(text) <= most or not text.isprintable():
        raise InvalidInput(f"{field} must be {least} to {most} printable characters.", field=field)
