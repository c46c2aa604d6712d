"""One examination: what is asked of whom, in which order, and what it comes to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from spcore.clock import Clock
from spcore.db.engine import Database
from spcore.db.scope import TenantScope
from spcore.providers.errors import ProviderNotReady
from spcore.providers.keyring import Keyring
from spcore.vault import Vault, VaultError
from sptenants.doctor import repository, static
from sptenants.doctor.echo import EchoTest
from sptenants.doctor.loop import SelfTest
from sptenants.doctor.probes import CLOSE_AFTER, Prober, new_probe_number, probe_order
from sptenants.doctor.rows import Level, worst_level
from sptenants.doctor.subject import Subject, TenantSubject
from sptenants.doctor.verdicts import Calls, Verdict
from sptenants.orders.line import GatewayPicker
from sptenants.registry.bindings import BindingProfile, secret_context
from sptenants.registry.caller import TenantProfile
from sptenants.registry.ledger import BindingStatus
from sptenants.registry.notify_paths import notify_path
from sptenants.registry.rules import AppKind
from sptenants.sessions.service import LoginPicker
from wechatpay.credentials import (
    Credentials,
    MerchantCredentials,
    PartnerCredentials,
    ProviderKind,
    SigningKey,
    SignType,
)
from wechatpay.gateway import Gateway
from wechatpay.identifiers import AppId, MchId, SubMchId

_OF_PROVIDER = (
    "gateway.reach",
    "clock.skew",
    "sp.signature",
    "sp.account",
    "sp.cert_accepted",
    "sp.wechat_public_key",
    "sp.echo",
)
_ASKED_OF_PROVIDER = _OF_PROVIDER[:5]
"""What the question about an unknown order tells of the provider."""
_KEEPS_ECHO_BACK = {
    "gateway.reach",
    "clock.skew",
    "sp.signature",
    "sp.cert_accepted",
    "sp.wechat_public_key",
}
_OF_TENANT = ("sub_mch.relation", "sub_mch.status")


@dataclass(frozen=True, slots=True)
class Examined:
    """Verdicts about the provider and about the tenant, each item and part once, and the evidence."""

    provider: tuple[Verdict, ...]
    tenant: tuple[Verdict, ...]
    calls: Calls


class Examiner:
    """Carries examinations out. No database transaction is open while anybody is asked (rule T3)."""

    def __init__(
        self,
        database: Database,
        vault: Vault,
        clock: Clock,
        keyring: Keyring,
        gateways: GatewayPicker,
        logins: LoginPicker,
        self_test: SelfTest,
        echo_test: EchoTest,
        *,
        public_url: str,
    ) -> None:
        self._database = database
        self._vault = vault
        self._clock = clock
        self._keyring = keyring
        self._gateways = gateways
        self._logins = logins
        self._self_test = self_test
        self._echo_test = echo_test
        self._public_url = public_url

    async def examine(self, subject: Subject, *, live: bool, echo: bool = True) -> Examined:
        """Check everything about a subject; without `live` nobody outside is asked, without `echo` no
        message is sent there and back."""
        of_provider = static.check_provider(subject, self._vault, self._public_url, self._clock.now())
        of_tenant = static.check_tenant(subject.tenant) if subject.tenant else []
        prober = Prober(self._gateways, self._logins)
        if live:
            asked = await self._ask(subject, of_provider, prober)
            of_provider += [verdict for verdict in asked if verdict.code in _OF_PROVIDER]
            if subject.tenant is not None:
                of_tenant += [verdict for verdict in asked if verdict.code not in _OF_PROVIDER]
                of_tenant.append(await self._self_test.of(subject.tenant.profile.route_key))
            if echo and subject.needs("v3"):
                of_provider += await self._echo(subject, [*of_provider, *of_tenant], prober)
        return Examined(_each_once(of_provider), _each_once(of_tenant), prober.calls)

    async def relation(self, subject: Subject, sub_mch_id: str) -> Verdict:
        """Ask WeChat about a number that is not stored yet: whether the provider may act for it."""
        credentials = await self._credentials(subject, sub_mch_id, None)
        if credentials is None:
            return Verdict("sub_mch.relation", "held_up")
        prober = Prober(self._gateways, self._logins)
        asked = await prober.account(self._gateway(subject), credentials, self._clock.now())
        found = _each_once(asked.verdicts)
        reasons = [verdict for verdict in found if verdict.code == "sub_mch.relation"]
        return reasons[0] if reasons else Verdict("sub_mch.relation", "held_up")

    async def secret(self, subject: Subject, sub_appid: str, secret: str) -> Verdict:
        """Try an AppSecret that is not stored yet."""
        prober = Prober(self._gateways, self._logins)
        return await prober.secret(subject.provider.mode, sub_appid, secret, "")

    async def _echo(self, subject: Subject, known: Iterable[Verdict], prober: Prober) -> tuple[Verdict, ...]:
        """Send a message there and back; an address known to be shut off is not asked for again."""
        failed = {verdict.code for verdict in known if verdict.level is Level.FAIL}
        if failed & _KEEPS_ECHO_BACK:
            return (Verdict("sp.echo", "held_up"),)
        try:
            keys = await self._keyring.v3(subject.provider.id, subject.provider.key_epoch)
            own = keys.signing(self._clock.now())
        except ProviderNotReady:
            return (Verdict("sp.echo", "held_up"),)
        shut_off = failed & {"notify.url_public", "notify.self_test", "sp.apiv3_key_length"}
        return await self._echo_test.of(subject.provider, own, prober.calls, notified=not shut_off)

    async def _ask(self, subject: Subject, known: Iterable[Verdict], prober: Prober) -> list[Verdict]:
        about = subject.asked_as
        codes = (*_ASKED_OF_PROVIDER, *(_OF_TENANT if subject.tenant else ()))
        if about is None:
            return [Verdict(code, "no_subject") for code in codes]
        secrets = await self._secrets(subject, prober)
        if _lacks_number(subject, about):
            missing = [Verdict(code, "held_up") for code in codes if code != "sub_mch.relation"]
            if subject.tenant is not None:
                missing.append(Verdict("sub_mch.relation", "missing_number"))
            return [*missing, *_unclear_apps(subject.tenant), *secrets]
        credentials = await self._credentials(subject, about.sub_mch_id, None)
        if credentials is None:
            held = [Verdict(code, "held_up") for code in codes]
            return [*held, *_unclear_apps(subject.tenant), *secrets]
        gateway, now = self._gateway(subject), self._clock.now()
        asked = await prober.account(gateway, credentials, now)
        found = [*asked.verdicts, *secrets]
        if not asked.goes_on:
            return [*found, Verdict("sp.cert_accepted", "held_up"), *_unclear_apps(subject.tenant)]
        found.append(await self._certificate(subject, known, gateway, credentials, prober))
        if subject.tenant is not None:
            found += await self._apps(subject, subject.tenant, gateway, prober)
        return found

    async def _certificate(
        self,
        subject: Subject,
        known: Iterable[Verdict],
        gateway: Gateway,
        credentials: Credentials,
        prober: Prober,
    ) -> Verdict:
        if subject.speaks_v3:
            return Verdict("sp.cert_accepted")  # the question before was signed with it
        usable = {verdict.code for verdict in known if verdict.reason in {None, "soon"}}
        if not {"sp.cert_pair", "sp.cert_expiry"} <= usable:
            return Verdict("sp.cert_accepted", "held_up")
        try:
            certificate = await self._keyring.certificate(subject.provider.id, subject.provider.key_epoch)
        except ProviderNotReady:
            return Verdict("sp.cert_accepted", "held_up")
        return await prober.certificate(gateway, credentials, certificate, self._clock.now())

    async def _apps(
        self, subject: Subject, tenant: TenantSubject, gateway: Gateway, prober: Prober
    ) -> list[Verdict]:
        """Make one order with each bound app, and see from any of them whether the product is authorised."""
        found: list[Verdict] = []
        for binding in tenant.bindings:
            if binding.status == BindingStatus.DISABLED:
                found.append(Verdict("binding.wechat_side", "disabled", part=binding.id))
                continue
            found.append(await self._app(subject, tenant.profile, binding, gateway, prober))
        # What keeps every app from working says nothing about any of them.
        judged = {verdict.part for verdict in found if verdict.code == "binding.wechat_side"}
        found += [_held_up(binding) for binding in tenant.bindings if binding.id not in judged]
        if not any(verdict.code == "sub_mch.product" for verdict in found):
            works = any(one.code == "binding.wechat_side" and one.reason is None for one in found)
            found.append(Verdict("sub_mch.product", None if works else "held_up"))
        return found

    async def _app(
        self,
        subject: Subject,
        tenant: TenantProfile,
        binding: BindingProfile,
        gateway: Gateway,
        prober: Prober,
    ) -> Verdict:
        credentials = await self._credentials(subject, tenant.sub_mch_id, binding.sub_appid)
        if credentials is None:
            return _held_up(binding)
        now, scope = self._clock.now(), TenantScope(subject.provider.id, tenant.id)
        number = new_probe_number(now)
        path = notify_path(tenant.route_key, subject.provider.api_version, "payment")
        order = probe_order(number, self._public_url + path, now)
        async with self._database.write(scope) as session:
            # Before it exists at WeChat, so that none is left open there.
            await repository.insert_probe(
                session, scope, number.text, binding.sub_appid, now, now + CLOSE_AFTER
            )
        return await prober.app(gateway, credentials, order, binding.id)

    async def _secrets(self, subject: Subject, prober: Prober) -> list[Verdict]:
        if subject.tenant is None:
            return []
        found = []
        for binding in subject.tenant.bindings:
            if binding.kind != AppKind.MINIPROGRAM or binding.status == BindingStatus.DISABLED:
                continue
            found.append(await self._secret(subject, subject.tenant.profile, binding, prober))
        return found

    async def _secret(
        self, subject: Subject, tenant: TenantProfile, binding: BindingProfile, prober: Prober
    ) -> Verdict:
        if binding.sealed_secret is None:
            return Verdict("binding.secret", "missing", part=binding.id)
        scope = TenantScope(subject.provider.id, tenant.id)
        context = secret_context(scope, binding.id, binding.secret_version)
        try:
            secret = self._vault.open(binding.sealed_secret, context).decode()
        except (VaultError, UnicodeDecodeError):
            return Verdict("binding.secret", "unreadable", part=binding.id)
        return await prober.secret(subject.provider.mode, binding.sub_appid, secret, binding.id)

    def _gateway(self, subject: Subject) -> Gateway:
        return self._gateways.of(subject.provider.mode, subject.provider.api_version, subject.provider.id)

    async def _credentials(
        self, subject: Subject, sub_mch_id: str | None, sub_appid: str | None
    ) -> Credentials | None:
        """Return what to ask with; None when there is no key to sign with."""
        try:
            key = await signing_key(self._keyring, subject, self._clock.now())
        except ProviderNotReady:
            return None
        return credentials_of(subject, key, sub_mch_id, sub_appid)


async def signing_key(keyring: Keyring, subject: Subject, now: datetime) -> SigningKey:
    """Return what calls of the provider's API version are signed with. Raises ProviderNotReady."""
    provider = subject.provider
    if subject.speaks_v3:
        return (await keyring.v3(provider.id, provider.key_epoch)).signing(now)
    return (await keyring.v2(provider.id, provider.key_epoch)).signing


