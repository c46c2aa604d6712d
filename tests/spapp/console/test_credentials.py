"""Keys in steps over HTTP: handed in, rehearsed, put to use, taken back; the move to WeChat's public key."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, pkcs12
from sqlalchemy import delete, select, update
from tests.conftest import HeldClock
from tests.support.certificates import certificate_of, certificate_pem, private_pem, public_pem, rsa_key
from tests.support.phone import Phone
from tests.support.shop import Shop
from tests.support.shop_developers import API_V2_KEY
from tests.support.shop_keys import CANDIDATE_HINT, CANDIDATE_VERSION, ENDED_SERIAL, OLD_SERIAL, PUBLIC_KEY_ID
from tests.support.visitor import Visitor

from spcore.audit.models import AuditRow
from spcore.db.engine import Database
from spcore.db.scope import PlatformScope
from spcore.providers.models import CertificateFetch, KeyKind, KeyState, KeyUse, Provider, ProviderKey

OWNER, VIEWER = "provider_owner", "provider_viewer"
MCH_ID = "1900000109"
BASE = "/console/credentials"
V2, V3, PAIR = f"{BASE}/api-v2-key", f"{BASE}/api-v3-key", f"{BASE}/certificate"
PLATFORM = f"{BASE}/platform-certificate"
CANDIDATE = {"version": str(CANDIDATE_VERSION)}
SECRETS = (API_V2_KEY, "new3" * 8, "old3" * 8, "v2" * 14 + CANDIDATE_HINT, "PRIVATE KEY-----\n")


async def acts(database: Database, action: str) -> list[AuditRow]:
    async with database.read(PlatformScope("test")) as session:
        return list(await session.scalars(select(AuditRow).where(AuditRow.action == action)))


async def states(database: Database, shop: Shop, kind: KeyKind) -> dict[int, str]:
    """Return the states of the first provider's keys of one kind, by version."""
    mine = select(ProviderKey.version, ProviderKey.state).where(
        ProviderKey.provider_id == shop.providers[0].provider_id, ProviderKey.kind == kind.value
    )
    async with database.read(shop.providers[0]) as session:
        rows = (await session.execute(mine)).all()
    return {row.version: row.state for row in rows}


async def put_on(database: Database, shop: Shop, api_version: str) -> None:
    scope = shop.providers[0]
    async with database.write(scope) as session:
        await session.execute(
            update(Provider).where(Provider.id == scope.provider_id).values(api_version=api_version)
        )


async def test_S13_everybody_sees_what_there_is_and_nobody_a_value(visitor: Visitor, shop: Shop) -> None:
    for role in (OWNER, VIEWER):
        await visitor.sign_in(shop.people[role])
        page = (await visitor.get(BASE)).text
        for shown in ("5157F00D", PUBLIC_KEY_ID, OLD_SERIAL, "仅解密", "已下载", "剩余 200 天"):
            assert shown in page, shown
        assert not [secret for secret in SECRETS if secret in page]
        assert ("退回上一个版本" in page) is (role == OWNER)
        assert ("查看演练结果" in page) is (role == OWNER)
    for url in (V2, f"{V2}/candidate", f"{PLATFORM}/retire?version=1", f"{V3}/roll-back"):
        assert (await visitor.get(url)).status_code == 403


async def test_S13_a_key_is_handed_in_as_a_candidate_and_used_at_once_without_trusting_it(
    visitor: Visitor, shop: Shop, database: Database
) -> None:
    await visitor.sign_in(shop.people[OWNER])
    form, new = await visitor.get(V2), "n" * 28 + "a71f"
    wrong = await visitor.post(V2, form.text, api_v2_key="too short")
    before = await states(database, shop, KeyKind.API_V2)

    taken = await visitor.post(V2, form.text, api_v2_key=new)

    assert (wrong.status_code, taken.status_code) == (422, 303)
    assert "too short" not in wrong.text
    assert 'aria-invalid="true"' in wrong.text
    assert taken.headers["location"] == f"{V2}/candidate"
    report = (await visitor.get(f"{V2}/candidate")).text
    assert "••••••a71f" in report
    assert "没有定论" in report, "nobody answers at the simulator's address"
    assert new not in report
    after = await states(database, shop, KeyKind.API_V2)
    assert {v: s for v, s in after.items() if s == KeyState.ACTIVE} == {
        v: s for v, s in before.items() if s == KeyState.ACTIVE
    }
    assert [v for v, s in after.items() if s == KeyState.CANDIDATE] == [CANDIDATE_VERSION + 1]


