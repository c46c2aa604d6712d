"""Which of WeChat's keys open a notification: rotation, floods, replays and samples (K01-K04, B-13, B-4)."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update
from tests.support.certificates import certificate_of, certificate_pem, public_pem, rsa_key
from tests.support.mail_v3 import Certificates, Mail, watch_over
from tests.support.refund_desk import WANG
from tests.support.till import FACTS
from tests.support.till_v3 import PUBLIC_KEY_ID, V3_KEY, move

from spcore.db.scope import ProviderScope
from spcore.providers.keys import put_key
from spcore.providers.models import KeyKind, KeyState, Provider, ProviderKey
from spcore.providers.platform_certificates import PlatformCertificates
from sptenants.notify.errors import NotReplayable
from sptenants.notify.journal import MAX_REFUSED_BODY
from sptenants.notify.replay import Replays
from sptenants.notify.samples import StoredSamples
from sptenants.orders.states import OrderStatus
from sptenants.refunds.states import RefundStatus
from sptenants.registry.door import Door
from wechatpay.credentials import SignType
from wechatpay.errors import NotSent

NEW_KEY = rsa_key("WeChat's next key")
NEW_SERIAL = "6A0F1E2D3C4B5A69788796A5B4C3D2E1F0A1B2C3"
WHY = "公钥更换时漏处理"


async def put(mail: Mail, kind: KeyKind, secret: bytes, label: str | None = None, **more: Any) -> int:
    """Store a key and return the epoch it makes."""
    till = mail.till
    scope = ProviderScope(till.scope.provider_id)
    async with till.database.write(scope) as session:
        await put_key(
            session,
            till.vault,
            provider_id=scope.provider_id,
            kind=kind,
            secret=secret,
            now=till.clock.now(),
            label=label,
            **more,
        )
    return till.caller.provider.key_epoch + 1


async def put_certificate(mail: Mail) -> int:
    now = mail.till.clock.now()
    pem = certificate_pem(certificate_of(NEW_KEY, "Tenpay.com sign", now=now, serial=int(NEW_SERIAL, 16)))
    until = now + timedelta(days=365)
    return await put(mail, KeyKind.PLATFORM_CERTIFICATE, pem, NEW_SERIAL, not_after=until)


class Rotation(Certificates):
    """WeChat's list with a certificate in it that nobody here knows yet."""

    def __init__(self, mail: Mail) -> None:
        super().__init__()
        self._mail = mail

    async def learn(self, provider: Any) -> int | None:
        self.asked += 1
        return await put_certificate(self._mail) if self.asked == 1 else None


async def test_K03_an_unknown_certificate_is_fetched_once_and_the_message_counts(mail: Mail) -> None:
    rotation = Rotation(mail)
    watch_over(mail.till, rotation, mail.watched)
    rotated = mail.wechat.by(key=NEW_KEY, serial=NEW_SERIAL)
    for no in ("A", "B"):
        order = await mail.paid(no)
        sent = rotated.payment(order.out_trade_no or "", mail.till.clock.now())
        assert (await mail.tell(sent)).settled, no
    assert rotation.asked == 1
    old = await mail.paid("C")
    assert (await mail.tell(mail.letter(old))).settled, "both are held side by side (K04)"
    kinds = {(kind, name) for kind, name, _ in mail.watched.met}
    assert {("platform_certificate", NEW_SERIAL), ("wechatpay_public_key", PUBLIC_KEY_ID)} <= kinds


async def test_an_unknown_public_key_or_a_stale_message_is_never_a_reason_to_ask(quick_mail: Mail) -> None:
    mail = quick_mail
    certificates = Certificates()
    watch_over(mail.till, certificates, mail.watched)
    order = await mail.paid()
    sent = mail.letter(order)
    for serial in (
        "PUB_KEY_ID_0999",
        "5157F09E",
        "a" * 40,
        "Z" * 40,
        "7F0F1E2D3C4B5A69788796A5B4C3D2E1F0A1B2C3FF",
    ):
        assert (await mail.tell(sent.changed(serial=serial))).status == 401, serial
    stale = sent.changed(serial=NEW_SERIAL, timestamp="1700000000")
    assert (await mail.tell(stale)).status == 401
    assert (await mail.tell(sent.changed(serial=NEW_SERIAL, signature="WECHATPAY/SIGNTEST/x"))).status == 401
    assert certificates.asked == 0


