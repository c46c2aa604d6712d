"""Who may collect for whom: acceptance relation, appids, openids, products (wechatpay-v3 10, 2.3, 2.7)."""

from __future__ import annotations

import re
from typing import Final

from spsim.misconfigurations import is_closed
from spsim.registry import binding_kind, find_sub_merchant, is_linked, openid_belongs
from spsim.world import World

from .endpoint import Request
from .failures import Failed, against_the_rules, no_permission, wrong_parameter

_OPENID: Final = re.compile(r"[0-9A-Za-z_-]{1,128}")
_REFUSED_STATUSES: Final = {
    "restricted": "此商家的收款功能已被限制，暂无法支付",
    "unauthorized": "特约子商户商户号未授权服务商的产品权限",
}


def check_relation(world: World, request: Request) -> None:
    """Check that the named sub-merchant is one of the caller's; a plain merchant names none."""
    if not request.provider.has_sub_merchants:
        return
    mch_id, sub_mch_id = request.provider.mch_id, request.named("sub_mchid")
    if sub_mch_id == mch_id:
        raise against_the_rules("子商户mchid不能与自身mchid相同")
    if find_sub_merchant(world.ledger, mch_id, sub_mch_id) is None:
        raise no_permission("受理关系不存在")


def check_collecting(world: World, request: Request, trade_type: str) -> None:
    """Check that the sub-merchant may collect at all, and by this product."""
    mch_id, sub_mch_id = request.provider.mch_id, request.named("sub_mchid")
    known = find_sub_merchant(world.ledger, mch_id, sub_mch_id)
    if known is not None and known.wechat_status in _REFUSED_STATUSES:
        raise no_permission(_REFUSED_STATUSES[known.wechat_status])
    if is_closed(world, mch_id, sub_mch_id, trade_type):
        raise no_permission("商户未开通此产品权限")


def check_appids(world: World, request: Request, trade_type: str) -> None:
    """Check that the caller's appid is linked to it and the other one bound to the sub-merchant."""
    mch_id = request.provider.mch_id
    own = request.text("/sp_appid") or request.text("/appid")
    if not is_linked(world.ledger, mch_id, own):
        raise Failed(400, "APPID_MCHID_NOT_MATCH", "appid和mch_id不匹配，请检查后再试")
    sub_appid = request.text("/sub_appid")
    if not sub_appid:
        return
    kind = binding_kind(world.ledger, mch_id, request.text("/sub_mchid"), sub_appid)
    if kind is None:
        raise Failed(400, "APPID_MCHID_NOT_MATCH", "sub_mchid与sub_appid不匹配，请检查后再试")
    if trade_type in {"JSAPI", "APP"} and (kind == "app") != (trade_type == "APP"):
        raise wrong_parameter("/sub_appid", sub_appid, "类型与下单接口不匹配")


def check_payer(world: World, request: Request) -> None:
    """Check that every openid is one of its own appid."""
    pairs = (("sp_openid", "sp_appid"), ("sub_openid", "sub_appid"), ("openid", "appid"))
    for user, app in pairs:
        openid = request.text(f"/payer/{user}")
        if not openid:
            continue
        if not _OPENID.fullmatch(openid):
            raise wrong_parameter(f"/payer/{user}", openid, "无效的openid")
        if not openid_belongs(world.ledger, request.text(f"/{app}"), openid):
            raise Failed(500, "OPENID_MISMATCH", f"{user}和{app}不匹配，请核实后再试")
