"""The line to WeChat for one order: credentials from the attempt's own row, and answers as facts.

Nothing here raises what a call can end in; every ending is a value, so that "unknown" is handled where
"paid" is (rule T2). No database transaction may be open while one of these runs (rule T3).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal, Protocol

from spcore.clock import Clock
from spcore.providers.errors import PlatformKeyMissing
from spcore.providers.keyring import Keyring
from spcore.providers.profile import ProviderProfile
from sptenants.orders import timeline
from sptenants.orders.records import AttemptRecord, OrderRecord
from sptenants.orders.timeline import Note
from sptenants.orders.versions import key_for_new_orders, signing_key
from wechatpay import pay_params
from wechatpay.credentials import (
    Credentials,
    MerchantCredentials,
    PartnerCredentials,
    ProviderKind,
    SigningKey,
    SignType,
)
from wechatpay.errors import InvalidRequest, NotSent, Refused, UnknownOutcome, WechatPayError
from wechatpay.gateway import Gateway, NewOrder, OrderState, Prepay, TradeState, TradeType
from wechatpay.identifiers import AppId, AuthCode, MchId, OutTradeNo, PrepayId, SubMchId

_OVER = frozenset({TradeState.CLOSED, TradeState.REVOKED})
_TYPING = "USERPAYING"


class GatewayPicker(Protocol):
    """Which gateway a provider's calls go through: the simulator for `test`, WeChat for `live`."""

    def of(self, mode: str, api_version: str, provider_id: str) -> Gateway: ...


@dataclass(frozen=True, slots=True)
class Case:
    """Everything needed to act on one order. `attempt` is None as long as nothing was ever sent."""

    provider: ProviderProfile
    order: OrderRecord
    attempt: AttemptRecord | None
    found_as: OrderRecord | None = None
    """The order as healing found it; None when a person or a client asks, which heals nothing."""


@dataclass(frozen=True, slots=True)
class Found:
    """What WeChat says of an order. `state` is there for everything but `absent` and `unclear`."""

    kind: Literal["paid", "closed", "unpaid", "absent", "unclear"]
    state: OrderState | None
    note: Note


@dataclass(frozen=True, slots=True)
class Placing:
    """What came of creating or renewing an order. `failure` is what WeChat said when it refused."""

    kind: Literal["prepaid", "refused", "unknown"]
    prepay: Prepay | None
    failure: dict[str, Any] | None
    note: Note | None


@dataclass(frozen=True, slots=True)
class Charging:
    """What came of charging a payment code: `typing` means that the payer was asked for the password.

    `state` is there when it is paid, `failure` when WeChat refused.
    """

    kind: Literal["paid", "typing", "refused", "unknown"]
    state: OrderState | None
    failure: dict[str, Any] | None
    note: Note | None


@dataclass(frozen=True, slots=True)
class Closing:
    """What came of closing or reversing: `open` means that it has to be tried again."""

    kind: Literal["closed", "open"]
    note: Note


class CertificateSource(Protocol):
    """Fetches WeChat's certificates when one is missing or unknown; once a minute at most."""

    async def learn(self, provider: ProviderProfile) -> int | None:
        """Return the provider's new `key_epoch` when there is something new, None otherwise."""
        ...


