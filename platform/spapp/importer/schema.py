"""The import file as values: everything that can be checked without a database is checked here.

Policies about refunds are optional and stay as they are when the file leaves them out: a provider's
`refund_approval_above` (fen; a larger refund that a person asks for waits for a second person: 0 for every
one, 999999999 for none), a tenant's `refunds_double_payments` (a second payment of an order is given back by
itself) and `merchant_refunds` (the merchant's own people may refund). So are, of bills, a tenant's `fee_rate`
(agreed upon from the day of the import on, when it is not that already) and `own_bills` (its own bills are
fetched every day beside the provider's).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from spapp.accounts.models import Role
from spapp.accounts.passwords import weakness
from spapp.accounts.people import is_email
from spapp.accounts.service import normalise_email
from spapp.importer.reading import Fields, Place, parse, refuse_repeats
from spcore.errors import Fault, InvalidInput, Text
from spcore.providers.certificates import ClientCertificate, check_client_certificate, check_public_key
from spcore.providers.keys import key_faults
from spcore.providers.models import KeyKind, Mode
from sptenants.prices.service import MAX_AMOUNT, MAX_QUANTITY, NewPrice
from sptenants.reconciliation.rates import rate_faults
from sptenants.registry import rules
from sptenants.registry.binding_changes import NewBinding
from sptenants.registry.models import MAX_BINDINGS
from sptenants.registry.rules import AppKind, AppOwner, TenantStatus
from wechatpay.bills import Rate
from wechatpay.credentials import ProviderKind, SignType

MAX_PER_SECOND = 100_000


class ApiVersion(StrEnum):
    V2 = "v2"
    V3 = "v3"


class PlatformRole(StrEnum):
    ADMIN = Role.PLATFORM_ADMIN.value
    AUDITOR = Role.PLATFORM_AUDITOR.value


class ProviderRole(StrEnum):
    OWNER = Role.PROVIDER_OWNER.value
    OPERATOR = Role.PROVIDER_OPERATOR.value
    FINANCE = Role.PROVIDER_FINANCE.value
    VIEWER = Role.PROVIDER_VIEWER.value


class MerchantRole(StrEnum):
    USER = Role.MERCHANT_USER.value


@dataclass(frozen=True, slots=True)
class MemberEntry:
    """`email` is in the form accounts are kept under; `password` None leaves an account as it is."""

    pointer: str
    email: str
    role: Role
    name: str
    password: str | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Named:
    """An API key to be there, known by its name, or a webhook endpoint, known by its address."""

    pointer: str
    name: str


@dataclass(frozen=True, slots=True)
class BindingEntry:
    pointer: str
    new: NewBinding


@dataclass(frozen=True, slots=True)
class TenantEntry:
    """`amendments` are what the file says about name, limits and policies; `status` None leaves it."""

    pointer: str
    name: str
    sub_mch_id: str | None
    status: TenantStatus | None
    amendments: Mapping[str, str | int]
    bindings: tuple[BindingEntry, ...]
    prices: tuple[NewPrice, ...]
    api_keys: tuple[Named, ...]
    members: tuple[MemberEntry, ...]
    webhooks: tuple[Named, ...]
    fee_rate: Rate | None
    """What was agreed upon, from the day of the import on; None leaves it."""


@dataclass(frozen=True, slots=True)
class KeyEntry:
    """One key, certificate or public key of a provider, checked and ready for the vault."""

    kind: KeyKind
    secret: bytes = field(repr=False)
    label: str | None = None
    not_after: datetime | None = None


@dataclass(frozen=True, slots=True)
class ProviderEntry:
    pointer: str
    name: str
    mode: Mode
    kind: ProviderKind
    mch_id: str
    appid: str
    api_version: ApiVersion
    sign_type: SignType | None
    policies: Mapping[str, int]
    """What the file says about refunds, by column."""
    keys: tuple[KeyEntry, ...]
    members: tuple[MemberEntry, ...]
    api_keys: tuple[Named, ...]
    tenants: tuple[TenantEntry, ...]


@dataclass(frozen=True, slots=True)
class Document:
    providers: tuple[ProviderEntry, ...]
    admins: tuple[MemberEntry, ...]

    def people(self) -> list[MemberEntry]:
        """Return every mention of a person, in the order of the file."""
        named = list(self.admins)
        for provider in self.providers:
            named += provider.members
            for tenant in provider.tenants:
                named += tenant.members
        return named


def read_document(document: bytes, now: datetime) -> Document:
    """Return the file's content. Raises InvalidInput with every fault, each with its JSON pointer.

    `now` is what certificates must still be valid at.
    """
    faults: list[Fault] = []
    top = Place(parse(document), "#", faults).fields("providers", "admins")
    read = []
    numbers = []
    for place in top.items("providers"):
        fields = place.fields(*_PROVIDER_FIELDS)
        provider = _provider(fields, now)
        read.append(provider)
        numbers.append(((provider.mode, provider.mch_id), fields, "mch_id"))
    refuse_repeats(numbers)
    found = Document(tuple(read), _members(top, "admins", PlatformRole))
    _one_password_each(found, faults)
    if faults:
        raise InvalidInput(*faults)
    return found


_PROVIDER_FIELDS = (
    "name",
    "mode",
    "kind",
    "mch_id",
    "appid",
    "api_version",
    "sign_type",
    "refund_approval_above",
    "api_v2_key",
    "api_v3_key",
    "client_cert_pem",
    "client_key_pem",
    "wechatpay_public_keys",
    "members",
    "api_keys",
    "tenants",
)
_TENANT_FIELDS = (
    "name",
    "sub_mch_id",
    "status",
    "limits",
    "refunds_double_payments",
    "merchant_refunds",
    "fee_rate",
    "own_bills",
    "bindings",
    "prices",
    "api_keys",
    "members",
    "webhooks",
)
_FLAGS = ("refunds_double_payments", "merchant_refunds", "own_bills")


def _provider(fields: Fields, now: datetime) -> ProviderEntry:
    kind = fields.choice("kind", ProviderKind)
    mch_id = fields.text("mch_id", rules.mch_id_faults)
    return ProviderEntry(
        pointer=fields.pointer,
        name=fields.text("name", rules.name_faults),
        mode=fields.choice("mode", Mode),
        kind=kind,
        mch_id=mch_id,
        appid=fields.text("appid", rules.appid_faults),
        api_version=fields.choice("api_version", ApiVersion),
        sign_type=fields.optional_choice("sign_type", SignType),
        policies=_policies(fields),
        keys=(*_symmetric(fields), *_certificate(fields, mch_id, now), *_public_keys(fields)),
        members=_members(fields, "members", ProviderRole),
        api_keys=_named(fields, "api_keys"),
        tenants=_tenants(fields, kind, mch_id),
    )


def _policies(fields: Fields) -> dict[str, int]:
    above = fields.optional_integer("refund_approval_above", 0, MAX_AMOUNT)
    return {} if above is None else {"refund_approval_above": above}


def _symmetric(fields: Fields) -> list[KeyEntry]:
    read = []
    for name, kind in (("api_v2_key", KeyKind.API_V2), ("api_v3_key", KeyKind.API_V3)):
        given = fields.optional_text(name)
        if given is not None:
            fields.faults.extend(key_faults(kind, given.encode(), f"{fields.pointer}/{name}"))
            read.append(KeyEntry(kind, given.encode()))
    return read


def _certificate(fields: Fields, mch_id: str, now: datetime) -> list[KeyEntry]:
    names = ("client_cert_pem", "client_key_pem")
    cert, key = (fields.optional_text(name) for name in names)
    for name, given, other in zip(names, (cert, key), (key, cert), strict=True):
        if given is None and other is not None:
            fields.wrong(name, "missing", _PAIR)
    if cert is None or key is None:
        return []
    try:
        checked: ClientCertificate = check_client_certificate(
            cert.encode(), key.encode(), mch_id=mch_id, now=now, pointer=fields.pointer
        )
    except InvalidInput as error:
        fields.faults.extend(error.faults)
        return []
    return [KeyEntry(KeyKind.CLIENT_CERTIFICATE, checked.bundle, checked.serial, checked.not_after)]


def _public_keys(fields: Fields) -> list[KeyEntry]:
    read = []
    repeats = []
    for place in fields.items("wechatpay_public_keys"):
        entry = place.fields("id", "pem")
        key_id, pem = entry.text("id"), entry.text("pem")
        repeats.append(((key_id,), entry, "id"))
        if not key_id or not pem:
            continue
        try:
            clean = check_public_key(key_id, pem.encode(), pointer=entry.pointer)
        except InvalidInput as error:
            fields.faults.extend(error.faults)
            continue
        read.append(KeyEntry(KeyKind.WECHATPAY_PUBLIC_KEY, clean, key_id))
    refuse_repeats(repeats)
    return read


def _tenants(fields: Fields, kind: ProviderKind, mch_id: str) -> tuple[TenantEntry, ...]:
    read = []
    names, numbers = [], []
    for place in fields.items("tenants"):
        inner = place.fields(*_TENANT_FIELDS)
        tenant = _tenant(inner)
        inner.faults.extend(
            rules.sub_mch_id_faults(
                tenant.sub_mch_id,
                provider_kind=kind,
                provider_mch_id=mch_id,
                pointer=f"{inner.pointer}/sub_mch_id",
            )
        )
        read.append(tenant)
        names.append(((tenant.name,), inner, "name"))
        numbers.append(((tenant.sub_mch_id or "",), inner, "sub_mch_id"))
    refuse_repeats(names)
    if kind is ProviderKind.MERCHANT:
        for extra in read[1:]:
            fields.faults.append(Fault(extra.pointer, "only_one", _ONLY_ONE))
    else:
        refuse_repeats(numbers)
    return tuple(read)


def _tenant(fields: Fields) -> TenantEntry:
    name = fields.text("name", rules.name_faults)
    limits = fields.inner("limits")
    amendments: dict[str, str | int] = {"name": name}
    if limits is not None:
        amendments |= _limits(limits)
    given = {name: fields.optional_flag(name) for name in _FLAGS}
    amendments |= {name: value for name, value in given.items() if value is not None}
    return TenantEntry(
        pointer=fields.pointer,
        name=name,
        sub_mch_id=fields.optional_text("sub_mch_id"),
        status=fields.optional_choice("status", TenantStatus),
        amendments=amendments,
        bindings=_bindings(fields),
        prices=_prices(fields),
        api_keys=_named(fields, "api_keys"),
        members=_members(fields, "members", MerchantRole),
        webhooks=_webhooks(fields),
        fee_rate=_fee_rate(fields),
    )


def _fee_rate(fields: Fields) -> Rate | None:
    text = fields.optional_text("fee_rate", rate_faults)
    return None if text is None or rate_faults(text, fields.pointer) else Rate.parse(text)


def _limits(place: Place) -> dict[str, int]:
    names = ("server_per_second", "session_per_second")
    fields = place.fields(*names)
    given = {name: fields.optional_integer(name, 1, MAX_PER_SECOND) for name in names}
    return {name: value for name, value in given.items() if value is not None}


def _bindings(fields: Fields) -> tuple[BindingEntry, ...]:
    read = []
    repeats = []
    for place in fields.items("bindings"):
        inner = place.fields("sub_appid", "kind", "owner", "app_secret")
        new = NewBinding(
            sub_appid=inner.text("sub_appid", rules.appid_faults),
            kind=inner.choice("kind", AppKind),
            owner=inner.choice("owner", AppOwner),
            app_secret=inner.optional_text("app_secret", rules.app_secret_faults),
        )
        inner.faults.extend(rules.owner_faults(new.kind, new.owner, inner.pointer))
        read.append(BindingEntry(inner.pointer, new))
        repeats.append(((new.sub_appid,), inner, "sub_appid"))
    refuse_repeats(repeats)
    for extra in read[MAX_BINDINGS:]:
        fields.faults.append(Fault(extra.pointer, "no_free_slot", rules.NO_FREE_SLOT))
    return tuple(read)


def _prices(fields: Fields) -> tuple[NewPrice, ...]:
    read = []
    repeats = []
    for place in fields.items("prices"):
        inner = place.fields("code", "name", "amount", "max_quantity", "active")
        price = NewPrice(
            code=inner.text("code"),
            name=inner.text("name"),
            amount=inner.integer("amount", 1, MAX_AMOUNT),
            max_quantity=inner.optional_integer("max_quantity", 1, MAX_QUANTITY) or 1,
            active=inner.flag("active", default=True),
        )
        if price.code and price.name:
            inner.faults.extend(price.faults(inner.pointer))
        read.append(price)
        repeats.append(((price.code,), inner, "code"))
    refuse_repeats(repeats)
    return tuple(read)


def _named(fields: Fields, name: str) -> tuple[Named, ...]:
    read = []
    repeats = []
    for place in fields.items(name):
        inner = place.fields("name")
        entry = Named(inner.pointer, inner.text("name", rules.name_faults))
        read.append(entry)
        repeats.append(((entry.name,), inner, "name"))
    refuse_repeats(repeats)
    return tuple(read)


def _webhooks(fields: Fields) -> tuple[Named, ...]:
    read = []
    repeats = []
    for place in fields.items("webhooks"):
        inner = place.fields("url")
        entry = Named(inner.pointer, inner.text("url", rules.webhook_url_faults))
        read.append(entry)
        repeats.append(((entry.name,), inner, "url"))
    refuse_repeats(repeats)
    return tuple(read)


def _members(fields: Fields, name: str, roles: type[StrEnum]) -> tuple[MemberEntry, ...]:
    read = []
    repeats = []
    for place in fields.items(name):
        inner = place.fields("email", "role", "name", "password")
        email = normalise_email(inner.text("email", _email_faults))
        entry = MemberEntry(
            pointer=inner.pointer,
            email=email,
            role=Role(inner.choice("role", roles)),
            name=inner.optional_text("name", rules.name_faults) or email.partition("@")[0],
            password=inner.optional_text("password", _password_faults),
        )
        read.append(entry)
        repeats.append(((entry.email, entry.role), inner, "email"))
    refuse_repeats(repeats)
    return tuple(read)


def _email_faults(email: str, pointer: str) -> list[Fault]:
    return [] if is_email(normalise_email(email)) else [Fault(pointer, "invalid_email", _EMAIL)]


def _password_faults(password: str, pointer: str) -> list[Fault]:
    why = weakness(password)
    return [] if why is None else [Fault(pointer, "weak_password", why)]


def _one_password_each(document: Document, faults: list[Fault]) -> None:
    passwords: dict[str, str] = {}
    for person in document.people():
        if person.password is None or not person.email:
            continue
        if passwords.setdefault(person.email, person.password) != person.password:
            faults.append(Fault(f"{person.pointer}/password", "contradicts", _TWO_PASSWORDS))


_PAIR = Text(
    "证书和私钥须同时提供（client_cert_pem 与 client_key_pem）。",
    "is missing: certificate and private key come together (client_cert_pem and client_key_pem).",
)
_ONLY_ONE = Text(
    "普通商户只能有一个商户条目（它自己）。", "A plain merchant is its own only tenant; remove this entry."
)
_EMAIL = Text("不是有效的邮箱地址。", "is not an e-mail address.")
_TWO_PASSWORDS = Text(
    "同一邮箱在文件中有两个不同的密码，请统一。", "differs from the password of the same address elsewhere."
)
