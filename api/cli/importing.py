"""`tapedeck import`: files of market data become recordings, once."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from api.cli.telling import json_option, note, progress, say, say_json, say_table
from api.settings import Settings

if TYPE_CHECKING:
    from engine.feeds.feed import Description
    from engine.feeds.file_feed import FileFeed
    from engine.feeds.merge import MergedFeed
    from engine.recordings.importing import Imported


@click.command("import", epilog="Example: `tapedeck import --merge btc-monday.csv.gz btc-tuesday.csv.gz`")
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
@click.option("--format", "format_", metavar="NAME", help="Format; found out by content where not given.")
@click.option("--formats", is_flag=True, help="List the formats and end.")
@click.option("--symbol", help="Symbol of a file that names none.")
@click.option("--venue", help="Venue, instead of what the file says.")
@click.option("--asset-type", help="crypto, equity, forex, future, ...")
@click.option("--quote", help="Quote currency.")
@click.option("--zone", help="Time zone of local times: an IANA name, UTC, UTC-05, America/New_York+7h.")
@click.option("--date", help="Day of times of day, YYYY-MM-DD.")
@click.option("--interval", help="Length of a bar: 30s, 1m, 4h, 1d.")
@click.option("--price-side", help="bid, ask or mid, where a bar has both.")
@click.option("--volume", help="What the volume column counts: base, quote or ticks.")
@click.option("--member", help="Member of a zip file.")
@click.option("--kind", "kinds", multiple=True, help="Keep rows of this kind only. Repeatable.")
@click.option("--bad-rows", help="skip leaves bad rows out and counts them; refuse (the default) refuses the file.")
@click.option("--merge", is_flag=True, help="One recording of all files, merged in time.")
@click.option("--dry-run", is_flag=True, help="Only read and check the files; nothing is appended.")
@json_option
@click.pass_obj
def import_(
    settings: Settings,
    /,
    files: tuple[Path, ...],
    formats: bool,
    merge: bool,
    dry_run: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Import files of market data, each as a recording, once.

    What is odd about a file is listed with row numbers; bad rows refuse it, unless --bad-rows skip. Importing the
    same again appends nothing; an import that was killed goes on where it was.
    """
    if formats:
        _list_formats()
        return
    if not files:
        raise click.UsageError("Name at least one file.", click.get_current_context())
    from api.cli.running import run

    feeds = _feeds(files, merge, options)
    if dry_run:
        _surveyed(feeds, as_json)
    else:
        run(_import(settings, feeds, as_json))


def _list_formats() -> None:
    from engine.feeds.registry import FORMATS

    rows = [(one.name, ", ".join(sorted(one.options)), one.about) for one in FORMATS]
    say_table(("format", "own options", "about"), rows)


def _feeds(files: Sequence[Path], merge: bool, options: dict[str, Any]) -> list[FileFeed | MergedFeed]:
    """Raises FeedError: a file is missing or of no known format; nothing else is read yet."""
    from engine.feeds.file_feed import FileFeed
    from engine.feeds.mapping import mapping_of
    from engine.feeds.merge import MergedFeed

    given = {name.rstrip("_"): value for name, value in options.items() if value}
    mapping = mapping_of(given)
    feeds = [FileFeed(path, mapping) for path in files]
    return [MergedFeed(feeds)] if merge else list(feeds)


def _surveyed(feeds: Sequence[FileFeed | MergedFeed], as_json: bool) -> None:
    told = []
    for feed in feeds:
        with progress(f"check {_name_of(feed)}", "rows") as bar:
            _watch(feed, partial(bar, total=None))
            told.append(feed.survey())
    if as_json:
        say_json(told)
        return
    for one in told:
        _say_survey(one)


def _say_survey(told: Description) -> None:
    from events.clock import iso

    first, last = (iso(one) if one is not None else "?" for one in (told.first_ns, told.last_ns))
    symbols = ", ".join(f"{form.symbol}@{form.venue}" for form in told.instruments[:8])
    more = f" and {len(told.instruments) - 8} more" if len(told.instruments) > 8 else ""
    for report in told.reports:
        say(f"{report.file}: {report.format}, {report.rows_read:,} rows read, {report.rows_made:,} made")
        for finding in report.findings:
            say(f"  {finding}")
    say(f"  {told.rows or 0:,} {told.section} rows ({', '.join(told.kinds)}) of {symbols}{more}")
    say(f"  {first} to {last}")


async def _import(settings: Settings, feeds: Sequence[FileFeed | MergedFeed], as_json: bool) -> None:
    from api.cli.running import reached
    from engine.recordings.importing import Importer
    from engine.recordings.segments import Segments

    done: list[Imported] = []
    async with reached(settings) as line:
        for feed in feeds:
            name = _name_of(feed)
            content_id = await _content_id(feed, name)
            segments = Segments(line.places.segments, line.tape.epoch)
            with progress(name, "rows") as bar:
                importer = Importer(line.tape, line.clock, segments, "admin", bar)
                done.append(await importer.run(feed, content_id, name))
            if not as_json:
                _say_imported(name, done[-1], feed.survey())
    if as_json:
        say_json([_body(one, feed.survey()) for one, feed in zip(done, feeds, strict=True)])


async def _content_id(feed: FileFeed | MergedFeed, name: str) -> str:
    """Id of an import. The files are read in a thread that stops when nobody waits for it any more."""
    gone = threading.Event()
    with progress(f"check {name}", "rows") as bar:

        def seen(rows: int) -> None:
            if gone.is_set():
                raise asyncio.CancelledError
            bar(rows, None)

        _watch(feed, seen)
        try:
            return await asyncio.to_thread(feed.import_id)
        finally:
            gone.set()


def _watch(feed: FileFeed | MergedFeed, seen: Callable[[int], None]) -> None:
    from engine.feeds.file_feed import FileFeed

    for one in getattr(feed, "feeds", (feed,)):
        if isinstance(one, FileFeed):
            one.seen = seen


def _name_of(feed: FileFeed | MergedFeed) -> str:
    parts = feed.feeds if hasattr(feed, "feeds") else (feed,)
    names = [one.path.name for one in parts if hasattr(one, "path")]
    return names[0] if len(names) == 1 else f"{len(names)} files: {', '.join(names[:4])}{', ...' if names[4:] else ''}"


def _say_imported(name: str, one: Imported, told: Description) -> None:
    rows = f"{one.rows:,} rows"
    what = f"{rows}, {one.appended:,} of them appended now" if one.appended else f"{rows}, all there already"
    say(f"{one.recording.id}  {name}: {what}")
    for report in told.reports:
        for finding in report.findings:
            note(f"  {report.file}: {finding}")


def _body(one: Imported, told: Description) -> dict[str, Any]:
    return {
        "recording": one.recording.id,
        "rows": one.rows,
        "appended": one.appended,
        "source": one.recording.opened.source,
        "symbols": one.recording.opened.symbols,
        "content_hash": one.recording.whole().content_hash,
        "reports": told.reports,
    }
