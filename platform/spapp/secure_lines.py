"""Connections that show a provider's client certificate, to WeChat and to the simulator.

Each certificate has connections of its own, so that none is ever used for another provider (failure
catalogue F09), and a new one takes over without cutting what the old one has under way.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Protocol

import httpx

from spcore.settings import Settings
from wechatpay.breaker import Breaker, GuardedLine, GuardedStreamLine
from wechatpay.credentials import ClientCertificate
from wechatpay.errors import NotSent, WechatPayError
from wechatpay.mutual_tls import present
from wechatpay.reading import Limits
from wechatpay.transport import Line, RawAnswer, Streamed, StreamLine, Transport

_CA_PATH = "/_sim/ca"
_MAX_CA_BYTES = 64 * 1024


class CertifiedLine(Line, StreamLine, Protocol):
    """A line with connections of its own."""

    @property
    def idle(self) -> bool: ...

    @property
    def connections_opened(self) -> int: ...

    async def aclose(self) -> None: ...


class CertificateLines:
    """The lines of one provider, by certificate, behind one breaker."""

    def __init__(self, make: Callable[[ClientCertificate], Awaitable[CertifiedLine]]) -> None:
        self._make = make
        self._held: dict[ClientCertificate, CertifiedLine] = {}
        self._closed_connections = 0
        self._lock = asyncio.Lock()
        self.breaker = Breaker()

    async def for_certificate(self, certificate: ClientCertificate) -> Line:
        """Return the line of this certificate; lines of older versions are closed once they are idle.

        Raises NotSent, or UnusableCertificate for a certificate that does not fit its key.
        """
        return GuardedLine(await self._line(certificate), self.breaker)

    async def streams_for_certificate(self, certificate: ClientCertificate) -> StreamLine:
        """Return what brings files over the same connections. Raises as for_certificate."""
        return GuardedStreamLine(await self._line(certificate), self.breaker)

    @property
    def connections_opened(self) -> int:
        """TCP connections made since start, with every certificate there was."""
        return self._closed_connections + sum(line.connections_opened for line in self._held.values())

    async def close(self) -> None:
        for certificate in list(self._held):
            await self._drop(certificate)

    async def _line(self, certificate: ClientCertificate) -> CertifiedLine:
        if certificate not in self._held:
            async with self._lock:
                if certificate not in self._held:
                    self._held[certificate] = await self._make(certificate)
        line = self._held[certificate]
        await self._close_replaced(certificate.version)
        return line

    async def _close_replaced(self, version: int) -> None:
        for certificate, line in list(self._held.items()):
            if certificate.version < version and line.idle:
                await self._drop(certificate)

    async def _drop(self, certificate: ClientCertificate) -> None:
        # Closing takes a moment, in which another call may have dropped it.
        line = self._held.pop(certificate, None)
        if line is not None:
            self._closed_connections += line.connections_opened
            await line.aclose()


class LiveLines:
    """Makes lines to WeChat, or to what `WXSP_GATEWAY_URL` names."""

    def __init__(self, settings: Settings, context: Callable[[], ssl.SSLContext]) -> None:
        self._settings = settings
        self._context = context

    async def make(self, certificate: ClientCertificate) -> CertifiedLine:
        # Reading the trust anchors takes milliseconds, which the event loop has better uses for.
        context = await asyncio.to_thread(self._showing, certificate)
        settings = self._settings
        return Transport(settings.gateway_url, settings.gateway_backup_url, verify=context)

    def _showing(self, certificate: ClientCertificate) -> ssl.SSLContext:
        context = self._context()
        present(context, certificate)
        return context


class SimulatorAuthority:
    """Who signs the simulator's TLS certificate, as the simulator itself says; asked for once.

    A test provider trusts this authority and no other (contract section 6).
    """

    def __init__(self, settings: Settings) -> None:
        self._transport = Transport(settings.simulator_url)
        self._pem: str | None = None
        self._lock = asyncio.Lock()

    async def pem(self, distrusted: str | None = None) -> str:
        """Return the authority's certificate; asks anew when the one at hand is `distrusted`.

        Raises NotSent("no_authority").
        """
        async with self._lock:
            if self._pem is None or self._pem == distrusted:
                self._pem = await self._fetch()
            return self._pem

    async def close(self) -> None:
        await self._transport.aclose()

    async def _fetch(self) -> str:
        try:
            answer = await self._transport.get_text(_CA_PATH)
        except WechatPayError:
            # Whatever became of this question: the call that needs the answer was not sent.
            raise NotSent("no_authority") from None
        if answer.status != 200 or len(answer.body) > _MAX_CA_BYTES or not answer.body.isascii():
            raise NotSent("no_authority")
        return answer.body.decode("ascii")


class SimulatorLines:
    """Makes lines to the simulator's TLS port."""

    def __init__(self, settings: Settings, authority: SimulatorAuthority) -> None:
        self._url = settings.simulator_tls_url
        self._authority = authority

    async def make(self, certificate: ClientCertificate) -> CertifiedLine:
        line = SimulatorLine(self._url, self._authority, certificate)
        await line.connect()
        return line


