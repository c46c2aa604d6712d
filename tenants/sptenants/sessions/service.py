"""Mini-program sessions: a `wx.login` code becomes a token of ours, and a token becomes a payer.

Source: wechatpay-v2 8.1, acceptance S1-06, S1-22, S2-01, S2-02, failure catalogue O07 and O08.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from sqlalchemy import delete, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from spcore.audit.actor import Actor
from spcore.clock import Clock
from spcore.db.engine import Database
from spcore.db.scope import DoorScope, TenantScope
from spcore.errors import Fault, InvalidInput, NotFound, Text
from spcore.providers.models import Provider
from spcore.providers.profile import ProviderProfile
from spcore.vault import SealContext, Vault
from sptenants.registry.bindings import BindingProfile, binding_of, secret_context
from sptenants.registry.caller import Caller, Payer, TenantProfile
from sptenants.registry.door import Door, require_open
from sptenants.registry.errors import BindingNotVerified, SessionExpired
from sptenants.registry.models import Tenant
from sptenants.registry.tokens import new_session_token, tenant_of_session_token, token_hash
from sptenants.sessions.errors import LoginRejected, LoginUnavailable
from sptenants.sessions.models import MiniSession
from wechatpay.errors import InvalidRequest, WechatPayError
from wechatpay.identifiers import AppId
from wechatpay.miniprogram import LoginRefused, LoginResult

LIFETIME = timedelta(hours=2)
_TRIES = 3


class Login(Protocol):
    """jscode2session, as `wechatpay.miniprogram.MiniProgramLogin` does it."""

    async def exchange(self, appid: AppId, secret: str, code: str) -> LoginResult: ...


class LoginPicker(Protocol):
    """Which WeChat a provider's mini-programs log in at: the simulator for `test`, WeChat for `live`."""

    def of(self, mode: str) -> Login: ...


@dataclass(frozen=True, slots=True)
class NewSession:
    """A session that was just made; the token is told once and kept nowhere."""

    token: str = field(repr=False)
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class CurrentSession:
    payer: Payer
    expires_at: datetime


class Sessions:
    def __init__(self, database: Database, vault: Vault, clock: Clock, logins: LoginPicker) -> None:
        self._database = database
        self._vault = vault
        self._clock = clock
        self._logins = logins
        self._door = Door(database, clock)

    async def create(self, tenant_id: str, sub_appid: str, code: str) -> NewSession:
        """Trade a `wx.login` code for a session of two hours.

        The code is exchanged with the appid and AppSecret of the tenant's own binding (S1-06). Neither the
        secret nor the session_key ever leaves. Raises NotFound, Forbidden, TenantNotLive, InvalidInput,
        BindingNotVerified, LoginRejected, LoginUnavailable.
        """
        found = await self._door.by_tenant_id(tenant_id)
        if found is None:
            raise NotFound
        provider, tenant = found
        require_open(provider, tenant)
        scope = TenantScope(provider.id, tenant.id)
        async with self._database.read(scope) as session:
            binding = await binding_of(session, scope, sub_appid)
        secret = self._secret(scope, _fit_for_login(binding))
        login = await self._exchange(provider, sub_appid, secret, code)
        return await self._remember(scope, sub_appid, login)

    async def payer(self, token: str, tenant_id: str) -> Payer:
        """Return who holds `token`, for the routes below `/v1/mini/{tenant_id}`.

        Raises what `current` raises.
        """
        return (await self.current(token, tenant_id)).payer

    async def current(self, token: str, tenant_id: str) -> CurrentSession:
        """Return the session of `token`, in one statement.

        Raises NotFound for a token of another tenant, SessionExpired for one that is unknown or over,
        Forbidden and TenantNotLive (O13).
        """
        owner = tenant_of_session_token(token)
        if owner is None:
            raise SessionExpired
        if owner != tenant_id:
            raise NotFound
        query = (
            select(MiniSession, Tenant, Provider)
            .join(Tenant, Tenant.id == MiniSession.tenant_id)
            .join(Provider, Provider.id == MiniSession.provider_id)
            .where(MiniSession.tenant_id == tenant_id, MiniSession.token_hash == token_hash(token))
        )
        async with self._database.read(DoorScope()) as session:
            row = (await session.execute(query)).one_or_none()
        if row is None:
            raise SessionExpired
        held, tenant_row, provider_row = row
        if held.expires_at <= self._clock.now():
            raise SessionExpired
        provider, tenant = ProviderProfile.of(provider_row), TenantProfile.of(tenant_row)
        require_open(provider, tenant)
        caller = Caller(provider, tenant, Actor("session", None, held.sub_appid))
        return CurrentSession(Payer(caller, held.sub_appid, held.openid), held.expires_at)

    def _secret(self, scope: TenantScope, binding: BindingProfile) -> str:
        if binding.sealed_secret is None:
            raise BindingNotVerified(_NO_SECRET)
        context = secret_context(scope, binding.id, binding.secret_version)
        return self._vault.open(binding.sealed_secret, context).decode()

    async def _exchange(self, provider: ProviderProfile, appid: str, secret: str, code: str) -> LoginResult:
        try:
            return await self._logins.of(provider.mode).exchange(AppId(appid), secret, code)
        except InvalidRequest as error:
            fault = Fault(f"#/{error.field}", "invalid_format", Text(error.zh, error.en))
            raise InvalidInput(fault) from None
        except LoginRefused as error:
            raise (LoginUnavailable(error) if error.retry else LoginRejected(error)) from None
        except WechatPayError as error:
            raise LoginUnavailable(error) from None

    async def _remember(self, scope: TenantScope, sub_appid: str, login: LoginResult) -> NewSession:
        token, now = new_session_token(scope.tenant_id), self._clock.now()
        context = SealContext(scope.provider_id, scope.tenant_id, f"session_key:{token_hash(token)}", 1)
        sealed_key = self._vault.seal(login.session_key.encode(), context)
        row = {
            "provider_id": scope.provider_id,
            "tenant_id": scope.tenant_id,
            "token_hash": token_hash(token),
            "sub_appid": sub_appid,
            "openid": login.openid.text,
            "created_at": now,
            "expires_at": now + LIFETIME,
        }
        for last in (False,) * (_TRIES - 1) + (True,):
            try:
                async with self._database.write(scope) as session:
                    await _forget_expired(session, scope, sub_appid, login.openid.text, now)
                    # Whoever loses the race again and again leaves the key to the others.
                    newest = not last and await _take_over(session, scope, sub_appid, login.openid.text, now)
                    session.add(MiniSession(**row, session_key_sealed=sealed_key if newest else None))
                break
            except IntegrityError:
                # Another login of the same payer was faster by a moment: now its row is there to be seen.
                if last:
                    raise
        return NewSession(token, now + LIFETIME)


