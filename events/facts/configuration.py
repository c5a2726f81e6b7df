"""The configuration: values by dotted key (`transformer.epochs`), and templates of them."""

from __future__ import annotations

from typing import ClassVar, Literal

import msgspec

from events.facts.kinds import Command, Fact

Origin = Literal["request", "import", "file"]


class ChangeConfiguration(Command, frozen=True, tag="ChangeConfiguration"):
    """Set what `changes` names, and leave the rest. `changes` is a JSON object of sections."""

    aggregate: ClassVar[str] = "configuration"

    changes: msgspec.Raw
    origin: Origin = "request"  # a call, a whole document, or the file of the settings that changed on disk


class SaveTemplate(Command, frozen=True, tag="SaveTemplate"):
    """Keep part of a configuration under a name. `template` is the id it will have; `values` is JSON as of changes."""

    aggregate: ClassVar[str] = "configuration"

    template: str
    name: str
    values: msgspec.Raw
    description: str = ""


class RemoveTemplate(Command, frozen=True, tag="RemoveTemplate"):
    """Forget a template that was saved."""

    aggregate: ClassVar[str] = "configuration"

    template: str


class ConfiguredValue(msgspec.Struct, frozen=True):
    """One key that changed, with both values as JSON."""

    key: str
    value: msgspec.Raw
    before: msgspec.Raw


class ConfigurationChanged(Fact, frozen=True, tag="ConfigurationChanged"):
    """These keys have other values now. Sessions that run keep what they started with."""

    values: tuple[ConfiguredValue, ...]
    user: str
    origin: Origin = "request"
    command: int = 0  # its sequence


class TemplateSaved(Fact, frozen=True, tag="TemplateSaved"):
    """A template is there. `values` is a JSON object of sections with the keys it sets."""

    template: str
    name: str
    values: msgspec.Raw
    user: str
    description: str = ""
    saved_ns: int = 0


class TemplateRemoved(Fact, frozen=True, tag="TemplateRemoved"):
    """A template is no longer there; its id may be given again."""

    template: str
    user: str


COMMANDS: tuple[type[Command], ...] = (ChangeConfiguration, SaveTemplate, RemoveTemplate)
FACTS: tuple[type[Fact], ...] = (ConfigurationChanged, TemplateSaved, TemplateRemoved)
