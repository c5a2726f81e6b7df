"""The configuration: values that users change, and templates that they keep."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from engine.aggregates.aggregate import Asked, Outcome
from engine.configuration.changes import DOCUMENT_BYTES_MAX, Values, check_whole, flat, read
from engine.configuration.sections import DEFAULTS
from engine.configuration.templates import RESERVED
from events import subjects
from events.errors import Bug, Conflict, InvalidInput, LimitReached, Unknown
from events.facts import Command, Fact
from events.facts.configuration import (
    ChangeConfiguration,
    ConfigurationChanged,
    ConfiguredValue,
    RemoveTemplate,
    SaveTemplate,
    TemplateRemoved,
    TemplateSaved,
)

TEMPLATES_MAX = 1000
TEMPLATE_NAME_MAX = 120
DESCRIPTION_MAX = 2000

_TEMPLATE = re.compile(r"[a-z0-9][a-z0-9-]{0,99}")


class ConfigurationAggregate:
    """The aggregate."""

    name = "configuration"
    subject = subjects.CONFIGURATION
    reads: tuple[str, ...] = ()

    def __init__(self) -> None:
        self.values: Values = flat(DEFAULTS)
        self.templates: dict[str, TemplateSaved] = {}

    def subject_of(self, fact: Fact) -> str:
        """See `Aggregate`."""
        return self.subject

    def decide(self, command: Command, asked: Asked) -> Outcome:
        """See `Aggregate`.

        Raises:
            InvalidInput: values that cannot be, all of them named.
            Conflict: a template with this id is there, or one to remove is there from the start.
            Unknown: there is none to remove.
            LimitReached: `TEMPLATES_MAX`.
        """
        match command:
            case ChangeConfiguration():
                return self._change(command, asked)
            case SaveTemplate():
                return self._save(command, asked)
            case RemoveTemplate():
                return self._remove(command)
            case _:
                raise Bug(f"{type(command).__name__} is no command of the configuration.")

    def _change(self, command: ChangeConfiguration, asked: Asked) -> Outcome:
        given = read(parsed(command.changes))
        check_whole(self.values | given)
        values = tuple(
            ConfiguredValue(key=key, value=_raw(value), before=_raw(self.values[key]))
            for key, value in sorted(given.items())
            if value != self.values[key]
        )
        if not values:
            return Outcome()
        fact = ConfigurationChanged(values=values, user=command.user, origin=command.origin, command=asked.sequence)
        return Outcome(str(asked.sequence), (fact,))  # a repeat finds by it what was changed

    def _save(self, command: SaveTemplate, asked: Asked) -> Outcome:
        check_template(command)
        given = read(parsed(command.values))
        check_whole(flat(DEFAULTS) | given)
        if command.template in self.templates or command.template in RESERVED:
            raise Conflict(f"Template {command.template} is there already.", code="TEMPLATE_EXISTS", field="id")
        if len(self.templates) >= TEMPLATES_MAX:
            raise LimitReached(f"{TEMPLATES_MAX} templates are there (TEMPLATES_MAX).")
        fact = TemplateSaved(
            template=command.template,
            name=command.name,
            description=command.description,
            values=command.values,
            user=command.user,
            saved_ns=asked.at_ns,
        )
        return Outcome(command.template, (fact,))

    def _remove(self, command: RemoveTemplate) -> Outcome:
        check_removable(command.template)
        if command.template not in self.templates:
            raise Unknown(f"Template not found: {command.template[:80]!r}.", field="id")
        return Outcome(command.template, (TemplateRemoved(template=command.template, user=command.user),))

    def evolve(self, fact: Fact, sequence: int, at_ns: int) -> None:
        """See `Aggregate`."""
        match fact:
            case ConfigurationChanged(values=values):
                self.values |= {one.key: msgspec.json.decode(one.value) for one in values}
            case TemplateSaved(template=template):
                self.templates[template] = fact
            case TemplateRemoved():
                self.templates.pop(fact.template, None)


def check_removable(template: str) -> None:
    """Raises Conflict: the template is there from the start."""
    if template in RESERVED:
        raise Conflict(f"Template {template} is there from the start.", code="TEMPLATE_BUILT_IN", field="id")


def check_template(command: SaveTemplate) -> None:
    """Whether a template can be called so. Raises InvalidInput."""
    if not _TEMPLATE.fullmatch(command.template):
        raise InvalidInput("id must be 1 to 100 characters of a-z 0-9 -.", field="id")
    if not (command.name.strip() and len(command.name) <= TEMPLATE_NAME_MAX and command.name.isprintable()):
        raise InvalidInput(f"name must be 1 to {TEMPLATE_NAME_MAX} printable characters.", field="name")
    if len(command.description) > DESCRIPTION_MAX:
        raise InvalidInput(f"description must be at most {DESCRIPTION_MAX} characters.", field="description")


def parsed(document: msgspec.Raw) -> Any:
    """JSON of a command. Raises InvalidInput: too long, or no JSON."""
    if len(bytes(document)) > DOCUMENT_BYTES_MAX:
        raise InvalidInput(f"The configuration must be at most {DOCUMENT_BYTES_MAX} bytes.", field="config")
    try:
        return msgspec.json.decode(document)
    except msgspec.DecodeError as error:
        raise InvalidInput(f"The configuration is no JSON: {error}.", field="config") from error


def _raw(value: Any) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(value))
