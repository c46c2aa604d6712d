"""One harmless question to WeChat with a key that nobody relies on yet (acceptance B-13, pain 21).

Nothing of what is asked changes anything: an order that cannot exist, the platform certificates, a message
that WeChat only sends back.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol, TypeAlias

from spcore.clock import Clock
from spcore.db.scope import ProviderScope
from spcore.ids import new_ulid
from spcore.providers.profile import ProviderProfile
from wechatpay.credentials import (
    ApiV3Key,
    ClientCertificate,
    Credentials,
    MerchantCredentials,
    PartnerCredentials,
    ProviderKind,
    SignType,
    V2Key,
    V3Key,
)
from wechatpay.errors import BadAnswerSignature, Refused, WechatPayError
from wechatpay.gateway import Gateway
from wechatpay.identifiers import AppId, MchId, OutTradeNo, SubMchId
from wechatpay.transport import JsonLine
from wechatpay.v3 import certificates, echo

Asked: TypeAlias = Literal["accepted", "refused", "unclear", "not_asked"]
"""`refused`: WeChat does not know the key; `unclear`: it did not say; `not_asked`: nothing to ask with."""

NO_CERTIFICATES = "RESOURCE_NOT_EXISTS"
"""What WeChat answers for a merchant number that has public keys only (wechatpay-v3 1.6)."""
_SIGNATURE = re.compile(r"SIGN_?ERROR|签名错误|sign.?error", re.IGNORECASE)
_CERTIFICATE = re.compile(r"CERT|证书")
_CERTIFICATE_TURNED_DOWN = frozenset({"http_400", "http_403", "unusable_certificate", "foreign_certificate"})


class Gates(Protocol):
    """The ways to WeChat of each provider."""

    def of(self, mode: str, api_version: str, provider_id: str) -> Gateway: ...

    def line(self, mode: str, provider_id: str) -> JsonLine: ...


class SubMerchants(Protocol):
    async def any_of(self, scope: ProviderScope) -> SubMchId | None:
        """Return the number of one sub-merchant of the provider, None when it has none."""
        ...


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of it. `question` is `orderquery`, `reverse`, `certificates`, `echo` or empty, `code` a word
    of WeChat's or a short token of ours."""

    asked: Asked
    question: str = ""
    code: str = ""


NOT_ASKED = Answer("not_asked")