def credentials_of(
    subject: Subject, key: SigningKey, sub_mch_id: str | None, sub_appid: str | None
) -> Credentials:
    """Return the identities of a question: a plain merchant's app stands in the place of its own appid."""
    provider = subject.provider
    mch_id, sign_type = MchId(provider.mch_id), SignType(provider.sign_type)
    if provider.kind == ProviderKind.MERCHANT or sub_mch_id is None:
        return MerchantCredentials(mch_id, AppId(sub_appid or provider.appid), key, sign_type)
    return PartnerCredentials(
        kind=ProviderKind.BANK if provider.kind == ProviderKind.BANK else ProviderKind.ORDINARY,
        mch_id=mch_id,
        appid=AppId(provider.appid),
        sub_mch_id=SubMchId(sub_mch_id),
        sub_appid=AppId(sub_appid) if sub_appid else None,
        key=key,
        sign_type=sign_type,
    )


def _lacks_number(subject: Subject, about: TenantProfile) -> bool:
    return subject.provider.kind != ProviderKind.MERCHANT and about.sub_mch_id is None


def _held_up(binding: BindingProfile) -> Verdict:
    return Verdict("binding.wechat_side", "held_up", part=binding.id)


def _unclear_apps(tenant: TenantSubject | None) -> list[Verdict]:
    if tenant is None:
        return []
    return [*(_held_up(binding) for binding in tenant.bindings), Verdict("sub_mch.product", "held_up")]


def _each_once(verdicts: Iterable[Verdict]) -> tuple[Verdict, ...]:
    """Return one verdict an item and part, the worst of several."""
    kept: dict[tuple[str, str], Verdict] = {}
    for verdict in verdicts:
        key = verdict.code, verdict.part
        other = kept.get(key)
        if other is None or worst_level([other.level, verdict.level]) != other.level:
            kept[key] = verdict
    return tuple(kept.values())
