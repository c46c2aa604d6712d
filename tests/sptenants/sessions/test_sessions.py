"""Mini-program login and its tokens (S1-06, S1-22, S2-01, S2-02, O07, O08, O13)."""

from __future__ import annotations

import asyncio
import re
from datetime import timedelta

import pytest
from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError
from tests.sptenants.sessions.conftest import MINI, SECRET, Arcade
from tests.support.fake_login import SESSION_KEY

from spcore.db.scope import TenantScope
from spcore.errors import InvalidInput, NotFound
from spcore.vault import SealContext
from sptenants.registry.errors import BindingNotVerified, SessionExpired, TenantNotLive
from sptenants.registry.models import AppBinding
from sptenants.registry.tokens import token_hash
from sptenants.sessions.errors import LoginRejected, LoginUnavailable
from sptenants.sessions.models import MiniSession
from wechatpay.call import CallRecord
from wechatpay.errors import InvalidRequest, NotSent, UnknownOutcome
from wechatpay.miniprogram import LoginRefused


async def stored(arcade: Arcade, scope: TenantScope | None = None) -> list[MiniSession]:
    scope = scope or arcade.shop
    async with arcade.database.read(scope) as session:
        rows = await session.scalars(
            select(MiniSession)
            .where(MiniSession.tenant_id == scope.tenant_id)
            .order_by(MiniSession.created_at, MiniSession.openid)
        )
        return list(rows)


def session_key(arcade: Arcade, row: MiniSession) -> str | None:
    if row.session_key_sealed is None:
        return None
    context = SealContext(row.provider_id, row.tenant_id, f"session_key:{row.token_hash}", 1)
    return arcade.vault.open(row.session_key_sealed, context).decode()


async def test_S1_22_a_code_becomes_a_token_that_knows_its_payer(arcade: Arcade) -> None:
    made = await arcade.sessions.create(arcade.shop.tenant_id, MINI, arcade.wechat.code(MINI, "oPayer1"))

    payer = await arcade.sessions.payer(made.token, arcade.shop.tenant_id)
    assert (payer.caller.scope, payer.sub_appid, payer.openid) == (arcade.shop, MINI, "oPayer1")
    assert payer.caller.actor.kind == "session"
    assert made.expires_at == arcade.clock.now() + timedelta(hours=2)
    assert re.fullmatch(r"wst_[0-9A-Z]{26}[0-9A-Za-z]{32}", made.token)


async def test_S1_06_wechat_is_asked_with_the_bindings_own_appid_and_secret(arcade: Arcade) -> None:
    await arcade.log_in("oPayer1")

    assert arcade.wechat.asked == [(MINI, SECRET, "code-0")]


async def test_S1_06_a_code_of_another_mini_program_gives_no_session(arcade: Arcade) -> None:
    code = arcade.wechat.code("wx0000000000000009", "oPayer1")

    with pytest.raises(LoginRejected):
        await arcade.sessions.create(arcade.shop.tenant_id, MINI, code)
    assert await stored(arcade) == []


async def test_O08_a_code_works_once(arcade: Arcade) -> None:
    code = arcade.wechat.code(MINI, "oPayer1")
    await arcade.sessions.create(arcade.shop.tenant_id, MINI, code)

    with pytest.raises(LoginRejected) as refused:
        await arcade.sessions.create(arcade.shop.tenant_id, MINI, code)
    assert refused.value.text.zh


async def test_O08_neither_token_nor_session_key_is_readable_in_the_database(arcade: Arcade) -> None:
    token = await arcade.log_in("oPayer1")

    (row,) = await stored(arcade)
    shown = repr([getattr(row, column.key) for column in row.__table__.columns])
    assert row.token_hash == token_hash(token)
    assert token not in shown
    assert SESSION_KEY not in shown
    assert session_key(arcade, row) == f"{SESSION_KEY}code-0"


async def test_O08_a_token_is_worth_nothing_at_another_tenant_with_the_same_mini_program(
    arcade: Arcade,
) -> None:
    token = await arcade.log_in("oPayer1")

    with pytest.raises(NotFound):
        await arcade.sessions.payer(token, arcade.next_door.tenant_id)
    renamed = token.replace(
        arcade.shop.tenant_id.removeprefix("ten_"), arcade.next_door.tenant_id.removeprefix("ten_")
    )
    with pytest.raises(SessionExpired):
        await arcade.sessions.payer(renamed, arcade.next_door.tenant_id)


