"""A TCP proxy that now and then swallows the answer to a write and hangs up: the server did it, nobody was told."""

from __future__ import annotations

import contextlib
import socket
import threading
import urllib.parse

import msgspec
import numpy as np

from projections.questdb.access import Access

WRITE = b"POST /write"
CHUNK_BYTES = 65_536


class LossyProxy:
    """Between a client and a server, on a port of loopback. `lost` counts the answers swallowed."""

    def __init__(self, access: Access, loss: float, seed: int) -> None:
        self._target = (access.host, access.port)
        self._loss = loss
        self._chance = np.random.Generator(np.random.Philox(key=seed))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._threads: list[threading.Thread] = []
        self.lost = 0
        port = self._listener.getsockname()[1]
        url = urllib.parse.urlsplit(access.url)._replace(netloc=f"127.0.0.1:{port}").geturl()
        self.access = msgspec.structs.replace(access, url=url)

    def __enter__(self) -> LossyProxy:
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(10)

    def _start(self, work: object, *args: object) -> None:
        thread = threading.Thread(target=work, args=args, daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self._start(self._serve, client)

    def _serve(self, client: socket.socket) -> None:
        with client, socket.create_connection(self._target) as server, contextlib.suppress(OSError):
            writing = threading.Event()
            upward = threading.Thread(target=self._forward, args=(client, server, writing), daemon=True)
            upward.start()
            while data := server.recv(CHUNK_BYTES):
                if writing.is_set() and self._chance.random() < self._loss:
                    self.lost += 1
                    break
                writing.clear()
                client.sendall(data)
            for side in (client, server):
                with contextlib.suppress(OSError):
                    side.shutdown(socket.SHUT_RDWR)
            upward.join(10)

    @staticmethod
    def _forward(client: socket.socket, server: socket.socket, writing: threading.Event) -> None:
        with contextlib.suppress(OSError):
            while data := client.recv(CHUNK_BYTES):
                if WRITE in data:
                    writing.set()
                server.sendall(data)
            server.shutdown(socket.SHUT_WR)
