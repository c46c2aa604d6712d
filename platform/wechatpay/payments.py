"""What a verified notification says of a payment, by whichever API it came."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from wechatpay.gateway import TradeType
from wechatpay.identifiers import AppId, MchId, OpenId, OutTradeNo, SubMchId, TransactionId
from wechatpay.money import Fen


@dataclass(frozen=True, slots=True)
class VerifiedPayment:
    """A genuine notification: signed with the provider's key by API v2, by WeChat's own by v3. Still to be
    compared with the order (I3).

    Amounts in fen, `time_end` in UTC. `sub_mch_id` is None for a plain merchant. `result_code` is v2's field
    of this name or v3's `trade_state`. `key_version` is that of the API v2 key that verified it, of the API
    v3 key that opened it. `needs_query`: by rule C6 f this message alone may not mark anything paid; never so
    by v3, whose signature leaves nothing open. `raw` is what was received, without the signature; it holds
    openids.
    """

    mch_id: MchId
    appid: AppId
    sub_mch_id: SubMchId | None
    sub_appid: AppId | None
    out_trade_no: OutTradeNo
    transaction_id: TransactionId
    total_fee: Fen
    fee_type: str
    cash_fee: Fen
    coupon_fee: Fen | None
    settlement_total_fee: Fen | None
    trade_type: TradeType
    bank_type: str | None
    openid: OpenId | None
    sub_openid: OpenId | None
    time_end: datetime
    attach: str
    result_code: str
    key_version: int
    needs_query: bool
    raw: Mapping[str, object] = field(repr=False)

    @property
    def succeeded(self) -> bool:
        """Whether it says that money was paid. Anything else, however well signed, never does (N12)."""
        return self.result_code == "SUCCESS"
