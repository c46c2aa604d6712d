"""Connections to WeChat and the simulator: certificates, trust, breakers (F09, G07, G11, K05)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from structlog.testing import capture_logs
from tests.support import v3_counterpart as v3
from tests.support.bill_texts import FUND_SAMPLE
from tests.support.certificates import client_certificate, private_pem, rsa_key
from tests.support.loopback import Loopback, Received, http, loopback
from tests.support.tls import ServerIdentity, server_identity
from tests.support.v2_counter_desk import PAID, TRANSACTION
from tests.support.v2_counterpart import NUMBER, Counterpart, new_order, partner
from tests.support.visitor import site_environment

from spapp.gateways import Gateways
from spapp.secure_lines import CertificateLines
from spapp.web import metrics
from spcore.clock import Clock, SystemClock
from spcore.providers.models import KeyKind
from spcore.settings import Settings
from wechatpay.bills import Account, BillAsker, BillKind, BillUnavailable, BillWanted
from wechatpay.breaker import FAILURES_TO_OPEN
from wechatpay.credentials import ClientCertificate, PartnerCredentials, SignType
from wechatpay.errors import NotSent, Refused, UnknownOutcome
from wechatpay.gateway import NewRefund, RefundAccepted
from wechatpay.identifiers import MchId, OutRefundNo, TransactionId
from wechatpay.money import Fen
from wechatpay.transport import RawAnswer, Streamed
from wechatpay.v3 import certificates

ONE, OTHER = client_certificate("1900000109"), client_certificate("1900000110")
NEWER = client_certificate("1900000109", version=2)
REFUND = NewRefund(
    OutRefundNo("R0007-20261121_000001"),
    NUMBER,
    TransactionId(TRANSACTION),
    Fen(300),
    Fen(1280),
    None,
    "https://pay.example.com/notify/wechat/k7/v2/refund",
)


def of(certificate: ClientCertificate) -> bytes:
    return x509.load_pem_x509_certificate(certificate.cert_pem).public_bytes(serialization.Encoding.DER)


def credentials(mch_id: str = "1900000109") -> PartnerCredentials:
    return replace(partner(), mch_id=MchId(mch_id))


@dataclass
class World:
    """A simulator as far as connections are concerned: a plain port, a TLS port, an authority."""

    folder: Path
    stack: AsyncExitStack
    identity: ServerIdentity
    counterpart: Counterpart = field(default_factory=Counterpart)
    shown: list[bytes] = field(default_factory=list)
    """The client certificates of the requests over TLS, in order."""
    ca_asked: int = 0
    ca: bytes | None = None
    """Told instead of the authority."""
    former: list[bytes] = field(default_factory=list)
    """Told first, once each."""
    noted: list[tuple[str, str, KeyKind, str]] = field(default_factory=list)
    gate: asyncio.Event | None = None
    plain: Loopback = field(init=False)
    secure: Loopback = field(init=False)

    async def open(self) -> None:
        number = NUMBER.text
        fees = {"total_fee": "1280", "out_trade_no": number, "attach": ""}
        self.counterpart.desk.charged[number] = {**PAID, **fees}
        self.plain = await self.stack.enter_async_context(loopback(self._plainly))
        tls = self.identity.demanding(ONE, OTHER, NEWER)
        self.secure = await self.stack.enter_async_context(loopback(self._securely, tls))

    def note(self, provider_id: str, channel: str, kind: KeyKind, name: str) -> None:
        self.noted.append((provider_id, channel, kind, name))

    def gateways(self, clock: Clock | None = None, **variables: str) -> Gateways:
        environment = {
            **site_environment("sqlite+aiosqlite:///:memory:"),
            "WXSP_SIMULATOR_URL": self.plain.url,
            "WXSP_SIMULATOR_TLS_URL": self.secure.url,
            **variables,
        }
        gateways = Gateways(Settings.from_env(environment), clock or SystemClock(), self)
        self.stack.push_async_callback(gateways.close)
        return gateways

    async def _plainly(self, request: Received, writer: asyncio.StreamWriter) -> None:
        if request.target != "/_sim/ca":
            await self.counterpart(request, writer)
            return
        self.ca_asked += 1
        told = self.former.pop(0) if self.former else self.ca
        writer.write(http(self.identity.ca_pem.encode() if told is None else told))

    async def _securely(self, request: Received, writer: asyncio.StreamWriter) -> None:
        self.shown.append(writer.get_extra_info("ssl_object").getpeercert(binary_form=True))
        if self.gate is not None:
            await self.gate.wait()
        await self.counterpart(request, writer)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with AsyncExitStack() as stack:
        world = World(tmp_path, stack, server_identity(tmp_path))
        await world.open()
        yield world


async def refund(
    gateways: Gateways,
    certificate: ClientCertificate = ONE,
    *,
    provider: str = "prv_1",
    mch_id: str = "1900000109",
    mode: str = "test",
) -> RefundAccepted:
    return await gateways.of(mode, "v2", provider).refund(credentials(mch_id), certificate, REFUND)


async def test_F09_each_provider_s_refunds_go_over_connections_of_its_own_certificate(world: World) -> None:
    gateways = world.gateways()
    for _ in range(2):
        await refund(gateways)
        await refund(gateways, OTHER, provider="prv_2", mch_id="1900000110")
    assert world.shown == [of(ONE), of(OTHER)] * 2
    assert world.secure.connections == 2
    with pytest.raises(NotSent) as failure:
        await refund(gateways, OTHER)
    assert failure.value.reason == "foreign_certificate"
    assert len(world.shown) == 4


async def test_steady_state_opens_no_connection_and_asks_for_no_authority(world: World) -> None:
    gateways = world.gateways()
    await asyncio.gather(*(refund(gateways) for _ in range(5)))
    opened = gateways.connections_opened
    for _ in range(5):
        await refund(gateways)
    assert gateways.connections_opened == opened
    assert world.ca_asked == 1
    assert world.plain.connections == 1


async def test_a_new_certificate_takes_over_and_cuts_nothing_under_way(world: World) -> None:
    gateways = world.gateways()
    world.gate = asyncio.Event()
    early = asyncio.create_task(refund(gateways))
    await world.secure.until_received(1)
    late = asyncio.create_task(refund(gateways, NEWER))
    await world.secure.until_received(2)
    world.gate.set()
    assert (await early).refund_id == (await late).refund_id
    assert world.shown == [of(ONE), of(NEWER)]
    await refund(gateways, NEWER)
    for _ in range(50):
        if len(world.secure.open_writers) == 1:
            break
        await asyncio.sleep(0.01)
    assert len(world.secure.open_writers) == 1
    assert gateways.connections_opened == 2


class SlowLine:
    """Counts how often it is closed, which takes it a moment."""

    connections_opened = 1

    def __init__(self) -> None:
        self.idle = False
        self.closed = 0

    async def post_xml(self, *_args: object, **_options: object) -> RawAnswer:
        raise AssertionError("nothing is sent")

    def stream(self, *_args: object, **_options: object) -> AbstractAsyncContextManager[Streamed]:
        raise AssertionError("nothing is sent")

    async def aclose(self) -> None:
        self.closed += 1
        await asyncio.sleep(0)


async def test_replaced_lines_are_closed_once_however_many_calls_notice() -> None:
    made: list[SlowLine] = []

    async def make(_certificate: ClientCertificate) -> SlowLine:
        made.append(SlowLine())
        return made[-1]

    lines = CertificateLines(make)
    for version in (1, 2):
        await lines.for_certificate(replace(ONE, version=version))
    for line in made:
        line.idle = True
    await asyncio.gather(*(lines.for_certificate(replace(ONE, version=3)) for _ in range(3)))
    assert [line.closed for line in made] == [1, 1, 0]
    assert lines.connections_opened == 3


async def test_a_simulator_with_a_new_authority_is_found_again_without_help(world: World) -> None:
    world.former = [server_identity(world.folder, "former").ca_pem.encode()]
    gateways = world.gateways()
    assert (await refund(gateways)).out_refund_no == REFUND.out_refund_no
    assert world.ca_asked == 2
    await refund(gateways)
    assert world.ca_asked == 2


async def test_G11_a_test_provider_trusts_the_simulator_s_authority_and_no_other(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = tmp_path / "extra.pem"
    bundle.write_text(world.identity.ca_pem)
    # The system's own stores trust this host as well.
    monkeypatch.setenv("SSL_CERT_FILE", str(bundle))
    monkeypatch.setattr("certifi.where", lambda: str(bundle))
    world.ca = server_identity(tmp_path, "impostor").ca_pem.encode()
    gateways = world.gateways(WXSP_CA_BUNDLE=str(bundle))
    with pytest.raises(NotSent) as failure:
        await refund(gateways)
    assert failure.value.reason == "untrusted"
    assert failure.value.call is not None
    assert world.shown == []
    assert world.ca_asked == 2


async def test_a_file_finds_a_simulator_with_a_new_authority_as_well(world: World) -> None:
    world.former = [server_identity(world.folder, "former").ca_pem.encode()]
    world.counterpart.raw = http(FUND_SAMPLE)
    wanted = BillWanted(date(2026, 11, 21), BillKind.FUND, Account.BASIC)
    asker = BillAsker(MchId("1900000109"), partner().appid, partner().key, SignType.HMAC_SHA256, ONE)
    text = bytearray()

    async def sink(piece: bytes) -> None:
        text.extend(piece)

    gateways = world.gateways()
    for _ in range(2):
        text.clear()
        await gateways.bills("test", "v2", "prv_1").fetch(asker, wanted, sink)
        assert bytes(text) == FUND_SAMPLE
    assert world.shown == [of(ONE)] * 2
    assert (world.ca_asked, world.plain.connections) == (2, 1)


@pytest.mark.parametrize(
    "ca",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"-----BEGIN CERTIFICATE-----\nno\n-----END CERTIFICATE-----", id="damaged"),
        pytest.param(b"x" * 70_000, id="more than 64 KiB"),
        pytest.param("证书".encode(), id="not ASCII"),
    ],
)
async def test_an_authority_that_is_none_is_not_trusted(world: World, ca: bytes) -> None:
    world.ca = ca
    with pytest.raises(NotSent) as failure:
        await refund(world.gateways())
    assert failure.value.reason == "no_authority"
    assert world.shown == []
    world.ca = None


@pytest.mark.parametrize("answer", [http(b"", status="500 Oops"), b""], ids=["500", "cut"])
async def test_a_simulator_that_names_no_authority_gets_no_refund(world: World, answer: bytes) -> None:
    async def silent(_request: Received, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        writer.close()

    plain = await world.stack.enter_async_context(loopback(silent))
    with pytest.raises(NotSent) as failure:
        await refund(world.gateways(WXSP_SIMULATOR_URL=plain.url))
    assert failure.value.reason == "no_authority"


async def test_a_live_provider_shows_its_certificate_to_the_gateway(world: World, tmp_path: Path) -> None:
    bundle = tmp_path / "extra.pem"
    bundle.write_text(world.identity.ca_pem)
    url = {"WXSP_GATEWAY_URL": world.secure.url, "WXSP_GATEWAY_BACKUP_URL": world.secure.url}
    await refund(world.gateways(**url, WXSP_CA_BUNDLE=str(bundle)), mode="live")
    assert world.shown == [of(ONE)]
    assert world.ca_asked == 0
    with pytest.raises(NotSent) as failure:
        await refund(world.gateways(**url), mode="live")
    assert failure.value.reason == "untrusted"


async def test_K06_a_certificate_with_another_s_key_is_never_shown(world: World) -> None:
    broken = replace(ONE, key_pem=private_pem(rsa_key("somebody else")))
    for mode in ("test", "live"):
        with pytest.raises(NotSent) as failure:
            await refund(world.gateways(), broken, mode=mode)
        assert failure.value.reason == "unusable_certificate"
    assert world.shown == []


# Breakers


async def place(gateways: Gateways, provider: str = "prv_1") -> str:
    """Place an order; return how that failed, "" when it did not."""
    try:
        await gateways.of("test", "v2", provider).place(partner(), new_order())
    except (NotSent, UnknownOutcome) as error:
        return error.reason
    return ""


async def test_G07_a_dead_gateway_is_left_alone_by_its_provider_and_no_other(world: World) -> None:
    gateways = world.gateways()
    world.counterpart.raw = http(b"", status="502 Bad")
    assert [await place(gateways) for _ in range(FAILURES_TO_OPEN)] == ["http_502"] * FAILURES_TO_OPEN
    heard = len(world.plain.received)
    assert [await place(gateways) for _ in range(50)] == ["circuit_open"] * 50
    assert len(world.plain.received) == heard
    assert gateways.open_breakers == 1
    world.counterpart.raw = None
    assert await place(gateways, "prv_2") == ""


async def test_K05_payments_go_on_while_nothing_can_be_refunded(world: World) -> None:
    gateways = world.gateways(WXSP_SIMULATOR_TLS_URL="https://127.0.0.1:9")
    for _ in range(FAILURES_TO_OPEN):
        with pytest.raises(NotSent):
            await refund(gateways)
    with pytest.raises(NotSent) as failure:
        await refund(gateways)
    assert failure.value.reason == "circuit_open"
    assert failure.value.call is not None
    assert failure.value.call.operation == "refund"
    assert gateways.open_breakers == 1
    assert await place(gateways) == ""


async def test_a_version_that_is_not_spoken_is_said_so(world: World) -> None:
    with pytest.raises(ValueError, match="v4"):
        world.gateways().of("test", "v4", "prv_1")


# --- API v3 ------------------------------------------------------------------------------------------------


class FrozenClock:
    def now(self) -> datetime:
        return v3.NOW


async def test_api_v3_is_spoken_over_the_same_connections_and_its_keys_are_counted(world: World) -> None:
    wechat = v3.V3Counterpart()
    async with loopback(wechat) as host:
        gateways = world.gateways(FrozenClock(), WXSP_SIMULATOR_URL=host.url)
        gateway = gateways.of("test", "v3", "prv_1")
        assert gateway is gateways.of("test", "v3", "prv_1")
        assert gateway is not gateways.of("test", "v3", "prv_2")
        for serial in (v3.PUBLIC_KEY_ID, v3.CERTIFICATE_SERIAL):
            await gateway.place(v3.partner(serial), v3.new_order())
        line = gateways.line("test", "prv_1")
        wechat.tells(404, {"code": "RESOURCE_NOT_EXISTS"})
        with pytest.raises(Refused):
            await certificates.fetch(line, MchId(v3.MCH), v3.own_key(), (v3.API_V3_KEY,), v3.NOW)
        assert host.connections == 1
    ours = ("prv_1", "request", KeyKind.CLIENT_CERTIFICATE, v3.CONSTANTS["serial_no"])
    assert world.noted == [
        ("prv_1", "answer", KeyKind.WECHATPAY_PUBLIC_KEY, v3.PUBLIC_KEY_ID),
        ours,
        ("prv_1", "answer", KeyKind.PLATFORM_CERTIFICATE, v3.CERTIFICATE_SERIAL),
        ours,
    ]
    assert metrics.WECHAT_CALLS.labels("v3.prepay", "ok")._value.get() >= 2


async def test_no_key_is_counted_for_an_answer_that_is_not_genuine(world: World) -> None:
    wechat = v3.V3Counterpart(headers={"wechatpay-nonce": "another"})
    async with loopback(wechat) as host:
        gateway = world.gateways(FrozenClock(), WXSP_SIMULATOR_URL=host.url).of("test", "v3", "prv_1")
        with pytest.raises(UnknownOutcome):
            await gateway.place(v3.partner(), v3.new_order())
    assert world.noted == []


async def test_K03_an_answer_by_an_unknown_certificate_is_told_and_an_unknown_public_key_is_not(
    world: World,
) -> None:
    wechat = v3.V3Counterpart()
    told: list[str] = []
    async with loopback(wechat) as host:
        gateways = world.gateways(FrozenClock(), WXSP_SIMULATOR_URL=host.url)
        gateways.on_unknown_certificate = told.append
        for serial in ("6A0F", "PUB_KEY_ID_1"):
            wechat.headers = {"wechatpay-serial": serial}
            with pytest.raises(UnknownOutcome):
                await gateways.of("test", "v3", "prv_1").place(v3.partner(), v3.new_order())
    assert told == ["prv_1"]


async def test_K07_a_clock_that_disagrees_with_wechats_is_said_once_in_ten_minutes(world: World) -> None:
    class Clock:
        moment = v3.NOW

        def now(self) -> datetime:
            return self.moment

    clock, wechat = Clock(), v3.V3Counterpart()
    async with loopback(wechat) as host:
        gateway = world.gateways(clock, WXSP_SIMULATOR_URL=host.url).of("test", "v3", "prv_1")
        with capture_logs() as logs:
            for ahead in (59, 61, 90, -600, 700):
                wechat.headers = {"date": format_datetime(clock.moment - timedelta(seconds=ahead))}
                await gateway.place(v3.partner(), v3.new_order())
            assert metrics.CLOCK_SKEW._value.get() == 700
    assert [(row["event"], row["ahead_s"]) for row in logs] == [("clock.skew", 61)]


async def test_G07_a_dead_host_is_left_alone_by_both_versions(world: World) -> None:
    gateways = world.gateways(FrozenClock())
    world.counterpart.raw = http(b"", status="502 Bad")
    assert [await place(gateways) for _ in range(FAILURES_TO_OPEN)] == ["http_502"] * FAILURES_TO_OPEN
    with pytest.raises(NotSent) as failure:
        await gateways.of("test", "v3", "prv_1").place(v3.partner(), v3.new_order())
    assert failure.value.reason == "circuit_open"
    assert failure.value.call is not None
    assert failure.value.call.operation == "v3.prepay"


async def test_every_call_is_counted_by_operation(world: World) -> None:
    gateways = world.gateways()
    await refund(gateways)
    gateway = gateways.of("test", "v2", "prv_1")
    await gateway.query_refund(partner(), REFUND.out_refund_no)
    await gateway.query_refunds(partner(), NUMBER)
    await gateway.reverse(partner(), ONE, NUMBER)
    for api in ("refund", "refundquery", "reverse"):
        assert metrics.WECHAT_CALLS.labels(api, "ok")._value.get() >= 1


async def test_K03_a_bill_s_address_by_an_unknown_certificate_is_told_as_well(world: World) -> None:
    wechat = v3.V3Counterpart()
    told: list[str] = []
    wanted = BillWanted(date(2026, 11, 20), BillKind.TRADE)
    who = v3.partner(v3.PUBLIC_KEY_ID)
    async with loopback(wechat) as host:
        gateways = world.gateways(FrozenClock(), WXSP_SIMULATOR_URL=host.url)
        gateways.on_unknown_certificate = told.append
        wechat.headers = {"wechatpay-serial": v3.CERTIFICATE_SERIAL}
        asker = BillAsker(who.mch_id, who.appid, who.key, SignType.HMAC_SHA256)
        with pytest.raises(BillUnavailable):
            await gateways.bills("test", "v3", "prv_1").fetch(asker, wanted, nowhere)
    assert told == ["prv_1"]


async def nowhere(_piece: bytes) -> None: ...