async def test_a_flood_of_unknown_serials_does_not_hold_up_the_genuine_ones(quick_mail: Mail) -> None:
    mail = quick_mail
    """While WeChat is asked, nothing is held that the others need: no connection, no lock."""
    all_asked, answered = asyncio.Event(), asyncio.Event()

    class Slow(Certificates):
        async def learn(self, provider: Any) -> int | None:
            self.asked += 1
            if self.asked == 100:
                all_asked.set()
            await answered.wait()
            return None

    slow = Slow()
    watch_over(mail.till, slow, mail.watched)
    orders = [await mail.paid(f"T{number}") for number in range(3)]
    sent = mail.letter(orders[0])
    flood = [asyncio.create_task(mail.tell(sent.changed(serial=f"{n:040X}"))) for n in range(1, 101)]
    await all_asked.wait()
    for order in orders:
        async with asyncio.timeout(5):
            assert (await mail.tell(mail.letter(order))).settled
    answered.set()
    assert {answer.status for answer in await asyncio.gather(*flood)} == {401}


class Silent:
    """A WeChat that does not answer; counts how often it was asked."""

    def __init__(self) -> None:
        self.asked = 0

    def line(self, mode: str, provider_id: str) -> Silent:
        assert (mode, bool(provider_id)) == ("test", True)
        return self

    async def send_json(self, *_request: Any, **_more: Any) -> Any:
        self.asked += 1
        await asyncio.sleep(0)
        raise NotSent("connect")


async def test_a_flood_asks_wechat_once_a_minute_over_all_processes(mail: Mail) -> None:
    till, wechat = mail.till, Silent()
    processes = [
        PlatformCertificates(till.database, till.vault, till.clock, till.keyring, wechat) for _ in range(2)
    ]
    order = await mail.paid()
    sent = mail.letter(order)
    for minute in (1, 2):
        for process in processes:
            watch_over(till, process, mail.watched)
            forged = [sent.changed(serial=f"{n + minute * 100:040X}") for n in range(1, 16)]
            fresh = [mail.wechat.signed(each.body, till.clock.now()) for each in forged]
            flood = (
                mail.tell(new.changed(serial=old.headers["wechatpay-serial"]))
                for new, old in zip(fresh, forged, strict=True)
            )
            assert {answer.status for answer in await asyncio.gather(*flood)} == {401}
        assert wechat.asked == minute
        till.clock.advance(seconds=60)
    assert (await mail.tell(mail.wechat.signed(sent.body, till.clock.now()))).settled


async def test_K02_the_old_api_v3_key_opens_on_and_is_counted_as_retiring(quick_mail: Mail) -> None:
    mail = quick_mail
    order = await mail.paid()
    sent = mail.letter(order)
    await put(mail, KeyKind.API_V3, b"Y" * 32)
    assert (await mail.tell(sent)).settled
    assert ("api_v3_key", "1", True) in mail.watched.met
    fresh = await mail.paid("T2")
    by_new = mail.wechat.by(secret="Y" * 32).payment(fresh.out_trade_no or "", mail.till.clock.now())
    assert (await mail.tell(by_new)).settled
    assert ("api_v3_key", "2", False) in mail.watched.met


async def test_K01_the_v2_key_that_verified_is_counted_too(quick_mail: Mail) -> None:
    mail = quick_mail
    await move(mail.till, "v2")
    order = await mail.paid()
    by_old = mail.till.wechat.notification(order.out_trade_no or "", await mail.till.signing_key())
    await put(mail, KeyKind.API_V2, b"Y" * 32)
    assert (await mail.till.tell(by_old)).settled
    assert mail.watched.met == [("api_v2_key", "1", True)]


# --- judged again ------------------------------------------------------------------------------------------


def replays(mail: Mail) -> Replays:
    till = mail.till
    return Replays(till.database, till.clock, Door(till.database, till.clock), till.notify, mail.desk.notices)


async def refused_first(mail: Mail) -> tuple[str, str]:
    """Have a genuine message refused for want of its public key; its order and its own id."""
    order = await mail.paid()
    by_new = mail.wechat.by(key=NEW_KEY, serial="PUB_KEY_ID_2")
    assert not (await mail.tell(by_new.payment(order.out_trade_no or "", mail.till.clock.now()))).settled
    (row,) = await mail.till.journal()
    assert (row.reason, row.serial) == ("unknown_serial", "PUB_KEY_ID_2")
    return order.id, row.id


async def test_B4_a_message_refused_for_want_of_a_key_is_applied_once_the_key_is_there(mail: Mail) -> None:
    order_id, notification_id = await refused_first(mail)
    assert (await replays(mail).preview(mail.till.scope, notification_id)).effect == "refused"
    await put(mail, KeyKind.WECHATPAY_PUBLIC_KEY, public_pem(NEW_KEY), "PUB_KEY_ID_2")
    mail.till.clock.advance(hours=3)
    preview = await replays(mail).preview(mail.till.scope, notification_id)
    assert (preview.effect, preview.after, preview.key_version) == ("pays", "paid", 1)
    for result in ("processed", "duplicate"):
        found = await replays(mail).apply(mail.till.scope, notification_id, WANG, WHY, FACTS)
        assert found.result == result
    assert (await mail.till.order(order_id)).status is OrderStatus.PAID


