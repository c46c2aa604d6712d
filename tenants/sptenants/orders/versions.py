"""Which of WeChat's two APIs an order goes by, and the key its calls are signed with.

The provider says which one makes its new orders; from then on an order goes by the one that made it, for its
whole life (wechatpay-v3 section 9). Here alone features choose between the two.
"""

from __future__ import annotations

from datetime import datetime

from spcore.providers.keyring import Keyring
from spcore.providers.profile import ProviderProfile
from wechatpay.credentials import SigningKey
from wechatpay.gateway import TradeType

API_V2 = "v2"
API_V3 = "v3"


def api_version_of(provider: ProviderProfile, trade_type: TradeType) -> str:
    """Return the API that makes the provider's new orders of this kind.

    Payment codes go by v2 everywhere: v3 has opened them to chosen merchants only (wechatpay-v3 2.8).
    """
    return API_V2 if trade_type is TradeType.MICROPAY else provider.api_version


async def signing_key(
    keyring: Keyring, provider: ProviderProfile, api_version: str, now: datetime
) -> SigningKey:
    """Return what the provider's calls by this API are signed with; no statement when it is at hand.

    Raises ProviderNotReady. The other API's key never stands in.
    """
    if api_version == API_V3:
        return (await keyring.v3(provider.id, provider.key_epoch)).signing(now)
    return (await keyring.v2(provider.id, provider.key_epoch)).signing


async def key_for_new_orders(
    keyring: Keyring, provider: ProviderProfile, trade_type: TradeType, now: datetime
) -> SigningKey:
    """The same for a new order, once everything is there that its life will need. Raises ProviderNotReady.

    A payment code needs the API certificate too: without it a charge that hangs could not be reversed. By v3
    it takes the API v3 key: without one WeChat tells of no payment (wechatpay-v3 3.4).
    """
    api_version = api_version_of(provider, trade_type)
    if trade_type is TradeType.MICROPAY:
        await keyring.certificate(provider.id, provider.key_epoch)
    key = await signing_key(keyring, provider, api_version, now)
    if api_version == API_V3:
        (await keyring.v3(provider.id, provider.key_epoch)).opening(now)
    return key
