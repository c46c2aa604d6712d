"""Who has access: inviting, changing, removing, and what nobody may do (S01, S11, S12, S17, rule Y3)."""

from __future__ import annotations

import re
from datetime import timedelta

from litestar.testing import AsyncTestClient
from sqlalchemy import func, select
from tests.conftest import HeldClock
from tests.support.phone import Phone
from tests.support.shop import Shop
from tests.support.visitor import PUBLIC_URL, Visitor, site

from spapp.accounts.models import Invitation, Membership, Person
from spcore.audit.models import AuditRow
from spcore.db.engine import Database
from spcore.db.scope import DoorScope, PlatformScope

NEW = "a quiet harbour at dawn"
LINK = re.compile(r"/invite/([0-9A-Za-z_-]{20,})")
MISSING = "01JD3K8W7Q4M6X0B2T9V5H1CZN"


async def invite(visitor: Visitor, base: str = "/console/members", **fields: str) -> str:
    """Invite through the form, and return the link's path."""
    form = await visitor.get(f"{base}/invite")
    made = await visitor.post(f"{base}/invite", form.text, **fields)
    assert made.status_code == 200, made.text
    return f"/invite/{LINK.findall(made.text)[0]}"


async def last_act(database: Database, action: str) -> AuditRow:
    async with database.read(PlatformScope("test")) as session:
        found = await session.scalars(
            select(AuditRow).where(AuditRow.action == action).order_by(AuditRow.id.desc())
        )
        return next(iter(found))


async def test_S17_an_invitation_makes_account_and_role_only_when_accepted(
    visitor: Visitor, shop: Shop, database: Database, database_url: str, clock: HeldClock
) -> None:
    await visitor.sign_in(shop.people["provider_owner"])
    path = await invite(visitor, email="Neu@Example.com", role="provider_finance")
    async with database.read(DoorScope()) as session:
        assert await session.scalar(select(Person.id).where(Person.email == "neu@example.com")) is None
        assert path.removeprefix("/invite/") not in set(await session.scalars(select(Invitation.token_hash)))
    assert "neu@example.com" in (await visitor.get("/console/members")).text

    async with AsyncTestClient(site(database_url, clock), base_url=PUBLIC_URL) as client:
        guest = Visitor(client)
        page = await guest.get(path)
        assert "neu@example.com" in page.text
        weak = await guest.post(path, page.text, name="新财务", password="password1234")
        assert weak.status_code == 422
        joined = await guest.post(path, page.text, name="新财务", password=NEW)
        assert joined.status_code == 303
        assert "HttpOnly" in joined.headers["set-cookie"]
        assert (await guest.get("/console/refunds")).status_code == 200
        again = await guest.post(path, (await guest.get("/console/refunds")).text, name="x", password=NEW)
        assert again.status_code == 410

    act = await last_act(database, "invitation.accepted")
    assert (act.chain, act.after) == (
        shop.providers[0].provider_id,
        {"email": "neu@example.com", "role": "provider_finance"},
    )
    assert "待接受的邀请" in (await visitor.get("/console/members")).text  # the shop's own one is still open


async def test_S17_a_link_ends_after_an_hour_when_renewed_and_when_revoked(
    visitor: Visitor, shop: Shop, clock: HeldClock
) -> None:
    await visitor.sign_in(shop.people["provider_owner"])
    first = await invite(visitor, email="neu@example.com", role="provider_viewer")
    listed = await visitor.get("/console/members")
    row = re.search(r'>neu@example.com<.*?name="invitation" value="(inv_[0-9A-Z]+)"', listed.text, re.S)
    assert row is not None
    invitation = row[1]

    renewed = await visitor.post("/console/members/invitations/renew", listed.text, invitation=invitation)
    second = f"/invite/{LINK.findall(renewed.text)[0]}"

    assert (await visitor.get(first)).status_code == 410
    assert (await visitor.get(second)).status_code == 200
    gone = await visitor.post("/console/members/invitations/revoke", listed.text, invitation=invitation)
    assert gone.status_code == 303
    assert (await visitor.get(second)).status_code == 410
    third = await invite(visitor, email="neu@example.com", role="provider_viewer")
    clock.advance(seconds=3600)
    assert (await visitor.get(third)).status_code == 410


async def test_S17_whoever_has_an_account_must_be_signed_in_to_it(
    visitor: Visitor, shop: Shop, database: Database
) -> None:
    """A link never sets the password of an account that exists, whoever holds it."""
    await visitor.sign_in(shop.people["provider_owner"])
    path = await invite(visitor, email=shop.people["merchant_user"], role="provider_viewer")
    page = await visitor.get(path)
    assert "此邮箱已有账号" in page.text

    stolen = await visitor.post(path, page.text, name="x", password=NEW)
    assert stolen.status_code == 422
    await visitor.sign_in(shop.people["merchant_user"])
    accepted = await visitor.post(path, (await visitor.get(path)).text)

    assert accepted.status_code == 303
    assert (await visitor.get("/console/orders")).status_code == 200
    async with database.read(DoorScope()) as session:
        roles = select(Membership.role).join(Person).where(Person.email == shop.people["merchant_user"])
        assert set(await session.scalars(roles)) == {"merchant_user", "provider_viewer"}


