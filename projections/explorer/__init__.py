"""The database explorer: read-only SQL over published copies of views, in child processes that are ended in time."""