async def test_O07_two_users_interleaved_keep_their_own_openids(arcade: Arcade) -> None:
    tokens = await asyncio.gather(*(arcade.log_in(f"oPayer{n}") for n in range(10)))

    payers = [await arcade.sessions.payer(token, arcade.shop.tenant_id) for token in tokens]
    assert [payer.openid for payer in payers] == [f"oPayer{n}" for n in range(10)]


async def test_S1_42_each_tenant_of_a_shared_mini_program_has_its_own_sessions(arcade: Arcade) -> None:
    here = await arcade.log_in("oPayer1")
    there = await arcade.log_in("oPayer1", arcade.next_door)

    for token, tenant in ((here, arcade.shop), (there, arcade.next_door)):
        assert (await arcade.sessions.payer(token, tenant.tenant_id)).caller.scope == tenant
    assert [session_key(arcade, row) is not None for row in await stored(arcade)] == [True]
    assert [session_key(arcade, row) is not None for row in await stored(arcade, arcade.next_door)] == [True]


async def test_S2_02_a_token_lasts_two_hours(arcade: Arcade) -> None:
    token = await arcade.log_in("oPayer1")

    arcade.clock.advance(hours=2, microseconds=-1)
    current = await arcade.sessions.current(token, arcade.shop.tenant_id)
    assert current.expires_at > arcade.clock.now()
    arcade.clock.advance(microseconds=1)
    with pytest.raises(SessionExpired):
        await arcade.sessions.current(token, arcade.shop.tenant_id)


@pytest.mark.parametrize("token", ["", "wst_", "x" * 62, "wsk_test_" + "a" * 32, "wst_" + "é" * 58])
async def test_S2_04_what_is_no_token_is_an_expired_session(arcade: Arcade, token: str) -> None:
    with pytest.raises(SessionExpired) as refused:
        await arcade.sessions.payer(token, arcade.shop.tenant_id)
    assert "openid" in refused.value.text.zh
    assert "wx.login" in refused.value.text.en


async def test_S2_01_a_new_login_takes_over_the_session_key(arcade: Arcade) -> None:
    first = await arcade.log_in("oPayer1")
    arcade.clock.advance(minutes=1)
    await arcade.log_in("oPayer1")
    await arcade.log_in("oPayer2")

    keys = [(row.openid, session_key(arcade, row)) for row in await stored(arcade)]
    assert keys == [
        ("oPayer1", None),
        ("oPayer1", f"{SESSION_KEY}code-1"),
        ("oPayer2", f"{SESSION_KEY}code-2"),
    ]
    assert (await arcade.sessions.payer(first, arcade.shop.tenant_id)).openid == "oPayer1"


async def test_a_login_forgets_the_payers_sessions_that_are_over(arcade: Arcade) -> None:
    await arcade.log_in("oPayer1")
    await arcade.log_in("oPayer2")
    arcade.clock.advance(hours=1)
    await arcade.log_in("oPayer1")
    arcade.clock.advance(hours=1)
    await arcade.log_in("oPayer1")

    # Of oPayer1 the session of an hour ago is still good; that of somebody else is not looked at.
    assert [row.openid for row in await stored(arcade)] == ["oPayer2", "oPayer1", "oPayer1"]


async def test_S2_01_of_logins_at_once_one_holds_the_session_key(arcade: Arcade) -> None:
    await asyncio.gather(*(arcade.log_in("oPayer1") for _ in range(8)))

    rows = await stored(arcade)
    assert len(rows) == 8
    assert sum(row.session_key_sealed is not None for row in rows) == 1


async def test_S2_01_a_login_that_is_stored_late_does_not_take_the_newer_key(arcade: Arcade) -> None:
    await arcade.log_in("oPayer1")
    arcade.clock.advance(seconds=-5)
    await arcade.log_in("oPayer1")

    older, newer = await stored(arcade)
    assert (older.session_key_sealed, session_key(arcade, newer)) == (None, f"{SESSION_KEY}code-0")