async def test_owners_give_roles_of_their_provider_only(visitor: Visitor, shop: Shop) -> None:
    await visitor.sign_in(shop.people["provider_owner"])
    form = await visitor.get("/console/members/invite")

    admin = await visitor.post(
        "/console/members/invite", form.text, email="x@example.com", role="platform_admin"
    )
    foreign = await visitor.post(
        "/console/members/invite",
        form.text,
        email="x@example.com",
        role="merchant_user",
        place=shop.tenants["仁康门诊部"].tenant_id,
    )
    nowhere = await visitor.post(
        "/console/members/invite",
        form.text,
        email="x@example.com",
        role="merchant_user",
        place=f"ten_{MISSING}",
    )
    address = await visitor.post("/console/members/invite", form.text, email="x", role="provider_viewer")

    assert admin.status_code == 403
    assert foreign.status_code == nowhere.status_code == 422
    assert 'aria-describedby="place-wrong' in foreign.text
    assert address.status_code == 422
    assert "不是有效的邮箱地址" in address.text


async def test_operators_invite_and_see_merchants_people_only(visitor: Visitor, shop: Shop) -> None:
    await visitor.sign_in(shop.people["provider_operator"])
    listed = await visitor.get("/console/members")
    assert "陈店长" in listed.text
    assert "王敏" not in listed.text

    await invite(
        visitor, email="x@example.com", role="merchant_user", place=shop.tenants["晨曦咖啡"].tenant_id
    )

    form = await visitor.get("/console/members/invite")
    refused = await visitor.post(
        "/console/members/invite", form.text, email="y@example.com", role="provider_viewer"
    )
    assert refused.status_code == 403
    assert (await visitor.get(f"/console/members/{shop.members['colleague']}")).status_code == 404


async def test_S01_S11_a_changed_or_removed_role_ends_its_sessions_at_once(
    visitor: Visitor, shop: Shop, database: Database, database_url: str, clock: HeldClock
) -> None:
    async with AsyncTestClient(site(database_url, clock), base_url=PUBLIC_URL) as client:
        viewer = Visitor(client)
        await viewer.sign_in(shop.people["provider_viewer"])
        await visitor.sign_in(shop.people["provider_owner"])
        async with database.read(DoorScope()) as session:
            member = await session.scalar(
                select(Membership.id).where(Membership.role == "provider_viewer").limit(1)
            )
        path = f"/console/members/{member}"
        page = await visitor.get(path)

        changed = await visitor.post(f"{path}/role", page.text, role="provider_operator")
        assert changed.status_code == 303
        assert (await viewer.get("/console/orders")).status_code == 303
        await viewer.sign_in(shop.people["provider_viewer"])
        assert (await viewer.get("/console/members")).status_code == 200  # an operator now

        nothing = await visitor.post(f"{path}/remove", page.text, reason="")
        removed = await visitor.post(f"{path}/remove", page.text, reason="已离职，交接完成")
        assert (nothing.status_code, removed.status_code) == (422, 303)
        assert (await viewer.get("/console/orders")).status_code == 303
        assert (await viewer.sign_in(shop.people["provider_viewer"])).status_code == 401
    act = await last_act(database, "member.removed")
    assert (act.reason, act.before) == ("已离职，交接完成", {"role": "provider_operator"})


async def test_the_last_owner_stays(visitor: Visitor, shop: Shop, database: Database) -> None:
    await visitor.sign_in(shop.people["provider_owner"])
    async with database.read(DoorScope()) as session:
        own = select(Membership.id).where(
            Membership.role == "provider_owner", Membership.provider_id == shop.providers[0].provider_id
        )
        path = f"/console/members/{await session.scalar(own)}"
    page = await visitor.get(path)

    removed = await visitor.post(f"{path}/remove", page.text, reason="我要离开了")
    demoted = await visitor.post(f"{path}/role", page.text, role="provider_viewer")

    assert removed.status_code == demoted.status_code == 422
    assert "这是最后一位能够登录的管理员" in removed.text
    assert (await visitor.get("/console/members")).status_code == 200


async def test_S12_changing_roles_needs_a_fresh_code_and_the_others_are_told(
    visitor: Visitor, shop: Shop, clock: HeldClock
) -> None:
    await visitor.sign_in(shop.people["provider_owner"])
    phone = Phone(visitor, clock)
    await phone.enrol()
    path = f"/console/members/{shop.members['colleague']}"
    page = await visitor.get(path)

    without = await visitor.post(f"{path}/role", page.text, role="provider_owner")
    wrong = await visitor.post(f"{path}/role", page.text, role="provider_owner", code=phone.wrong())
    done = await visitor.post(f"{path}/role", page.text, role="provider_owner", code=phone.code())

    assert (without.status_code, wrong.status_code, done.status_code) == (422, 422, 303)
    assert "修改了一位管理员的角色" not in (await visitor.get("/console/members")).text  # one's own act


