"""What opens the cashier, signed by the scheme of the API that made the prepay_id (wechatpay-v3 9)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Literal

from wechatpay.credentials import Credentials, V2Key
from wechatpay.identifiers import PrepayId
from wechatpay.v2 import pay_params as v2
from wechatpay.v3 import pay_params as v3

Cashier = Literal["miniprogram", "official_account", "app"]
"""Where the cashier opens; the words are those of a binding's kind."""

_Signing = Callable[[Credentials, PrepayId, datetime], dict[str, str]]

_BY_V2: Mapping[Cashier, _Signing] = MappingProxyType(
    {"miniprogram": v2.for_mini_program, "official_account": v2.for_official_account, "app": v2.for_app}
)
_BY_V3: Mapping[Cashier, _Signing] = MappingProxyType(
    {"miniprogram": v3.for_mini_program, "official_account": v3.for_official_account, "app": v3.for_app}
)


def sign(cashier: Cashier, credentials: Credentials, prepay_id: PrepayId, now: datetime) -> dict[str, str]:
    """Return the arguments that the payer's page or app hands to WeChat; all are texts. `now` is aware.

    The key in `credentials` decides the scheme: it must be that of the order's own API version.
    """
    schemes = _BY_V2 if isinstance(credentials.key, V2Key) else _BY_V3
    return schemes[cashier](credentials, prepay_id, now)