async def test_N17_what_was_stale_when_it_came_stays_refused(quick_mail: Mail) -> None:
    mail = quick_mail
    order = await mail.paid()
    sent = mail.letter(order)
    mail.till.clock.advance(minutes=6)
    assert (await mail.tell(sent)).status == 401
    (row,) = await mail.till.journal()
    assert (await replays(mail).preview(mail.till.scope, row.id)).reason == "stale_timestamp"
    with pytest.raises(NotReplayable):
        await replays(mail).apply(mail.till.scope, row.id, WANG, WHY, FACTS)


async def test_a_key_that_has_ended_since_does_not_count_for_a_stored_message(quick_mail: Mail) -> None:
    mail = quick_mail
    order = await mail.paid()
    scope = ProviderScope(mail.till.scope.provider_id)
    ending = (
        update(ProviderKey)
        .where(ProviderKey.provider_id == scope.provider_id, ProviderKey.label == PUBLIC_KEY_ID)
        .values(state=KeyState.RETIRING.value, verify_until=mail.till.clock.now() + timedelta(hours=48))
    )
    async with mail.till.database.write(scope) as session:
        await session.execute(ending)
        own = Provider.id == scope.provider_id
        await session.execute(update(Provider).where(own).values(key_epoch=Provider.key_epoch + 1))
    assert (await mail.tell(mail.letter(order), tenant=1)).status == 404, "genuine, and a neighbour's"
    assert ("wechatpay_public_key", PUBLIC_KEY_ID, True) in mail.watched.met
    (row,) = await mail.till.journal(tenant=1)
    scope_of_1 = mail.till.callers[1].scope
    assert (await replays(mail).preview(scope_of_1, row.id)).reason == "other_merchant"
    mail.till.clock.advance(hours=48)
    preview = await replays(mail).preview(scope_of_1, row.id)
    assert (preview.effect, preview.reason) == ("refused", "unknown_serial")


async def test_a_stored_refund_notification_settles_by_itself(quick_mail: Mail) -> None:
    mail = quick_mail
    order = await mail.paid()
    await mail.tell(mail.letter(order))
    asked = await mail.desk.request(await mail.till.order(order.id), 800)
    mail.desk.settle(asked.refund.out_refund_no)
    by_new = mail.wechat.by(secret="Y" * 32)
    sent = by_new.refund(asked.refund.out_refund_no, mail.till.clock.now())
    assert (await mail.tell_of_refund(sent)).status == 500
    row = (await mail.till.journal())[-1]
    await put(mail, KeyKind.API_V3, b"Y" * 32)
    preview = await replays(mail).preview(mail.till.scope, row.id)
    assert (preview.effect, preview.before, preview.after) == ("settles", "processing", "success")
    found = await replays(mail).apply(mail.till.scope, row.id, WANG, WHY, FACTS)
    assert found.result == "processed"
    assert (await mail.desk.refund(asked.refund.id)).status is RefundStatus.SUCCEEDED


# --- samples for a key that is to take over -----------------------------------------------------------------


async def test_B13_samples_are_the_newest_whole_messages_that_a_key_could_have_made(mail: Mail) -> None:
    samples, scope = StoredSamples(mail.till.database), ProviderScope(mail.till.scope.provider_id)
    _, refused = await refused_first(mail)
    order = await mail.paid("T2")
    sent = mail.letter(order)
    await mail.tell(sent)
    await mail.tell(sent.changed(nonce=None))
    await mail.tell(sent.changed(signature="WECHATPAY/SIGNTEST/x"))
    await mail.tell(
        mail.wechat.signed(b"x" * (MAX_REFUSED_BODY + 1), mail.till.clock.now()).changed(
            serial="PUB_KEY_ID_2"
        )
    )
    await move(mail.till, "v2")
    old = await mail.paid("old")
    await mail.till.tell(mail.till.wechat.notification(old.out_trade_no or "", await mail.till.signing_key()))
    found = await samples.last(scope, "v3", 50)
    assert [sample.id for sample in found] == [(await mail.till.journal())[1].id, refused]
    assert found[0].headers["wechatpay-signature"] == sent.headers["wechatpay-signature"]
    assert json.loads(found[0].body)["id"]
    assert "content-type" not in found[0].headers
    (by_v2,) = await samples.last(scope, "v2", 50)
    assert (by_v2.kind, by_v2.sign_type, dict(by_v2.headers)) == ("payment", SignType.HMAC_SHA256, {})
    assert await samples.last(scope, "v3", 1) == found[:1]
    assert V3_KEY not in repr(found)
    assert sent.headers["wechatpay-signature"] not in repr(found)
