"""Aggregates beside the desk: each decides one thing (instruments, strategies, configuration, jobs)."""
