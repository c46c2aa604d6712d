"""The wire between the platform and WeChat, to be cut, taken away, or made to bring things late."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum

from tests.support.background import Background


class State(Enum):
    """What becomes of a request: it arrives, the connection ends without an answer, or it is kept back."""

    WHOLE = "whole"
    CUT = "cut"
    KEEPING = "keeping"


class Wire:
    """A port that leads to another one.

    `tried` counts the requests that met no WeChat, `carried` the pieces of those that did.
    """

    def __init__(self, background: Background, port: int, target: int) -> None:
        self._background = background
        self.port = port
        self._target = target
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.state = State.WHOLE
        self.tried = 0
        self.carried = 0
        self.kept: list[bytes] = []
        """Requests that were kept back, as they were sent."""
        background.run(self._listen())

    @contextmanager
    def refusing(self) -> Iterator[None]:
        """While it lasts nobody listens, and every connection there was is gone (G01)."""
        self._background.run(self._hang_up())
        try:
            yield
        finally:
            self._background.run(self._listen())

    @contextmanager
    def being(self, state: State) -> Iterator[None]:
        self.state = state
        try:
            yield
        finally:
            self.state = State.WHOLE

    def bring(self) -> bytes:
        """Deliver the oldest request that was kept back, and return what WeChat answers to nobody."""
        return self._background.run(self._bring(self.kept.pop(0)))

    def close(self) -> None:
        self._background.run(self._hang_up())

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)

    async def _hang_up(self) -> None:
        if self._server is not None:
            self._server.close()
        for writer in set(self._open):
            writer.transport.abort()
        for task in set(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._lead(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _lead(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        back: asyncio.Task[None] | None = None
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target)
            self._open.add(far_writer)
            back = asyncio.create_task(self._carry(far_reader, writer))
            while data := await reader.read(65536):
                if self.state is not State.WHOLE:
                    self.tried += 1
                    if self.state is State.KEEPING:
                        self.kept.append(await _whole_request(data, reader))
                    return
                self.carried += 1
                far_writer.write(data)
                await far_writer.drain()
        except OSError:
            self.tried += 1
        finally:
            if back is not None:
                back.cancel()
                far_writer.transport.abort()
                self._open.discard(far_writer)
            writer.transport.abort()
            self._open.discard(writer)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.transport.abort()

    async def _bring(self, request: bytes) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._target)
        try:
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            return await reader.readexactly(_length_of(head))
        finally:
            writer.transport.abort()


async def _whole_request(data: bytes, reader: asyncio.StreamReader) -> bytes:
    while b"\r\n\r\n" not in data:
        data += await reader.read(65536)
    missing = data.index(b"\r\n\r\n") + 4 + _length_of(data) - len(data)
    return data + (await reader.readexactly(missing) if missing > 0 else b"")


def _length_of(head: bytes) -> int:
    for line in head.partition(b"\r\n\r\n")[0].split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-length":
            return int(value)
    return 0