async def test_S2_01_the_database_itself_keeps_one_session_key_a_payer(arcade: Arcade) -> None:
    await arcade.log_in("oPayer1")
    arcade.clock.advance(seconds=1)
    await arcade.log_in("oPayer1")

    with pytest.raises(IntegrityError):
        async with arcade.database.write(arcade.shop) as session:
            await session.execute(
                update(MiniSession)
                .where(MiniSession.tenant_id == arcade.shop.tenant_id)
                .values(session_key_sealed=b"x")
            )


@pytest.mark.parametrize(
    ("sub_appid", "code"),
    [
        pytest.param("wx0000000000000007", "not_bound", id="O06 not bound"),
        pytest.param("wx0000000000000001", "not_a_miniprogram", id="official account"),
        pytest.param("", "not_bound", id="empty"),
    ],
)
async def test_O06_only_the_tenants_own_mini_programs_log_in(
    arcade: Arcade, sub_appid: str, code: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        await arcade.sessions.create(arcade.shop.tenant_id, sub_appid, "code")

    assert [(fault.pointer, fault.code) for fault in refused.value.faults] == [("#/sub_appid", code)]
    assert arcade.wechat.asked == []


async def test_a_mini_program_without_secret_says_so(arcade: Arcade) -> None:
    with pytest.raises(BindingNotVerified) as refused:
        await arcade.sessions.create(arcade.shop.tenant_id, "wx0000000000000002", "code")
    assert "AppSecret" in refused.value.text.zh


@pytest.mark.parametrize("status", ["invalid", "disabled"])
async def test_a_disabled_binding_cannot_log_in(arcade: Arcade, status: str) -> None:
    async with arcade.database.write(arcade.shop) as session:
        await session.execute(
            update(AppBinding).where(AppBinding.tenant_id == arcade.shop.tenant_id).values(status=status)
        )

    with pytest.raises(BindingNotVerified):
        await arcade.log_in("oPayer1")


async def test_O13_a_suspended_tenant_logs_nobody_in_and_its_tokens_stop(arcade: Arcade) -> None:
    token = await arcade.log_in("oPayer1")
    await arcade.registry.set_status(arcade.sp, arcade.shop.tenant_id, "suspended")

    with pytest.raises(TenantNotLive):
        await arcade.log_in("oPayer1")
    with pytest.raises(TenantNotLive):
        await arcade.sessions.payer(token, arcade.shop.tenant_id)


@pytest.mark.parametrize("tenant_id", ["ten_01JD3K8W7Q4M6X0B2T9V5H1CZN", "nonsense", ""])
async def test_an_unknown_tenant_has_no_login(arcade: Arcade, tenant_id: str) -> None:
    with pytest.raises(NotFound):
        await arcade.sessions.create(tenant_id, MINI, arcade.wechat.code(MINI, "oPayer1"))


def _call() -> CallRecord:
    return CallRecord("jscode2session", "/sns/jscode2session", http_status=200, elapsed_ms=5, err_code="-1")


@pytest.mark.parametrize(
    "cause",
    [
        NotSent("connection refused"),
        UnknownOutcome("timeout"),
        LoginRefused(-1, "系统繁忙", "busy", retry=True),
    ],
)
async def test_when_wechat_is_unclear_the_page_may_try_again(
    arcade: Arcade, cause: NotSent | UnknownOutcome | LoginRefused
) -> None:
    cause.call = _call()
    arcade.wechat.fails_with = cause

    with pytest.raises(LoginUnavailable) as refused:
        await arcade.log_in("oPayer1")
    assert refused.value.retry_after_s == 1
    assert await stored(arcade) == []


async def test_a_refusal_carries_wechats_code_and_our_words(arcade: Arcade) -> None:
    refusal = LoginRefused(40226, "该用户被微信判定为高风险", "the user is blocked", retry=False)
    refusal.call = _call()
    arcade.wechat.fails_with = refusal

    with pytest.raises(LoginRejected) as refused:
        await arcade.log_in("oPayer1")
    assert refused.value.text.zh == "该用户被微信判定为高风险"
    assert refused.value.extra["wechat"]["code"] == "-1"
    assert SECRET not in repr((refused.value, refused.value.extra))


async def test_a_malformed_code_is_refused_by_name(arcade: Arcade) -> None:
    arcade.wechat.fails_with = InvalidRequest("code", "不是 code", "is no code")

    with pytest.raises(InvalidInput) as refused:
        await arcade.log_in("oPayer1")
    assert [fault.pointer for fault in refused.value.faults] == ["#/code"]
