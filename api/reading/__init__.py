"""Reading: as of when, how new at least, and how rows of read models are worded."""
