"""Streams to clients: server-sent events over the tape, and broadcasts over the WebSocket."""