async def test_K06_a_certificate_that_is_not_ours_is_refused_in_words(
    visitor: Visitor, shop: Shop, clock: HeldClock, database: Database
) -> None:
    await visitor.sign_in(shop.people[OWNER])
    form, now = await visitor.get(PAIR), clock.now()
    key, other = rsa_key("ours"), rsa_key("another")
    good = certificate_pem(certificate_of(key, MCH_ID, now=now, days=20)).decode()
    cases = {
        "私钥与证书不是一对": (good, private_pem(other)),
        "不是商户号": (
            certificate_pem(certificate_of(key, "1900000999", now=now)).decode(),
            private_pem(key),
        ),
        "私钥带有口令": (good, private_pem(key, b"secret")),
        "过期": (certificate_pem(certificate_of(key, MCH_ID, now=now, days=-1)).decode(), private_pem(key)),
        "超过 64 KiB": ("x" * 70_000, private_pem(key)),
        "不是 PEM 文本": ("", b""),
    }
    for words, (certificate, private) in cases.items():
        refused = await visitor.post(
            PAIR, form.text, client_cert_pem=certificate, client_key_pem=private.decode()
        )
        assert refused.status_code == 422, words
        assert words in refused.text
        assert "BEGIN RSA" not in refused.text
        assert private.decode().strip()[40:80] not in refused.text or not private
    assert await acts(database, "provider.key_candidate_set") == []

    taken = await visitor.post(
        PAIR, form.text, client_cert_pem=good, client_key_pem=private_pem(key).decode()
    )
    assert taken.status_code == 303
    assert "5157F09E" in (await visitor.get(f"{PAIR}/candidate")).text
    rows = await acts(database, "provider.key_candidate_set")
    assert len(rows) == 1
    assert "PRIVATE" not in str([row.after for row in rows])


async def test_K06_a_p12_file_opens_by_the_merchant_number_or_the_password_given(
    visitor: Visitor, shop: Shop, clock: HeldClock
) -> None:
    await visitor.sign_in(shop.people[OWNER])
    form, key = await visitor.get(PAIR), rsa_key("ours")
    certificate = certificate_of(key, MCH_ID, now=clock.now(), days=90)

    def p12(password: str) -> dict[str, tuple[str, bytes]]:
        packed = pkcs12.serialize_key_and_certificates(
            b"Tenpay Certificate", key, certificate, None, BestAvailableEncryption(password.encode())
        )
        return {"client_cert_pem_file": ("../../etc/apiclient_cert.p12", packed)}

    locked = await visitor.post(PAIR, form.text, files=p12("another one"))
    opened = await visitor.post(PAIR, form.text, files=p12("another one"), p12_password="another one")
    by_default = await visitor.post(PAIR, form.text, files=p12(MCH_ID))

    assert (locked.status_code, opened.status_code, by_default.status_code) == (422, 303, 303)
    assert "口令不对" in locked.text
    assert "etc" not in locked.text


async def test_K04_a_public_key_stands_beside_the_certificates(
    visitor: Visitor, shop: Shop, database: Database
) -> None:
    await visitor.sign_in(shop.people[OWNER])
    url = f"{BASE}/wechatpay-public-key"
    form, pem = await visitor.get(url), public_pem(rsa_key("another")).decode()
    wrong = await visitor.post(url, form.text, public_key_id="PUBKEY", public_key_pem=pem)
    taken = await visitor.post(url, form.text, public_key_id="PUB_KEY_ID_2", public_key_pem=pem)
    done = await visitor.post(f"{url}/promote", form.text, version="2", reason="微信侧灰度前录入")

    assert (wrong.status_code, taken.status_code, done.status_code) == (422, 303, 303)
    assert "PUB_KEY_ID_" in wrong.text
    assert set((await states(database, shop, KeyKind.WECHATPAY_PUBLIC_KEY)).values()) == {"active"}


