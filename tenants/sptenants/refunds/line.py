"""The line to WeChat for one refund: credentials from its attempt, certificate from its provider (F09).

Nothing here raises what a call can end in; every ending is a value, so that "unknown" is handled where
"accepted" is (rule T2). No database transaction may be open while one of these runs (rule T3).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from spcore.clock import Clock
from spcore.providers.keyring import Keyring
from spcore.providers.profile import ProviderProfile
from sptenants.orders import timeline
from sptenants.orders.line import GatewayPicker, bad_call, credentials_of, failure_of, own_failure
from sptenants.orders.records import AttemptRecord
from sptenants.orders.timeline import Note
from sptenants.orders.versions import API_V2, signing_key
from sptenants.refunds.records import RefundRecord
from wechatpay.credentials import Credentials
from wechatpay.errors import InvalidRequest, NotSent, Refused, UnknownOutcome
from wechatpay.gateway import Gateway, OrderState
from wechatpay.identifiers import OutRefundNo, OutTradeNo
from wechatpay.refunds import NewRefund, RefundAccepted, RefundState

_NONE_EXISTS = "REFUNDNOTEXIST"
LISTS_REFUNDS = (API_V2,)
"""APIs that tell all refunds of an order; v3 tells one by its number alone (wechatpay-v3 4.2)."""
_MAX_PAGES = 10
"""Of ten refunds each: twice what an order can have (wechatpay-v2 4.7)."""


@dataclass(frozen=True, slots=True)
class RefundCase:
    """Everything needed to act on one refund."""

    provider: ProviderProfile
    refund: RefundRecord
    attempt: AttemptRecord


@dataclass(frozen=True, slots=True)
class Sending:
    """What came of asking for a refund. `failure` is what WeChat said when it refused."""

    kind: Literal["accepted", "refused", "unknown"]
    accepted: RefundAccepted | None
    failure: dict[str, Any] | None
    note: Note | None


@dataclass(frozen=True, slots=True)
class FoundRefund:
    """What WeChat says of a refund; `state` is there for `known` alone."""

    kind: Literal["known", "absent", "unclear"]
    state: RefundState | None
    note: Note


@dataclass(frozen=True, slots=True)
class Listing:
    """All refunds of an order at WeChat; None when it could not be learned."""

    refunds: tuple[RefundState, ...] | None
    notes: tuple[Note, ...]


class RefundLine:
    """Asks WeChat on behalf of refunds."""

    def __init__(self, keyring: Keyring, gateways: GatewayPicker, clock: Clock) -> None:
        self._keyring = keyring
        self._gateways = gateways
        self._clock = clock

    async def require_ready(self, provider: ProviderProfile, attempt: AttemptRecord) -> None:
        """Raise ProviderNotReady unless key and certificate are there by which the attempt's refunds go.

        No statement when they are at hand.
        """
        await self._credentials(provider, attempt)
        await self._keyring.certificate(provider.id, provider.key_epoch)

    async def send(self, case: RefundCase) -> Sending:
        """Ask for the refund, always with the stored number and amounts (R3). Raises ProviderNotReady."""
        credentials = await self._credentials(case.provider, case.attempt)
        certificate = await self._keyring.certificate(case.provider.id, case.provider.key_epoch)
        try:
            accepted = await self._gateway(case.provider, case.attempt).refund(
                credentials, certificate, NewRefund.from_json(case.refund.request)
            )
        except InvalidRequest as error:
            # Nothing was sent, for a reason beside the refund itself, such as a foreign certificate (F09).
            return Sending("unknown", None, own_failure(error, "refund") | {"definitive": False}, None)
        except Refused as error:
            return Sending("refused", None, failure_of(error, "refund"), bad_call(error))
        except (UnknownOutcome, NotSent) as error:
            return Sending("unknown", None, None, bad_call(error))
        return Sending("accepted", accepted, None, timeline.call(accepted.call))

    async def query(self, case: RefundCase) -> FoundRefund:
        """Ask what became of the refund. Raises ProviderNotReady."""
        return await self.named(case.provider, case.attempt, OutRefundNo(case.refund.out_refund_no))

    async def named(
        self, provider: ProviderProfile, attempt: AttemptRecord, number: OutRefundNo
    ) -> FoundRefund:
        """The same by number alone, as the attempt's merchant: there may be no row of it here."""
        credentials = await self._credentials(provider, attempt)
        gateway = self._gateway(provider, attempt)
        try:
            state = await gateway.query_refund(credentials, number)
        except Refused as error:
            # Unsigned words decide nothing, not even that a refund is absent (R5).
            absent = error.code == _NONE_EXISTS and error.level == "result"
            return FoundRefund("absent" if absent else "unclear", None, bad_call(error))
        except (UnknownOutcome, NotSent) as error:
            return FoundRefund("unclear", None, bad_call(error))
        return FoundRefund("known", state, timeline.call(state.call))

    async def order(self, provider: ProviderProfile, attempt: AttemptRecord) -> OrderState | None:
        """Ask for the order itself, which tells whether anything was refunded of it, and not what.

        None when it could not be learned. Raises ProviderNotReady.
        """
        credentials = await self._credentials(provider, attempt)
        try:
            return await self._gateway(provider, attempt).query(credentials, OutTradeNo(attempt.out_trade_no))
        except (Refused, UnknownOutcome, NotSent):
            return None

    async def all_of(self, provider: ProviderProfile, attempt: AttemptRecord) -> Listing:
        """Ask for every refund of the attempt's order, page by page. Raises ProviderNotReady.

        Only of an order by an API that `LISTS_REFUNDS`.
        """
        credentials = await self._credentials(provider, attempt)
        gateway, number = self._gateway(provider, attempt), OutTradeNo(attempt.out_trade_no)
        found: dict[str, RefundState] = {}
        notes: list[Note] = []
        for _ in range(_MAX_PAGES):
            try:
                page = await gateway.query_refunds(credentials, number, len(found))
            except Refused as error:
                notes.append(bad_call(error))
                none = error.code == _NONE_EXISTS and error.level == "result"
                return Listing(tuple(found.values()) if none else None, tuple(notes))
            except (UnknownOutcome, NotSent) as error:
                return Listing(None, (*notes, bad_call(error)))
            notes.append(timeline.call(page.call))
            before = len(found)
            found |= {state.out_refund_no.text: state for state in page.refunds}
            if len(found) >= page.total_count or len(found) == before:
                break
        return Listing(tuple(found.values()), tuple(notes))

    async def _credentials(self, provider: ProviderProfile, attempt: AttemptRecord) -> Credentials:
        key = await signing_key(self._keyring, provider, attempt.api_version, self._clock.now())
        return credentials_of(attempt, key)

    def _gateway(self, provider: ProviderProfile, attempt: AttemptRecord) -> Gateway:
        return self._gateways.of(provider.mode, attempt.api_version, provider.id)
