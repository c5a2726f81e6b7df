"""Decides: the loop, strategies, sessions, feeds, recordings, research. Imports only `events`."""
