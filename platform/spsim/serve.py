"""The simulator as a program: `wxsp simulator`, and the same inside a test."""

from __future__ import annotations

import asyncio
import signal
import ssl
import tempfile
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import Future
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from . import logs
from .app import Simulator, create_simulator
from .certificates import Authority
from .server import Listener


@dataclass(frozen=True, slots=True)
class Running:
    """Where a running simulator answers; no slash at the end."""

    url: str
    tls_url: str
    ca_pem: str


@asynccontextmanager
async def serving(
    simulator: Simulator, host: str = "127.0.0.1", port: int = 0, tls_port: int = 0
) -> AsyncIterator[Running]:
    """Serve on a plain and a TLS port (0: any free one) inside the running event loop.

    Raises OSError when a port is taken.
    """
    app = simulator.app
    async with simulator.opened():
        authority = simulator.authority()
        context = _tls_context(authority)
        simulator.trust.watch(context)
        listeners = [Listener(app, host, port), Listener(app, host, tls_port, context)]
        try:
            for listener in listeners:
                await listener.start()
            plain, tls = listeners
            name = _reachable(host)
            yield Running(f"http://{name}:{plain.port}", f"https://{name}:{tls.port}", authority.ca_pem)
        finally:
            for listener in listeners:
                await listener.stop()


def _reachable(host: str) -> str:
    """Return the host by which this machine reaches a port bound to `host`, as a URL writes it."""
    if host in {"0.0.0.0", "::", ""}:  # noqa: S104 - compared, not bound
        return "127.0.0.1"
    return f"[{host}]" if ":" in host else host


def _tls_context(authority: Authority) -> ssl.SSLContext:
    pair = authority.issue_server()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # The ssl module reads keys from files only; this one is readable by us alone and gone at once.
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "server.pem"
        path.touch(mode=0o600)
        path.write_text(pair.public_pem + pair.private_pem, encoding="ascii")
        context.load_cert_chain(path)
    return context


def run(
    host: str = "127.0.0.1", port: int = 8100, tls_port: int = 8101, database: str | Path | None = None
) -> None:
    """Run in the foreground until SIGTERM or SIGINT; logs are JSON lines on stderr.

    Without `database` the books are kept in memory and end with the program. Raises OSError when a port is
    taken.
    """
    logs.to_stderr()
    simulator = create_simulator(database or ":memory:", public_base=f"http://{_reachable(host)}:{port}")
    asyncio.run(_until_signal(simulator, host, port, tls_port))


async def _until_signal(simulator: Simulator, host: str, port: int, tls_port: int) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with serving(simulator, host, port, tls_port) as running:
        logs.event("started", url=running.url, tls_url=running.tls_url)
        await stop.wait()
    logs.event("stopped")


@contextmanager
def running(database: str | Path = ":memory:", *, port: int = 0, tls_port: int = 0) -> Iterator[Running]:
    """Run a simulator in a background thread, for tests and programs that are not asynchronous themselves."""
    simulator = create_simulator(database)
    started: Future[Running] = Future()
    leave: Future[None] = Future()

    async def serve() -> None:
        async with serving(simulator, port=port, tls_port=tls_port) as where:
            started.set_result(where)
            await asyncio.wrap_future(leave)

    def body() -> None:
        try:
            asyncio.run(serve())
        except BaseException as error:
            if started.done():
                raise
            started.set_exception(error)

    thread = threading.Thread(target=body, name="spsim")
    thread.start()
    try:
        yield started.result()
    finally:
        leave.set_result(None)
        thread.join()
