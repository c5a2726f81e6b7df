"""The configuration as it is in force, and changes of it. Whoever listens hears of them by the facts on the tape.

In force is: defaults, then what was changed, then the environment of the API process. Changes are kept also where the
environment stands above them.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec
import structlog

from api.house import House
from api.reading.reader import Moment
from api.services.acting import Done, act
from engine.aggregates.configuration import TEMPLATE_NAME_MAX, TEMPLATES_MAX, check_removable, check_template
from engine.configuration.changes import DOCUMENT_BYTES_MAX, SECTIONS, Values, check_whole, flat, nested, read
from engine.configuration.sections import DEFAULTS, Configuration
from engine.configuration.templates import BUILT_IN
from events.errors import InvalidInput, Unknown
from events.facts.configuration import ChangeConfiguration, Origin, RemoveTemplate, SaveTemplate
from projections.duckdb.reads import Answer
from projections.duckdb.store import Snapshot
from projections.read_models import configuration as kept
from projections.read_models.answers import Listed, Page, listed
from projections.read_models.configuration import ChangeRow, TemplateRow

SLUG_MAX = 80
NOBODY = ""  # who made what is there from the start

log = structlog.get_logger(__name__)

_NO_SLUG = re.compile(r"[^a-z0-9]+")


class Current(msgspec.Struct, frozen=True):
    """The configuration as of a moment, by dotted key."""

    values: Values  # in force
    configured: Values  # without the environment
    overridden: tuple[str, ...]  # by the environment

    @property
    def whole(self) -> Configuration:
        """All sections."""
        return msgspec.convert(nested(self.values), Configuration)


async def current(house: House, at: Moment) -> Answer[Current]:
    """The configuration as of a moment. Raises ReadModelUnavailable."""
    return await house.reader.run(lambda snapshot: current_in(snapshot, house.overrides), at)


def current_in(snapshot: Snapshot, overrides: Values) -> Current:
    """The configuration of a snapshot."""
    configured = flat(DEFAULTS) | kept.configured(snapshot)
    return Current(configured | overrides, configured, tuple(sorted(overrides)))


async def check(house: House, changes: Any, at: Moment) -> Values:
    """The values that changes set, as the configuration would take them now.

    Raises:
        InvalidInput: with every field that is wrong.
    """
    given = read(changes)
    if len(msgspec.json.encode(nested(given))) > DOCUMENT_BYTES_MAX:
        raise InvalidInput(f"The configuration must be at most {DOCUMENT_BYTES_MAX} bytes.", field="config")
    now = (await current(house, at)).value
    check_whole(now.configured | given)
    if _stands(now.configured | house.overrides):
        check_whole(now.configured | given | house.overrides)
    return given


def _stands(values: Values) -> bool:
    """Whether the environment goes with what is configured; where it does not, no change is to blame for that."""
    try:
        check_whole(values)
    except InvalidInput as error:
        log.error("configuration_overridden_badly", error=str(error))
        return False
    return True


async def change(house: House, user: str, key: str | None, changes: Any, origin: Origin = "request") -> Done:
    """Set what `changes` names, merged key by key; its id names what was changed (`changed_by`).

    What names nothing is no command.

    Raises:
        InvalidInput: with every field that is wrong; nothing was appended.
        OutcomeUnknown: see `act`.
    """
    given = await check(house, changes, Moment())
    if not given:
        return Done("", changed=False, sequence=(await house.tape.info()).last, key=key or house.clock.new_id())
    body = msgspec.Raw(msgspec.json.encode(nested(given)))
    return await act(
        house, user, key, lambda made: ChangeConfiguration(key=made, user=user, changes=body, origin=origin)
    )


async def after(house: House, done: Done) -> Answer[Current]:
    """The configuration right behind a change, without what others changed since. Raises ReadModelUnavailable."""
    await house.reader.wait_until(done.sequence)
    rows = await changed_by(house, done)
    return await current(house, Moment(rows[0].changed_at if rows else done.answered or done.sequence))


def whole_with(house: House, now: Current, given: Values) -> Configuration:
    """All sections as they would be in force with these values."""
    return msgspec.convert(nested(now.configured | given | house.overrides), Configuration)


async def changed_by(house: House, done: Done) -> list[ChangeRow]:
    """What a change changed; nothing where all was so already."""
    if not done.id:
        return []
    await house.reader.wait_until(done.sequence)
    return (await house.reader.run(lambda snapshot: kept.changed_by(snapshot, int(done.id)), Moment())).value


async def history(house: House, at: Moment, page: Page) -> Answer[Listed[ChangeRow]]:
    """Every change of a key up to a moment."""
    return await house.reader.run(lambda snapshot: kept.changes(snapshot, page), at)


async def touched(house: House) -> frozenset[str]:
    """Keys that were ever changed."""
    await house.reader.wait_until((await house.tape.info()).last)
    return frozenset((await house.reader.run(kept.configured, Moment())).value)


def section_of(name: str) -> str:
    """The section of a name. Raises Unknown."""
    if name not in SECTIONS:
        raise Unknown(f"There is no section {name[:64]!r}; there are {', '.join(SECTIONS)}.", field="section")
    return name


# --- templates ----------------------------------------------------------------------------------------------------


def _built_in(house: House) -> list[TemplateRow]:
    """Those that are there as long as the house is."""
    since_ns = house.lookups.created_ns
    return [TemplateRow(one.id, one.name, one.description, one.values, NOBODY, since_ns) for one in BUILT_IN]


async def templates(house: House, at: Moment, page: Page) -> Answer[Listed[TemplateRow]]:
    """Those that are there from the start, then those that were saved, oldest first."""
    found = await house.reader.run(lambda snapshot: kept.templates(snapshot, Page(limit=TEMPLATES_MAX)), at)
    rows = [*_built_in(house), *found.value.rows]
    part = listed(rows[page.offset : page.offset + page.limit], len(rows), page)
    return Answer(part, found.sequence, found.epoch)


async def template(house: House, name: str, at: Moment) -> Answer[TemplateRow]:
    """One by id. Raises Unknown."""
    built_in = next((one for one in _built_in(house) if one.template == name), None)
    return await house.reader.run(lambda snapshot: built_in or kept.template(snapshot, name), at)


async def saved(house: House, done: Done) -> TemplateRow:
    """A template as it was saved, read back. Raises ReadModelUnavailable."""
    await house.reader.wait_until(done.sequence)
    return (await template(house, done.id, Moment())).value


class NewTemplate(msgspec.Struct, frozen=True):
    """What to keep under a name."""

    name: str
    description: str
    values: dict[str, Any]


async def save_template(house: House, user: str, key: str | None, wish: NewTemplate) -> Done:
    """Keep part of a configuration; its id is made of the name.

    Raises:
        InvalidInput: a name or values that cannot be; nothing was appended.
        LimitReached: see the aggregate.
    """
    try:
        given = read(wish.values)
        check_whole(flat(DEFAULTS) | given)
    except InvalidInput as error:
        raise error.within("config") from None
    ident = f"{_slug(wish.name)}-{house.clock.new_id()[-6:].lower()}"

    def command(made: str) -> SaveTemplate:
        values = msgspec.Raw(msgspec.json.encode(nested(given)))
        return SaveTemplate(
            key=made, user=user, template=ident, name=wish.name, values=values, description=wish.description
        )

    check_template(command(""))
    return await act(house, user, key, command)


async def remove_template(house: House, user: str, key: str | None, name: str) -> Done:
    """Forget a template that was saved.

    Raises:
        Unknown: there is none. Conflict: it is there from the start; nothing was appended.
        OutcomeUnknown: see `act`.
    """
    check_removable(name)
    await house.reader.wait_until((await house.tape.info()).last)
    await template(house, name, Moment())
    return await act(house, user, key, lambda made: RemoveTemplate(key=made, user=user, template=name))


def _slug(name: str) -> str:
    """What of a name an id can hold."""
    if len(name) > TEMPLATE_NAME_MAX:  # told by `check_template`
        name = ""
    return _NO_SLUG.sub("-", name.lower()).strip("-")[:SLUG_MAX].strip("-") or "template"
