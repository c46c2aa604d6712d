"""Test messages come back to a provider's own address and to those of its tenants (wechatpay-v3 1.11)."""

from __future__ import annotations

from sqlalchemy import insert, select
from tests.support.certificates import rsa_key
from tests.support.mail_v3 import Mail
from tests.support.till import FACTS

from spcore.db.base import table_of
from spcore.db.scope import ProviderScope
from spcore.ids import new_id
from spcore.providers.models import SecurityEcho
from sptenants.notify.answers import Answer
from sptenants.notify.journal import Incoming


async def asked(mail: Mail) -> str:
    """Write down that a test message was asked for."""
    now, provider_id = mail.till.clock.now(), mail.till.scope.provider_id
    echo = {"provider_id": provider_id, "id": new_id("ech", now), "asked_at": now, "notified_at": None}
    async with mail.till.database.write(ProviderScope(provider_id)) as session:
        await session.execute(insert(table_of(SecurityEcho)), [echo])
    return str(echo["id"])


async def arrived(mail: Mail, echo_id: str) -> bool:
    scope = ProviderScope(mail.till.scope.provider_id)
    query = select(SecurityEcho.notified_at).where(
        SecurityEcho.provider_id == scope.provider_id, SecurityEcho.id == echo_id
    )
    async with mail.till.database.read(scope) as session:
        return (await session.execute(query)).scalar_one() is not None


async def told(mail: Mail, route_key: str, message: str, **by: object) -> Answer:
    sent = mail.wechat.by(**by).echo(message, mail.till.clock.now())
    return await mail.echoes.receive(route_key, Incoming("v3", "security", sent.body, sent.headers, FACTS))


async def test_a_test_message_is_marked_at_either_address(mail: Mail) -> None:
    for route_key in (mail.till.caller.provider.route_key, mail.till.caller.tenant.route_key):
        echo_id = await asked(mail)
        assert not (await told(mail, route_key, echo_id, key=rsa_key("a forger's"))).settled
        assert not await arrived(mail, echo_id)
        for _ in range(2):
            assert (await told(mail, route_key, echo_id)).status == 204
            assert await arrived(mail, echo_id)
    assert [row.result for row in await mail.till.journal()] == ["rejected", "processed", "duplicate"]


async def test_a_test_message_that_nobody_asked_for_marks_nothing(mail: Mail) -> None:
    echo_id = await asked(mail)
    assert (await told(mail, mail.till.caller.tenant.route_key, "something else")).settled
    assert not await arrived(mail, echo_id)
    assert not (await told(mail, "x" * 32, echo_id)).settled
