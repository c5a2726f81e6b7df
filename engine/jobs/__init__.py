"""Jobs: background work with progress. The queue is the tape; any number of workers take from it."""