async def test_B13_a_rehearsed_candidate_takes_over_with_a_fresh_code_and_goes_back_in_one_step(
    visitor: Visitor, shop: Shop, database: Database, clock: HeldClock
) -> None:
    await visitor.sign_in(shop.people[OWNER])
    phone = Phone(visitor, clock)
    await phone.enrol()
    report = await visitor.get(f"{V2}/candidate")
    assert "演练通过" in report.text
    assert "试了最近 38 条已存通知：0 条能用它验签或解密；37 条是用现用的密钥签发的" in report.text

    without = await visitor.post(f"{V2}/promote", report.text, **CANDIDATE)
    done = await visitor.post(f"{V2}/promote", report.text, **CANDIDATE, code=phone.code())
    again = await visitor.post(f"{V2}/promote", report.text, **CANDIDATE, code=phone.code())

    assert (without.status_code, done.status_code, again.status_code) == (422, 303, 422)
    after = await states(database, shop, KeyKind.API_V2)
    assert after[CANDIDATE_VERSION] == KeyState.ACTIVE
    assert [version for version, state in after.items() if state == KeyState.RETIRING] == [1]

    clock.advance(seconds=60)
    ask = await visitor.get(f"{V2}/roll-back")
    version = re.search(r'name="version" value="(\d+)"', ask.text)
    assert version is not None
    back = await visitor.post(
        f"{V2}/roll-back", ask.text, version=version[1], reason="调用失败", code=phone.code()
    )
    assert back.status_code == 303
    assert (await states(database, shop, KeyKind.API_V2))[1] == KeyState.ACTIVE
    assert [row.reason for row in await acts(database, "provider.key_rolled_back")] == ["调用失败"]


@pytest.mark.parametrize("result", ["failed", "stale"])
async def test_B13_what_did_not_pass_lately_needs_a_reason(
    visitor: Visitor, shop: Shop, database: Database, clock: HeldClock, result: str
) -> None:
    await visitor.sign_in(shop.people[OWNER])
    if result == "stale":
        clock.advance(minutes=27)
    else:
        await visitor.post(f"{V2}/rehearse", (await visitor.get(f"{V2}/candidate")).text, **CANDIDATE)
    page = (await visitor.get(f"{V2}/candidate")).text
    assert "仍要启用的原因" in page

    refused = await visitor.post(f"{V2}/promote", page, **CANDIDATE)
    done = await visitor.post(f"{V2}/promote", page, **CANDIDATE, reason="旧密钥已泄露")

    assert 'id="reason-wrong"' in refused.text

    assert (refused.status_code, done.status_code) == (422, 303)
    (row,) = await acts(database, "provider.key_promoted")
    assert row.reason == "旧密钥已泄露"


async def test_B13_a_candidate_given_up_leaves_everything_as_it_was(
    visitor: Visitor, shop: Shop, database: Database
) -> None:
    await visitor.sign_in(shop.people[OWNER])
    page = await visitor.get(f"{V2}/candidate")
    done = await visitor.post(f"{V2}/discard", page.text, **CANDIDATE)
    gone = await visitor.post(f"{V2}/promote", page.text, **CANDIDATE)

    assert (done.status_code, gone.status_code) == (303, 422)
    assert "页面已过期" in gone.text
    assert (await visitor.get(f"{V2}/candidate")).headers["location"] == V2
    after = await states(database, shop, KeyKind.API_V2)
    assert after[1] == KeyState.ACTIVE
    assert after[CANDIDATE_VERSION] == KeyState.RETIRED


async def test_B15_a_platform_certificate_is_retired_and_taken_back(
    visitor: Visitor, shop: Shop, database: Database
) -> None:
    await visitor.sign_in(shop.people[OWNER])
    ask = await visitor.get(f"{PLATFORM}/retire?version=1")
    assert OLD_SERIAL in ask.text

    retired = await visitor.post(f"{PLATFORM}/retire", ask.text, version="1")
    ended = await visitor.post(f"{PLATFORM}/retire", ask.text, version="2", at_once="1")
    restored = await visitor.post(f"{PLATFORM}/restore", ask.text, version="3")

    assert [one.status_code for one in (retired, ended, restored)] == [303, 303, 303]
    assert await states(database, shop, KeyKind.PLATFORM_CERTIFICATE) == {
        1: "retiring",
        2: "retired",
        3: "active",
    }
    assert ENDED_SERIAL in (await visitor.get(f"{BASE}/public-key")).text
    foreign = await visitor.post(f"{PLATFORM}/retire", ask.text, version="77")
    assert foreign.status_code == 422


