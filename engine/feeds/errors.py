"""What can be wrong with a file, a mapping or a recipe. Nothing is appended when one of these is raised by a survey."""

from __future__ import annotations

from events.errors import InvalidInput


class FeedError(InvalidInput):
    """A file or a recipe that cannot become rows. Names the file, the row where there is one, and what to do."""

    code = "FEED_ERROR"


class Unreadable(FeedError):
    """The bytes cannot be read: missing, empty, cut off, another encoding, an unknown compression."""

    code = "FEED_UNREADABLE"


class UnknownFormat(FeedError):
    """No format fits the file, or the format that was asked for does not exist or does not fit."""

    code = "FEED_FORMAT"


class WrongColumns(FeedError):
    """Columns are missing, doubled, or a line has another number of them."""

    code = "FEED_COLUMNS"


class BadRows(FeedError):
    """Rows with NaN, infinite, negative, huge or unreadable values, and `bad_rows` is `refuse`."""

    code = "FEED_BAD_ROWS"


class BadMapping(FeedError):
    """An option that is unknown, malformed, missing, or has no meaning for the format."""

    code = "FEED_MAPPING"


class FeedLimit(FeedError):
    """A named limit of the feeds was reached."""

    code = "FEED_LIMIT"