class Questions:
    """Never raises for what WeChat answers, or does not."""

    def __init__(self, clock: Clock, gates: Gates, sub_merchants: SubMerchants) -> None:
        self._clock = clock
        self._gates = gates
        self._sub_merchants = sub_merchants

    async def v2_key(self, provider: ProviderProfile, key: V2Key) -> Answer:
        """Ask for an order that cannot exist: a signed refusal proves the key (wechatpay-v2 1.5)."""
        credentials = await self._credentials(provider, key)
        if credentials is None:
            return NOT_ASKED
        gateway = self._gates.of(provider.mode, "v2", provider.id)
        try:
            await gateway.query(credentials, self._number())
        except Refused as refusal:
            if refusal.level == "result":
                return Answer("accepted", "orderquery", refusal.code)
            return Answer(_sign_refusal(refusal), "orderquery", refusal.code)
        except BadAnswerSignature as error:
            return Answer("refused", "orderquery", _token(error))
        except WechatPayError as error:
            return Answer("unclear", "orderquery", _token(error))
        return Answer("accepted", "orderquery")

    async def v2_certificate(
        self, provider: ProviderProfile, key: V2Key, certificate: ClientCertificate
    ) -> Answer:
        """Reverse a payment code that never was, over the connection that shows the certificate."""
        credentials = await self._credentials(provider, key)
        if credentials is None:
            return NOT_ASKED
        gateway = self._gates.of(provider.mode, "v2", provider.id)
        try:
            await gateway.reverse(credentials, certificate, self._number())
        except Refused as refusal:
            turned_down = _CERTIFICATE.search(f"{refusal.code} {refusal.message}") is not None
            return Answer("refused" if turned_down else "accepted", "reverse", refusal.code)
        except WechatPayError as error:
            token = _token(error)
            return Answer("refused" if token in _CERTIFICATE_TURNED_DOWN else "unclear", "reverse", token)
        return Answer("accepted", "reverse")

    async def v3_key(self, provider: ProviderProfile, own: V3Key, key: ApiV3Key) -> Answer:
        """Ask for the platform certificates, which `key` must open.

        Where a merchant number has none, this question says nothing of the key: unclear.
        """
        error = await self._fetch(provider, own, (key,))
        if error is None:
            return Answer("accepted", "certificates")
        code = _token(error)
        return Answer("refused" if code == "undecryptable" else "unclear", "certificates", code)

    async def certificate(self, provider: ProviderProfile, own: V3Key, opening: Sequence[ApiV3Key]) -> Answer:
        """Ask for the platform certificates with a request signed by `own`.

        WeChat looks at the signature before anything else, so that every answer but one about the signature
        proves the pair: that there are none, and one that no API v3 key of ours opens.
        """
        error = await self._fetch(provider, own, opening)
        if error is None:
            return Answer("accepted", "certificates")
        code = _token(error)
        if isinstance(error, Refused) and code != NO_CERTIFICATES:
            return Answer(_sign_refusal(error), "certificates", code)
        proven = code in {NO_CERTIFICATES, "undecryptable", "bad_signature"}
        return Answer("accepted" if proven else "unclear", "certificates", code)

    async def public_key(self, provider: ProviderProfile, own: V3Key, serial: str) -> Answer:
        """Have a message sent back that only the owner of the public key can read, signed with that key.

        While the move to public keys is off at WeChat, a certificate signs all the same: unclear.
        """
        line, now = self._gates.line(provider.mode, provider.id), self._clock.now()
        try:
            call = await echo.ask(line, MchId(provider.mch_id), own, _message(now), None, now)
        except BadAnswerSignature as error:
            return Answer("refused", "echo", _token(error))
        except Refused as refusal:
            return Answer("refused", "echo", refusal.code)
        except WechatPayError as error:
            return Answer("unclear", "echo", _token(error))
        if call.serial != serial:
            return Answer("unclear", "echo", "signed_by_another")
        return Answer("accepted", "echo")

    async def _fetch(
        self, provider: ProviderProfile, own: V3Key, opening: Sequence[ApiV3Key]
    ) -> WechatPayError | None:
        line = self._gates.line(provider.mode, provider.id)
        try:
            await certificates.fetch(line, MchId(provider.mch_id), own, opening, self._clock.now())
        except WechatPayError as error:
            return error
        return None

    async def _credentials(self, provider: ProviderProfile, key: V2Key) -> Credentials | None:
        mch_id, appid = MchId(provider.mch_id), AppId(provider.appid)
        sign_type, kind = SignType(provider.sign_type), ProviderKind(provider.kind)
        if kind is ProviderKind.MERCHANT:
            return MerchantCredentials(mch_id, appid, key, sign_type)
        sub_mch_id = await self._sub_merchants.any_of(ProviderScope(provider.id))
        if sub_mch_id is None:
            return None
        return PartnerCredentials(kind, mch_id, appid, sub_mch_id, None, key, sign_type)

    def _number(self) -> OutTradeNo:
        return OutTradeNo(f"probe-{new_ulid(self._clock.now())}")


def _message(now: datetime) -> str:
    return f"rehearsal {new_ulid(now)}"


def _sign_refusal(refusal: Refused) -> Asked:
    signs = _SIGNATURE.search(f"{refusal.code} {refusal.message}") is not None
    return "refused" if signs else "unclear"


def _token(error: WechatPayError) -> str:
    return error.code if isinstance(error, Refused) else str(getattr(error, "reason", "not_sendable"))
