"""Speaks: HTTP, SSE, WebSocket, command line. Sends commands to the tape, reads the read models."""
