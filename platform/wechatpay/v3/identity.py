"""Who a message of API v3 is about: a provider with its sub-merchant, or a plain merchant.

The two have names of their own for the same things (wechatpay-v3 2.2, 2.3; 9).
"""

from __future__ import annotations

from dataclasses import dataclass

from wechatpay.credentials import Credentials, PartnerCredentials
from wechatpay.identifiers import AppId, MchId, SubMchId
from wechatpay.v3.fields import Fields


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a message says it is about."""

    mch_id: MchId
    appid: AppId
    sub_mch_id: SubMchId | None
    sub_appid: AppId | None


def merchants(credentials: Credentials) -> dict[str, str]:
    """The merchant numbers, as they stand in bodies and queries."""
    if isinstance(credentials, PartnerCredentials):
        return {"sp_mchid": credentials.mch_id.text, "sub_mchid": credentials.sub_mch_id.text}
    return {"mchid": credentials.mch_id.text}


def sent_identity(credentials: Credentials) -> dict[str, str]:
    """All that tells who an order is made for; `sub_appid` only with one that is used."""
    if not isinstance(credentials, PartnerCredentials):
        return {"appid": credentials.appid.text, "mchid": credentials.mch_id.text}
    identity = {"sp_appid": credentials.appid.text, **merchants(credentials)}
    if credentials.sub_appid is not None:
        identity["sub_appid"] = credentials.sub_appid.text
    return identity


def told_identity(fields: Fields) -> Identity:
    """Read who a transaction is about. Raises BadField.

    One with `sp_mchid` is a provider's and must name the sub-merchant.
    """
    provider = fields.identifier("sp_mchid", MchId)
    if provider is None:
        return Identity(fields.need("mchid", MchId), fields.need("appid", AppId), None, None)
    return Identity(
        provider,
        fields.need("sp_appid", AppId),
        fields.need("sub_mchid", SubMchId),
        fields.identifier("sub_appid", AppId),
    )
