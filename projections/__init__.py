"""Remembers: read models made of the tape. Imports only `events`."""
