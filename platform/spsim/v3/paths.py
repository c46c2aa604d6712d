"""The paths of API v3 that the simulator serves, as templates; faults are ordered by these names."""

from __future__ import annotations

from typing import Final

_PARTNER: Final = "/v3/pay/partner/transactions"
_DIRECT: Final = "/v3/pay/transactions"
_KINDS: Final = ("jsapi", "native", "app", "h5")

PREPAY: Final = {kind: f"{_PARTNER}/{kind}" for kind in _KINDS}
DIRECT_PREPAY: Final = {kind: f"{_DIRECT}/{kind}" for kind in _KINDS}
BY_ID: Final = f"{_PARTNER}/id/{{transaction_id}}"
DIRECT_BY_ID: Final = f"{_DIRECT}/id/{{transaction_id}}"
BY_NUMBER: Final = f"{_PARTNER}/out-trade-no/{{out_trade_no}}"
DIRECT_BY_NUMBER: Final = f"{_DIRECT}/out-trade-no/{{out_trade_no}}"
CLOSE: Final = f"{BY_NUMBER}/close"
DIRECT_CLOSE: Final = f"{DIRECT_BY_NUMBER}/close"
CODEPAY: Final = f"{_PARTNER}/codepay"
DIRECT_CODEPAY: Final = f"{_DIRECT}/codepay"
REVERSE: Final = f"{BY_NUMBER}/reverse"
DIRECT_REVERSE: Final = f"{DIRECT_BY_NUMBER}/reverse"
REFUNDS: Final = "/v3/refund/domestic/refunds"
REFUND: Final = f"{REFUNDS}/{{out_refund_no}}"
ABNORMAL_REFUND: Final = f"{REFUNDS}/{{refund_id}}/apply-abnormal-refund"
CERTIFICATES: Final = "/v3/certificates"
ECHO: Final = "/v3/security/echo"
TRADE_BILL: Final = "/v3/bill/tradebill"
FUND_BILL: Final = "/v3/bill/fundflowbill"
SUB_MERCHANT_FUND_BILL: Final = "/v3/bill/sub-merchant-fundflowbill"
BILL_FILE: Final = "/v3/billdownload/file"

EVERY_PREPAY: Final = (*PREPAY.values(), *DIRECT_PREPAY.values())
EVERY: Final = (
    *EVERY_PREPAY,
    BY_ID,
    DIRECT_BY_ID,
    BY_NUMBER,
    DIRECT_BY_NUMBER,
    CLOSE,
    DIRECT_CLOSE,
    CODEPAY,
    DIRECT_CODEPAY,
    REVERSE,
    DIRECT_REVERSE,
    REFUNDS,
    REFUND,
    ABNORMAL_REFUND,
    CERTIFICATES,
    ECHO,
    TRADE_BILL,
    FUND_BILL,
    SUB_MERCHANT_FUND_BILL,
)
