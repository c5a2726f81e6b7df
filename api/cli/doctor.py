"""`tapedeck doctor`: is everything well here, and what to do where it is not."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import click
import msgspec

from api.cli.telling import json_option, note, progress, say, say_json
from api.settings import Settings
from events.errors import InvalidInput

if TYPE_CHECKING:
    from api.cli.checks import Check, Word
    from api.cli.running import Reached
    from api.places import HouseFile
    from api.sealing import Sealing

NOT_WELL = 9  # exit code
HEALTH_SECONDS_MAX = 5.0
RESEAL_SECONDS_MAX = 3_600.0
SEAL_BEHIND_WARN = 10_000  # messages
WORDS: dict[str, Word] = {"ok": "ok", "behind": "warn", "warn": "warn"}  # of the API's health; else a failure
TODO = {"ok": "", "behind": "Wait until it has caught up.", "warn": "See docs/operations.md, When something is wrong."}


@click.command("doctor", epilog="Example: `tapedeck doctor --json`")
@click.option("--reseal", is_flag=True, help="Begin the seal anew: only if you know that the tape is whole.")
@click.option("--yes", is_flag=True, help="Do not ask before --reseal.")
@json_option
@click.pass_obj
def doctor(settings: Settings, reseal: bool, yes: bool, as_json: bool) -> None:
    """Check this installation and its data; say what to do.

    Versions, disk, ports, the tape with its sync mode and seal, lag of the read models, compiled kernels. Exit code 9
    where something is broken; what is only not ideal is a warning.
    """
    from api.cli.running import run

    if reseal:
        if not yes and not sys.stdin.isatty():
            raise InvalidInput("There is no terminal to ask on.", field="--reseal", hint="Confirm it with --yes.")
        if not yes:
            click.confirm(
                "Damage done to the tape until now will not be noticed any more. Go on?", abort=True, err=True
            )
        run(_reseal(settings))
        return
    found = run(_checks(settings))
    if as_json:
        say_json(found)
    else:
        for one in found:
            say(f"{one.state:<5} {one.name:<13} {one.detail}")
            if one.todo:
                say(f"{'':<19} -> {one.todo}")
    if any(one.state == "fail" for one in found):
        click.get_current_context().exit(NOT_WELL)


async def _checks(settings: Settings) -> list[Check]:
    from api.cli import checks
    from api.places import Places, read_mark, running_house

    places = Places(settings.folder)
    found = await asyncio.to_thread(lambda: list(checks.of_machine(settings)))
    house = running_house(places)
    found.append(checks.port(settings, house))
    if read_mark(places) is None:
        found.append(checks.Check("tape", "warn", "none in this data folder yet", "Run `tapedeck init`."))
        return found
    found += [one async for one in _of_tape(settings)]
    if house is not None:
        found += await asyncio.to_thread(_of_house, house)
    return found


async def _of_tape(settings: Settings) -> AsyncIterator[Check]:
    from api.cli import checks
    from api.cli.running import reached
    from events.errors import TapedeckError

    try:
        async with reached(settings, guarded=False) as line:
            info = await line.tape.info()
            detail = f"epoch {info.epoch}, {info.last:,} messages, {info.size_bytes / 1024**2:,.1f} MiB"
            yield checks.Check("tape", "ok", detail)
            yield checks.sync_mode(settings, line.places)
            yield await _seal(line, info.last)
    except TapedeckError as error:
        yield checks.Check("tape", "fail", error.message, error.hint)


async def _seal(line: Reached, last: int) -> Check:
    """With a house: how far its seal is behind. Without: the whole comparison, of the tape and the vault."""
    from api.cli.checks import Check
    from api.sealing import Sealing
    from events.errors import TapeRefused
    from events.seal import files

    try:
        if line.house is not None:
            behind = last - files.read_head(line.places.seal, line.tape.epoch).point.sequence
            state: Word = "warn" if behind > SEAL_BEHIND_WARN else "ok"
            return Check("seal", state, f"{max(0, behind):,} messages behind the end of the tape")
        sealing = await Sealing.open(line.settings, line.clock)
        try:
            with progress("comparing the tape with its seal", "bytes") as bar:
                report = await sealing.check(deep=True, progress=bar)
        finally:
            await sealing.close()
    except TapeRefused as error:
        return Check("seal", "fail", error.message, error.hint)
    detail = f"the tape is as it was sealed up to {report.sequence:,} of {report.last:,}, and so is the vault"
    return Check("seal", "ok", detail)


class _Health(msgspec.Struct):
    """What the API says of itself; see `api.services.checkup`."""

    status: str
    components: dict[str, dict[str, Any]]


def _of_house(house: HouseFile) -> list[Check]:
    """How the processes of the house are, by the API's own health."""
    from urllib.error import URLError
    from urllib.request import urlopen

    from api.cli.checks import Check

    try:
        with urlopen(f"{house.api_url}/api/health", timeout=HEALTH_SECONDS_MAX) as answer:
            health = msgspec.json.decode(answer.read(), type=_Health)
    except (OSError, URLError, msgspec.MsgspecError) as error:
        return [Check("api", "fail", f"{house.api_url} does not answer: {error}", "Look into the data folder's logs.")]
    found = []
    for name, part in health.components.items():
        lag = f", {part['lag']:,} events behind" if part.get("lag") is not None else ""
        detail = f"{part['status']}{lag}{': ' + part['detail'] if part.get('detail') else ''}"
        state = WORDS.get(part["status"], "fail")
        todo = TODO.get(part["status"], "Look into the logs.")
        found.append(Check(name.replace("_", " "), state, detail, todo))
    return found


async def _reseal(settings: Settings) -> None:
    from api.cli.running import reached
    from api.places import Places, running_house
    from api.sealing import NAMES, Sealing, seal_folder
    from events.errors import Conflict
    from events.seal import files

    if running_house(Places(settings.folder)) is not None:
        raise Conflict("A house runs on this data folder and seals its tape.", hint="Stop it first.")
    async with reached(settings, guarded=False) as line:
        last = (await line.tape.info()).last
        sealing = await Sealing.open(settings, line.clock)
        try:
            for stream in NAMES:
                await asyncio.to_thread(files.restart, seal_folder(line.places, stream), line.tape.epoch)
            await sealing.start()
            await _watched(sealing, last)
        finally:
            await sealing.close()
    note(f"tape and vault sealed anew, the tape up to {last:,}; each old head is kept as seal.json.old in its folder")


async def _watched(sealing: Sealing, last: int) -> None:
    """Wait until all is sealed, visibly. Raises TimeoutError, or what ended the sealing."""
    with progress("sealing", "messages") as bar:
        async with asyncio.timeout(RESEAL_SECONDS_MAX):
            ending = asyncio.ensure_future(sealing.ended())
            try:
                while await sealing.behind() and not ending.done():
                    bar(sealing.sealed, last)
                    await asyncio.wait({ending}, timeout=0.2)
                if ending.done():
                    ending.result()
            finally:
                ending.cancel()
        bar(sealing.sealed, last)
