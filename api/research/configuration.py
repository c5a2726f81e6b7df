"""Contract 002: the configuration whole, changes of it merged key by key, and templates."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import Request, Response, delete, get, post, put
from litestar.di import NamedDependency
from litestar.params import JSONBody, PathParameter

from api.access import name_of
from api.house import House
from api.reading.asking import TEXT_MAX
from api.reading.reader import Moment
from api.reading.wording import instant_of
from api.research.envelope import Data, DataPage, enveloped, pagination
from api.research.paging import PART
from api.services import configuration as work
from api.services.acting import IDEMPOTENCY_KEY, Done
from api.services.configuration import NewTemplate
from api.session_control import Key
from engine.aggregates.configuration import DESCRIPTION_MAX, TEMPLATE_NAME_MAX
from engine.configuration.sections import Configuration
from projections.read_models.answers import Page
from projections.read_models.configuration import TemplateRow

OPEN = {"elsewhere": "trader"}
OVERRIDDEN = "Config-Overridden"  # header: dotted keys that the environment sets

TemplateId = Annotated[str, PathParameter(description="id of a template", max_length=TEXT_MAX)]
Changes = JSONBody[dict[str, Any]]


class Updated(msgspec.Struct, frozen=True):
    """Whether anything is other than it was, and the configuration that is in force now."""

    updated: bool
    config: Configuration


class Valid(msgspec.Struct, frozen=True):
    """Changes that can be made, and the configuration as it would be."""

    valid: bool
    config: Configuration


class TemplateItem(msgspec.Struct, frozen=True, rename="camel"):
    """A template."""

    id: str
    name: str
    description: str
    created_at: str


class Templates(msgspec.Struct, frozen=True):
    """Templates, those that are there from the start first."""

    templates: list[TemplateItem]


class TemplateWhole(TemplateItem, frozen=True, rename="camel"):
    """A template with the sections and keys it sets."""

    config: dict[str, dict[str, Any]]


class SavedTemplate(msgspec.Struct, frozen=True, rename="camel"):
    """A template that was saved."""

    id: str
    name: str
    created_at: str


class RemovedTemplate(msgspec.Struct, frozen=True):
    """A template that is no longer there."""

    id: str
    removed: bool = True


class TemplateAsked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A part of a configuration to keep under a name."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=TEMPLATE_NAME_MAX)]
    config: Annotated[dict[str, Any], msgspec.Meta(description="sections with the keys it sets")]
    description: Annotated[str, msgspec.Meta(max_length=DESCRIPTION_MAX)] = ""


@get("/api/v1/config")
async def whole(
    request: Request[Any, Any, Any], house: NamedDependency[House], at: NamedDependency[Moment]
) -> Response[Data[Configuration]]:
    """The configuration in force. The header `Config-Overridden` names what the environment sets."""
    found = await work.current(house, at)
    headers = {OVERRIDDEN: ", ".join(found.value.overridden)} if found.value.overridden else {}
    return enveloped(request, found.value.whole, sequence=found.sequence, headers=headers)


@put("/api/v1/config", opt=OPEN)
async def update(
    data: Changes, request: Request[Any, Any, Any], house: NamedDependency[House], key: Key = None
) -> Response[Data[Updated]]:
    """Set what the body names and leave the rest; answers the whole. All wrong fields are told at once.

    Sessions that run keep what they started with. What the environment sets stays as it is there.
    """
    how = await work.change(house, name_of(request), key, data)
    found = await work.after(house, how)
    return _done(request, Updated(bool(how.id), found.value.whole), how)


@post("/api/v1/config/validate", status_code=200)
async def validate(
    data: Changes, request: Request[Any, Any, Any], house: NamedDependency[House], at: NamedDependency[Moment]
) -> Response[Data[Valid]]:
    """Whether changes could be made; nothing is changed. If not: 400 with every wrong field."""
    given = await work.check(house, data, at)
    found = await work.current(house, at)
    return enveloped(request, Valid(True, work.whole_with(house, found.value, given)), sequence=found.sequence)


@get("/api/v1/config/templates", dependencies=PART)
async def list_templates(
    request: Request[Any, Any, Any],
    house: NamedDependency[House],
    at: NamedDependency[Moment],
    part: NamedDependency[Page],
) -> Response[DataPage[Templates]]:
    """Templates: `quick-test` and `production`, then those that were saved."""
    found = await work.templates(house, at, part)
    body = Templates([_item(row) for row in found.value.rows])
    return enveloped(request, body, sequence=found.sequence, of=pagination(part, found.value.total))


@get("/api/v1/config/templates/{template_id:str}")
async def one_template(
    template_id: TemplateId, request: Request[Any, Any, Any], house: NamedDependency[House], at: NamedDependency[Moment]
) -> Response[Data[TemplateWhole]]:
    """One template with its values: what to send to `PUT /api/v1/config` to use it."""
    found = await work.template(house, template_id, at)
    item = msgspec.structs.asdict(_item(found.value))
    return enveloped(request, TemplateWhole(**item, config=found.value.values), sequence=found.sequence)


@post("/api/v1/config/templates", status_code=201, opt=OPEN)
async def save(
    data: JSONBody[TemplateAsked], request: Request[Any, Any, Any], house: NamedDependency[House], key: Key = None
) -> Response[Data[SavedTemplate]]:
    """Keep a part of a configuration as a template; its id is made of its name."""
    wish = NewTemplate(data.name, data.description, data.config)
    how = await work.save_template(house, name_of(request), key, wish)
    row = await work.saved(house, how)
    return _done(request, SavedTemplate(row.template, row.name, instant_of(row.saved_ns)), how, 201)


@delete("/api/v1/config/templates/{template_id:str}", status_code=200, opt=OPEN)
async def remove(
    template_id: TemplateId, request: Request[Any, Any, Any], house: NamedDependency[House], key: Key = None
) -> Response[Data[RemovedTemplate]]:
    """Forget a template that was saved; 409 for those that are there from the start."""
    how = await work.remove_template(house, name_of(request), key, template_id)
    return _done(request, RemovedTemplate(template_id), how)


def _done(request: Request[Any, Any, Any], body: Any, how: Done, status: int = 200) -> Response[Any]:
    return enveloped(request, body, sequence=how.sequence, status=status, headers={IDEMPOTENCY_KEY: how.key})


def _item(row: TemplateRow) -> TemplateItem:
    return TemplateItem(row.template, row.name, row.description, instant_of(row.saved_ns))


HANDLERS = [whole, update, validate, list_templates, one_template, save, remove]