async def _forget_expired(
    session: AsyncSession, scope: TenantScope, sub_appid: str, openid: str, now: datetime
) -> None:
    """Delete the payer's sessions that are over, so that the table grows with payers and not with logins."""
    await session.execute(
        delete(MiniSession)
        .where(MiniSession.tenant_id == scope.tenant_id, MiniSession.sub_appid == sub_appid)
        .where(MiniSession.openid == openid, MiniSession.expires_at <= now)
        .execution_options(synchronize_session=False)
    )


async def _take_over(
    session: AsyncSession, scope: TenantScope, sub_appid: str, openid: str, now: datetime
) -> bool:
    """Take the session_key from the payer's earlier logins, whose tokens stay good for paying (S2-01).

    False when a login that WeChat answered later than `now` is stored already: then ours is the old key.
    """
    holders = (
        MiniSession.tenant_id == scope.tenant_id,
        MiniSession.sub_appid == sub_appid,
        MiniSession.openid == openid,
        MiniSession.session_key_sealed.is_not(None),
    )
    await session.execute(
        update(MiniSession)
        .where(*holders, MiniSession.created_at <= now)
        .values(session_key_sealed=None)
        .execution_options(synchronize_session=False)
    )
    later = await session.scalar(select(MiniSession.created_at).where(*holders))
    return later is None


def _fit_for_login(binding: BindingProfile | None) -> BindingProfile:
    if binding is None:
        raise InvalidInput(Fault("#/sub_appid", "not_bound", _NOT_BOUND))
    if binding.kind != "miniprogram":
        raise InvalidInput(Fault("#/sub_appid", "not_a_miniprogram", _NOT_A_MINIPROGRAM))
    if not binding.usable:
        raise BindingNotVerified(_DISABLED)
    return binding


_NOT_BOUND = Text(
    "不是该特约商户绑定的 AppID，请检查小程序配置或先在 AppID 绑定中添加。",
    "is not bound to this sub-merchant; check the mini-program's configuration or bind the appid first.",
)
_NOT_A_MINIPROGRAM = Text(
    "该 AppID 不是小程序，不能用 wx.login 登录。", "is not a mini-program, so wx.login cannot serve it."
)
_DISABLED = Text(
    "该 AppID 绑定已停用或与微信侧不匹配，请联系服务商处理。",
    "The binding of this appid is disabled or does not match WeChat's side; ask the service provider.",
)
_NO_SECRET = Text(
    "该小程序尚未配置 AppSecret：请服务商在小程序后台生成后录入。",
    "The AppSecret of this mini-program is not configured: generate it in WeChat's console and enter it.",
)