class Line:
    """Asks WeChat on behalf of orders. `certificates` is for whoever makes new ones."""

    def __init__(
        self,
        keyring: Keyring,
        gateways: GatewayPicker,
        clock: Clock,
        certificates: CertificateSource | None = None,
    ) -> None:
        self._keyring = keyring
        self._gateways = gateways
        self._clock = clock
        self._certificates = certificates

    async def key_for_new_orders(self, provider: ProviderProfile, trade_type: TradeType) -> SigningKey:
        """Return the key that a new order is made with; see `versions.key_for_new_orders`.

        A provider that was imported a moment ago may still be without WeChat's certificates: they are
        fetched at once then.
        """
        try:
            return await key_for_new_orders(self._keyring, provider, trade_type, self._clock.now())
        except PlatformKeyMissing:
            epoch = await self._certificates.learn(provider) if self._certificates else None
            if epoch is None:
                raise
        provider = replace(provider, key_epoch=epoch)
        return await key_for_new_orders(self._keyring, provider, trade_type, self._clock.now())

    async def place(self, case: Case) -> Placing:
        """Create the order at WeChat, or renew its prepay_id, always with the stored parameters (P3, P7)."""
        attempt = _sent(case)
        credentials = await self._credentials(case.provider, attempt)
        try:
            prepay = await self._gateway(case).place(credentials, NewOrder.from_json(attempt.request))
        except InvalidRequest as error:
            # Refused on our side: surely nothing exists at WeChat.
            return Placing("refused", None, own_failure(error, "unifiedorder"), None)
        except Refused as error:
            return Placing("refused", None, failure_of(error), bad_call(error))
        except (UnknownOutcome, NotSent) as error:
            return Placing("unknown", None, None, bad_call(error))
        prepay_id = prepay.prepay_id.text if prepay.prepay_id else None
        return Placing("prepaid", prepay, None, timeline.call(prepay.call, prepay_id=prepay_id))

    async def charge(self, case: Case, auth_code: AuthCode) -> Charging:
        """Charge a payment code, once: whatever comes of it, the same order is never charged again."""
        attempt = _sent(case)
        credentials = await self._credentials(case.provider, attempt)
        order = NewOrder.from_json(attempt.request)
        try:
            state = await self._gateway(case).charge(credentials, order, auth_code)
        except InvalidRequest as error:
            return Charging("refused", None, own_failure(error, "micropay"), None)
        except Refused as error:
            return Charging("refused", None, failure_of(error), bad_call(error))
        except UnknownOutcome as error:
            kind: Literal["typing", "unknown"] = "typing" if error.reason == _TYPING else "unknown"
            return Charging(kind, None, None, bad_call(error))
        except NotSent as error:
            return Charging("unknown", None, None, bad_call(error))
        return Charging("paid", state, None, timeline.call(state.call))

    async def query(self, case: Case) -> Found:
        """Ask what became of the order."""
        attempt = _sent(case)
        credentials = await self._credentials(case.provider, attempt)
        try:
            state = await self._gateway(case).query(credentials, OutTradeNo(attempt.out_trade_no))
        except Refused as error:
            # Unsigned words decide nothing, not even that an order is absent (P5).
            absent = error.code == "ORDERNOTEXIST" and error.level == "result"
            return Found("absent" if absent else "unclear", None, bad_call(error))
        except (UnknownOutcome, NotSent) as error:
            return Found("unclear", None, bad_call(error))
        note = timeline.call(state.call)
        if state.trade_state.was_paid:
            return Found("paid", state, note)
        return Found("closed" if state.trade_state in _OVER else "unpaid", state, note)

    async def close(self, case: Case) -> Closing:
        """Ask to close the order. A paid or vanished one stays `open` here: the next query tells (P10)."""
        attempt = _sent(case)
        credentials = await self._credentials(case.provider, attempt)
        try:
            closed = await self._gateway(case).close(credentials, OutTradeNo(attempt.out_trade_no))
        except (Refused, UnknownOutcome, NotSent) as error:
            return Closing("open", bad_call(error))
        return Closing("closed", timeline.call(closed.call))

    async def reverse(self, case: Case) -> Closing:
        """Undo a payment code's order. Raises ProviderNotReady without a usable certificate."""
        attempt = _sent(case)
        credentials = await self._credentials(case.provider, attempt)
        certificate = await self._keyring.certificate(case.provider.id, case.provider.key_epoch)
        try:
            done = await self._gateway(case).reverse(
                credentials, certificate, OutTradeNo(attempt.out_trade_no)
            )
        except (Refused, UnknownOutcome, NotSent) as error:
            return Closing("open", bad_call(error))
        return Closing("open" if done.again else "closed", timeline.call(done.call))

    async def end(self, case: Case) -> Closing:
        """Make the attempt unpayable in the way of its kind: reverse a payment code, close any other."""
        return await (self.reverse(case) if _sent(case).by_code else self.close(case))

    async def pay_params(self, case: Case, now: datetime) -> dict[str, str] | None:
        """Sign what opens the cashier, afresh; None for an order that is paid by scanning its code_url."""
        attempt = _sent(case)
        if attempt.cashier is None or attempt.prepay_id is None:
            return None
        credentials = await self._credentials(case.provider, attempt)
        return pay_params.sign(attempt.cashier, credentials, PrepayId(attempt.prepay_id), now)

    async def _credentials(self, provider: ProviderProfile, attempt: AttemptRecord) -> Credentials:
        key = await signing_key(self._keyring, provider, attempt.api_version, self._clock.now())
        return credentials_of(attempt, key)

    def _gateway(self, case: Case) -> Gateway:
        return self._gateways.of(case.provider.mode, _sent(case).api_version, case.provider.id)


def credentials_of(attempt: AttemptRecord, key: SigningKey) -> Credentials:
    """Return the credentials of an attempt: its own identities and algorithm, whatever is configured now."""
    mch_id, appid, sign_type = MchId(attempt.mch_id), AppId(attempt.appid), SignType(attempt.sign_type)
    if attempt.sub_mch_id is None:
        return MerchantCredentials(mch_id, appid, key, sign_type)
    return PartnerCredentials(
        kind=ProviderKind.BANK if attempt.kind == ProviderKind.BANK else ProviderKind.ORDINARY,
        mch_id=mch_id,
        appid=appid,
        sub_mch_id=SubMchId(attempt.sub_mch_id),
        sub_appid=AppId(attempt.sub_appid) if attempt.sub_appid else None,
        key=key,
        sign_type=sign_type,
    )


def _sent(case: Case) -> AttemptRecord:
    if case.attempt is None:
        raise ValueError(f"{case.order.id} was never sent to WeChat")
    return case.attempt


def bad_call(error: WechatPayError) -> Note:
    """Return the timeline's entry for a call that ended in an error."""
    if error.call is None:
        raise ValueError("an error of a call carries its record") from error
    reason = error.code if isinstance(error, Refused) else getattr(error, "reason", "unknown")
    return timeline.call(error.call, error=str(reason))


def failure_of(error: Refused, api: str = "unifiedorder") -> dict[str, Any]:
    """Return what WeChat said when it refused, as it is stored; `api` names the call when it never left."""
    call = error.call
    return {
        "api": call.operation if call else api,
        "code": error.code,
        "message": error.message,
        "definitive": error.definitive,
        "http_status": call.http_status if call else None,
        "request_id": call.request_id if call else None,
    }


def own_failure(error: InvalidRequest, api: str) -> dict[str, Any]:
    """The same for what was refused on our side: surely nothing exists at WeChat."""
    return {
        "api": api,
        "code": "NOT_SENT",
        "message": f"{error.field}: {error.zh}",
        "definitive": True,
        "http_status": None,
        "request_id": None,
    }