async def test_S12_a_notice_is_shown_to_other_owners_until_they_have_read_it(
    visitor: Visitor, shop: Shop
) -> None:
    for role, told in (("provider_viewer", False), ("provider_owner", True)):
        await visitor.sign_in(shop.people[role])
        page = await visitor.get("/console/orders")
        assert ("更换了 API v2 密钥" in page.text) is told
    notice = re.findall(r'name="notice" value="(ntc_[0-9A-Z]+)"', page.text)[0]

    foreign = await visitor.post("/account/notices/dismiss", page.text, notice=f"ntc_{MISSING}")
    read = await visitor.post("/account/notices/dismiss", page.text, notice=notice, next="/console/orders")

    assert foreign.status_code == 404
    assert read.headers["location"] == "/console/orders"
    assert "更换了 API v2 密钥" not in (await visitor.get("/console/orders")).text
    await visitor.sign_in(shop.people["platform_admin"])
    other = await visitor.post(
        "/account/notices/dismiss", (await visitor.get("/account")).text, notice=notice
    )
    assert other.status_code == 404


async def test_a_locked_account_is_seen_and_unlocked(
    visitor: Visitor, shop: Shop, database: Database
) -> None:
    await visitor.sign_in(shop.people["provider_owner"])
    assert "已锁定" in (await visitor.get("/console/members")).text
    path = f"/console/members/{shop.members['clerk']}"
    page = await visitor.get(path)
    assert "解除锁定" in page.text

    done = await visitor.post(f"{path}/unlock", page.text)

    assert done.status_code == 303
    assert "已锁定" not in (await visitor.get("/console/members")).text
    assert (await last_act(database, "person.unlocked")).chain == shop.providers[0].provider_id


async def test_the_platform_disables_opens_and_resets_accounts_with_a_reason(
    visitor: Visitor, shop: Shop, database: Database
) -> None:
    await visitor.sign_in(shop.people["platform_admin"])
    path = f"/admin/users/{shop.persons['colleague']}"
    page = await visitor.get(path)

    nothing = await visitor.post(f"{path}/disable", page.text, reason="")
    disabled = await visitor.post(f"{path}/disable", page.text, reason="账号疑似被盗")
    opened = await visitor.post(f"{path}/enable", page.text, reason="核实完成，恢复")
    no_factor = await visitor.post(f"{path}/reset", page.text, reason="手机与恢复码都丢失")

    assert [answer.status_code for answer in (nothing, disabled, opened, no_factor)] == [422, 303, 303, 422]
    assert (await last_act(database, "person.disabled")).reason == "账号疑似被盗"
    assert (await last_act(database, "person.viewed")).object_id == shop.persons["colleague"]
    await visitor.sign_in(shop.people["platform_auditor"])
    refused = await visitor.post(f"{path}/disable", (await visitor.get(path)).text, reason="审计员不能停用")
    assert refused.status_code == 403


async def test_the_last_platform_administrator_stays(
    visitor: Visitor, shop: Shop, database: Database
) -> None:
    await visitor.sign_in(shop.people["platform_admin"])
    async with database.read(DoorScope()) as session:
        member, person = (
            await session.execute(
                select(Membership.id, Membership.person_id).where(Membership.role == "platform_admin")
            )
        ).one()
    page = await visitor.get(f"/admin/users/{person}")

    for act, fields in (
        ("disable", {"reason": "停用自己试试"}),
        ("remove", {"member": member, "reason": "移除自己试试"}),
        ("role", {"member": member, "role": "platform_auditor"}),
    ):
        refused = await visitor.post(f"/admin/users/{person}/{act}", page.text, **fields)
        assert refused.status_code == 422, act
        assert "这是最后一位能够登录的管理员" in refused.text, act


async def test_a_merchant_sees_who_else_has_access_and_nobody_elses_people(
    visitor: Visitor, shop: Shop
) -> None:
    await visitor.sign_in(shop.people["merchant_user"])

    page = await visitor.get("/m/members")

    assert "林收银" in page.text
    assert "王敏" not in page.text
    assert (await visitor.get("/m/account")).headers["location"] == "/account"


async def test_an_expired_invitation_is_kept_for_a_week(
    visitor: Visitor, shop: Shop, clock: HeldClock, database: Database
) -> None:
    await visitor.sign_in(shop.people["platform_admin"])
    await invite(visitor, "/admin/users", email="x@example.com", role="platform_auditor")
    clock.advance(seconds=timedelta(hours=2).total_seconds())
    await visitor.sign_in(shop.people["platform_admin"])

    assert "已过期" in (await visitor.get("/admin/users")).text
    clock.advance(seconds=timedelta(days=8).total_seconds())
    await visitor.sign_in(shop.people["platform_admin"])
    assert "x@example.com" not in (await visitor.get("/admin/users")).text
    async with database.read(DoorScope()) as session:
        assert await session.scalar(select(func.count()).select_from(Invitation)) == 3