class SimulatorLine:
    """One certificate's connections to the simulator; follows the simulator to a new authority."""

    def __init__(self, url: str, authority: SimulatorAuthority, certificate: ClientCertificate) -> None:
        self._url = url
        self._authority = authority
        self._certificate = certificate
        self._trusted: str | None = None
        self._transport: Transport | None = None
        self._closed_connections = 0

    async def connect(self, distrusted: str | None = None) -> Transport:
        """Return connections that trust the simulator's authority, made anew when that has changed.

        Raises NotSent("no_authority"), or UnusableCertificate.
        """
        pem = await self._authority.pem(distrusted)
        if self._transport is None or pem != self._trusted:
            replaced, self._transport = self._transport, Transport(self._url, verify=self._context(pem))
            self._trusted = pem
            if replaced is not None:
                self._closed_connections += replaced.connections_opened
                await replaced.aclose()
        return self._transport

    @property
    def idle(self) -> bool:
        return self._transport is None or self._transport.idle

    @property
    def connections_opened(self) -> int:
        return self._closed_connections + (self._transport.connections_opened if self._transport else 0)

    async def post_xml(
        self, path: str, body: bytes, *, deadline_s: float | None = None, repeatable: bool = True
    ) -> RawAnswer:
        """See Line.post_xml. Asks once for the authority when the host's certificate does not check."""
        transport, trusted = await self.connect(), self._trusted
        try:
            return await transport.post_xml(path, body, deadline_s=deadline_s, repeatable=repeatable)
        except NotSent as error:
            if error.reason != "untrusted":
                raise
        renewed = await self.connect(distrusted=trusted)
        return await renewed.post_xml(path, body, deadline_s=deadline_s, repeatable=repeatable)

    @asynccontextmanager
    async def stream(
        self,
        method: str,
        target: str,
        body: bytes = b"",
        *,
        headers: Mapping[str, str],
        auth: httpx.Auth | None = None,
        limits: Limits = Limits(),  # noqa: B008 (immutable)
    ) -> AsyncIterator[Streamed]:
        """See StreamLine.stream. Asks once for the authority, as post_xml does."""
        transport, trusted = await self.connect(), self._trusted
        async with AsyncExitStack() as opened:
            try:
                answer = await opened.enter_async_context(
                    transport.stream(method, target, body, headers=headers, auth=auth, limits=limits)
                )
            except NotSent as error:
                if error.reason != "untrusted":
                    raise
                renewed = await self.connect(distrusted=trusted)
                answer = await opened.enter_async_context(
                    renewed.stream(method, target, body, headers=headers, auth=auth, limits=limits)
                )
            yield answer

    async def aclose(self) -> None:
        if self._transport is not None:
            await self._transport.aclose()

    def _context(self, pem: str) -> ssl.SSLContext:
        """Trust in one authority alone, not in the system's (contract section 6)."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        try:
            context.load_verify_locations(cadata=pem)
        # ValueError: no text at all.
        except (ssl.SSLError, ValueError):
            raise NotSent("no_authority") from None
        present(context, self._certificate)
        return context
