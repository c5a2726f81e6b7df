"""Contract 004: the configuration whole and by section, its history, and as a YAML document."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Literal

import msgspec
from litestar import Request, Response, get, post, put
from litestar.di import NamedDependency
from litestar.params import JSONBody, PathParameter
from msgspec import Meta

from api.access import user_of
from api.house import House
from api.reading.asking import TEXT_MAX
from api.reading.reader import Listing, Moment, answered
from api.reading.wording import instant_of
from api.services import configuration as work
from api.services.configuration_yaml import parsed, written
from api.session_control import Key, done
from engine.configuration.changes import DOCUMENT_BYTES_MAX, nested
from engine.configuration.sections import Configuration
from events.errors import InvalidInput
from projections.read_models.answers import Page
from projections.read_models.configuration import ChangeRow

TRADER = {"role": "trader"}

SectionName = Annotated[str, PathParameter(description="data, transformer, ppo, risk or backtest", max_length=TEXT_MAX)]


class WholeConfiguration(Configuration, frozen=True, kw_only=True):
    """The sections in force."""

    overridden: Annotated[list[str], Meta(description="dotted keys that the environment sets")]


class Document(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A configuration as a document. What an export gives, an import takes."""

    content: Annotated[str, Meta(max_length=DOCUMENT_BYTES_MAX, description="YAML: sections with their keys")]
    format: Literal["yaml"] = "yaml"


class ExportAsked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How to export."""

    format: Literal["yaml"] = "yaml"


class ChangeItem(msgspec.Struct, frozen=True):
    """One key that was changed once."""

    key: str
    before: Any
    value: Any
    user: str
    origin: Annotated[str, Meta(description="request, import, or file: it changed on disk")]
    changed_at: str
    sequence: int


class Imported(msgspec.Struct, frozen=True):
    """What an import changed; `changed` is empty where all was so already."""

    imported: bool
    changed: list[ChangeItem]
    config: Configuration


@get("/api/config")
async def whole(house: NamedDependency[House], at: NamedDependency[Moment]) -> Response[WholeConfiguration]:
    """The configuration in force: defaults, changes, environment."""
    found = await work.current(house, at)
    body = msgspec.to_builtins(found.value.whole) | {"overridden": list(found.value.overridden)}
    return answered(body, found.sequence, found.epoch)


@get("/api/config/history")
async def history(
    house: NamedDependency[House], at: NamedDependency[Moment], page: NamedDependency[Page]
) -> Response[Listing[ChangeItem]]:
    """Every change of a key: both values, who made it, how and when."""
    found = await work.history(house, at, page)
    rows = [_changed(row) for row in found.value.rows]
    body = Listing(rows, found.value.total, page.limit, page.offset, found.value.next)
    return answered(body, found.sequence, found.epoch)


@get("/api/config/{section:str}")
async def one_section(
    section: SectionName, house: NamedDependency[House], at: NamedDependency[Moment]
) -> Response[dict[str, Any]]:
    """One section in force."""
    name = work.section_of(section)
    found = await work.current(house, at)
    return answered(nested(found.value.values)[name], found.sequence, found.epoch)


@put("/api/config/{section:str}", opt=TRADER)
async def change_section(
    section: SectionName,
    data: JSONBody[dict[str, Any]],
    request: Request[Any, Any, Any],
    house: NamedDependency[House],
    key: Key = None,
) -> Response[dict[str, Any]]:
    """Set what the body names in one section and leave the rest; answers the section. Every socket hears of it."""
    name = work.section_of(section)
    how = await work.change(house, user_of(request).user, key, {name: data})
    found = await work.after(house, how)
    return done(nested(found.value.values)[name], how, house)


@post("/api/config/export", status_code=200, opt=TRADER)
async def export(
    house: NamedDependency[House], at: NamedDependency[Moment], data: JSONBody[ExportAsked | None] = None
) -> Response[Document]:
    """The configuration as YAML, as it was changed: without what the environment sets here."""
    found = await work.current(house, at)
    return answered(Document(written(found.value.configured)), found.sequence, found.epoch)


@post("/api/config/import", status_code=200, opt=TRADER)
async def take(
    data: JSONBody[Document], request: Request[Any, Any, Any], house: NamedDependency[House], key: Key = None
) -> Response[Imported]:
    """Take over a YAML document, all of it or nothing; keys that it leaves out stay. Answers what changed."""
    changes = await asyncio.to_thread(parsed, data.content, "content")
    try:
        how = await work.change(house, user_of(request).user, key, changes, "import")
    except InvalidInput as error:
        raise error.within("content") from None
    rows = await work.changed_by(house, how)
    found = await work.after(house, how)
    return done(Imported(True, [_changed(row) for row in rows], found.value.whole), how, house)


def _changed(row: ChangeRow) -> ChangeItem:
    return ChangeItem(row.key, row.before, row.value, row.user, row.origin, instant_of(row.changed_ns), row.changed_at)


HANDLERS = [whole, history, one_section, change_section, export, take]