async def test_B15_the_cockpit_says_who_signed_what_and_what_comes_next(visitor: Visitor, shop: Shop) -> None:
    await visitor.sign_in(shop.people[VIEWER])
    page = (await visitor.get(f"{BASE}/public-key")).text

    assert "通知混合使用公钥与证书" in page
    assert "80.0%" in page
    assert 'aria-current="step"' in page
    assert "4,822 / " in page, "answers of the last 24 hours by the public key"
    assert "/retire" not in page, "owners alone"


async def test_a_new_provider_is_told_what_to_begin_with(
    visitor: Visitor, shop: Shop, database: Database
) -> None:
    scope = shop.providers[0]
    async with database.write(scope) as session:
        for model in (ProviderKey, KeyUse, CertificateFetch):
            await session.execute(delete(model).where(model.provider_id == scope.provider_id))
    await visitor.sign_in(shop.people[OWNER])

    assert "先录入 API v2 密钥，才能下单" in (await visitor.get(BASE)).text
    cockpit = (await visitor.get(f"{BASE}/public-key")).text
    assert "还没有录入微信支付公钥" in cockpit
    assert "还没有微信的公钥或证书" in cockpit
    assert "没有 APIv3 密钥" in (await visitor.get(f"{BASE}/api-version")).text
    await put_on(database, shop, "v3")
    assert "没有 API v2 密钥，无法签名" in (await visitor.get(f"{BASE}/api-version")).text
    first = await visitor.post(V2, cockpit, api_v2_key="n" * 32)
    assert first.status_code == 303
    assert "启用后立即使用它" in (await visitor.get(f"{V2}/candidate")).text


async def test_a_provider_goes_back_to_v2_with_a_reason_and_old_orders_stay(
    visitor: Visitor, shop: Shop, database: Database
) -> None:
    await put_on(database, shop, "v3")
    await visitor.sign_in(shop.people[OWNER])
    url = f"{BASE}/api-version"
    page = (await visitor.get(url)).text
    assert "已有订单不变" in page
    assert "切换回 APIv2" in page

    without = await visitor.post(url, page, version="v2")
    done = await visitor.post(url, page, version="v2", reason="微信侧灰度回退")
    twice = await visitor.post(url, page, version="v2", reason="再来一次")

    assert (without.status_code, done.status_code, twice.status_code) == (422, 303, 422)
    (row,) = await acts(database, "provider.api_version_changed")
    assert (row.before, row.after, row.reason) == (
        {"api_version": "v3"},
        {"api_version": "v2"},
        "微信侧灰度回退",
    )


async def test_a_provider_does_not_move_to_v3_while_anything_is_missing(
    visitor: Visitor, shop: Shop, database: Database
) -> None:
    await visitor.sign_in(shop.people[OWNER])
    url = f"{BASE}/api-version"
    page = (await visitor.get(url)).text
    refused = await visitor.post(url, page, version="v3", reason="新商户号")

    assert refused.status_code == 422
    assert "微信支付网关可达" in refused.text, "nobody answers at the simulator's address"
    assert await acts(database, "provider.api_version_changed") == []
    await visitor.sign_in(shop.people[VIEWER])
    assert (await visitor.get(url)).status_code == 200
    assert (await visitor.post(url, page, version="v3", reason="x")).status_code == 403


async def test_K05_the_board_shows_what_ends_first_on_top(
    visitor: Visitor, shop: Shop, database: Database, clock: HeldClock
) -> None:
    await visitor.sign_in(shop.people["platform_auditor"])
    page = (await visitor.get("/admin/certificates")).text

    assert page.index("汇通科技") < page.index("云启支付服务")
    for shown in ("快到期", "即将过期", "下载失败", "timeout", "剩余 6 天", "剩余 18 天", "5157BEEF"):
        assert shown in page, shown

    scope = shop.providers[0]
    async with database.write(scope) as session:
        await session.execute(
            update(ProviderKey)
            .where(
                ProviderKey.provider_id == scope.provider_id,
                ProviderKey.kind == KeyKind.CLIENT_CERTIFICATE.value,
            )
            .values(not_after=clock.now() + timedelta(hours=20))
        )
    page = (await visitor.get("/admin/certificates")).text
    assert page.index("云启支付服务") < page.index("汇通科技")
    assert "剩余 0 天" in page
