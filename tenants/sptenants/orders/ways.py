"""The ways to pay: what each needs, what each must not have, and which apps open it (wechatpay-v2 2.2, 3).

Refusals name the field, the cause and the fix, and all of them come at once.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession

from spcore.errors import Fault, InvalidInput, Text
from sptenants.orders.commands import PlaceOrder
from sptenants.registry.bindings import BindingProfile, binding_of
from sptenants.registry.caller import Caller
from sptenants.registry.errors import BindingNotVerified
from wechatpay.gateway import TradeType


@dataclass(frozen=True, slots=True)
class Way:
    """`opened_by`: kinds of apps that open its cashier; empty when none does, and any bound app may be named.

    `own_fields`: fields of the API that belong to this way; those of other ways are refused.
    """

    opened_by: frozenset[str]
    own_fields: frozenset[str]
    needs: frozenset[str]


WAYS = {
    TradeType.JSAPI: Way(
        frozenset({"miniprogram", "official_account"}), frozenset({"openid"}), frozenset({"sub_appid"})
    ),
    TradeType.NATIVE: Way(frozenset(), frozenset(), frozenset()),
    TradeType.APP: Way(frozenset({"app"}), frozenset(), frozenset({"sub_appid"})),
    TradeType.H5: Way(frozenset(), frozenset({"payer_ip", "h5_info"}), frozenset()),
    TradeType.MICROPAY: Way(frozenset(), frozenset({"auth_code"}), frozenset({"auth_code"})),
}


def check(caller: Caller, wanted: PlaceOrder) -> None:
    """Check what depends on more than one field. Raises InvalidInput listing everything."""
    way = WAYS[wanted.trade_type]
    given = {
        "sub_appid": wanted.sub_appid,
        "openid": wanted.openid,
        "payer_ip": wanted.payer_ip,
        "h5_info": wanted.scene,
        "auth_code": wanted.auth_code,
    }
    faults = []
    for name, value in given.items():
        if value is None and name in way.needs:
            faults.append(Fault(f"#/{name}", "missing", _NEEDED[wanted.trade_type, name]))
        if value is not None and name in _OF_ONE_WAY and name not in way.own_fields:
            faults.append(Fault(f"#/{name}", "not_allowed", _OF_ONE_WAY[name]))
    if wanted.profit_sharing and caller.tenant.sub_mch_id is None:
        faults.append(Fault("#/profit_sharing", "not_allowed", _NO_SHARING))
    if faults:
        raise InvalidInput(*faults)


async def cashier_of(session: AsyncSession, caller: Caller, wanted: PlaceOrder) -> str | None:
    """Check the app of an order and return its kind when it opens the cashier (S1-20, O06); one statement.

    Raises InvalidInput, and BindingNotVerified for a binding that is out of use.
    """
    if wanted.sub_appid is None:
        return None
    binding = usable(await binding_of(session, caller.scope, wanted.sub_appid.text))
    way = WAYS[wanted.trade_type]
    if not way.opened_by:
        return None
    if binding.kind not in way.opened_by:
        raise InvalidInput(Fault("#/sub_appid", "kind_not_allowed", _WRONG_KIND[wanted.trade_type]))
    if wanted.trade_type is TradeType.JSAPI and wanted.openid is None and binding.kind != "miniprogram":
        # Only a mini-program comes back for its order with a session that says who pays.
        raise InvalidInput(Fault("#/openid", "missing", _PAGE_NEEDS_PAYER))
    return binding.kind


def usable(binding: BindingProfile | None) -> BindingProfile:
    """Return the binding if orders may use it. Raises InvalidInput or BindingNotVerified."""
    if binding is None:
        raise InvalidInput(Fault("#/sub_appid", "not_bound", _NOT_BOUND))
    if not binding.usable:
        raise BindingNotVerified(_UNUSABLE)
    return binding


_NEEDED = {
    (TradeType.JSAPI, "sub_appid"): Text(
        "JSAPI 下单必须指明付款所用的 AppID（该商户已绑定的 sub_appid）。",
        "JSAPI needs the app that opens the cashier: one of this merchant's bound sub_appids.",
    ),
    (TradeType.APP, "sub_appid"): Text(
        "APP 下单必须指明移动应用的 AppID（该商户已绑定、类型为 app 的 sub_appid）。",
        "APP needs the mobile app that opens the cashier: a bound sub_appid of kind app.",
    ),
    (TradeType.MICROPAY, "auth_code"): Text(
        "付款码收款必须填写付款人出示的 18 位付款码。",
        "MICROPAY needs the 18 digits of the code on the payer's screen.",
    ),
}
_OF_ONE_WAY = {
    "openid": Text("只有 JSAPI 下单可以带 openid，请去掉。", "is for JSAPI only; leave it out."),
    "payer_ip": Text("只有 H5 下单可以带 payer_ip，请去掉。", "is for H5 only; leave it out."),
    "h5_info": Text("只有 H5 下单可以带 h5_info，请去掉。", "is for H5 only; leave it out."),
    "auth_code": Text(
        "只有付款码收款（MICROPAY）可以带 auth_code，请去掉。", "is for MICROPAY only; leave it out."
    ),
}
_WRONG_KIND = {
    TradeType.JSAPI: Text(
        "该 AppID 是移动应用，不能用于 JSAPI：请使用小程序或公众号的 AppID，或改用 APP 下单。",
        "is a mobile app and cannot open a JSAPI cashier: use a mini-program or an official account, or trade"
        " type APP.",
    ),
    TradeType.APP: Text(
        "该 AppID 不是移动应用，不能用于 APP 下单：请使用类型为 app 的 AppID，小程序和公众号请用 JSAPI。",
        "is no mobile app and cannot open an APP cashier: use one of kind app; mini-programs and official"
        " accounts pay by JSAPI.",
    ),
}
_PAGE_NEEDS_PAYER = Text(
    "公众号页面下单必须填写付款人在该公众号下的 openid；只有小程序可以稍后由会话绑定付款人。",
    "an official account page needs the payer's openid under that account; only a mini-program can bind its"
    " payer later.",
)
_NO_SHARING = Text(
    "普通商户没有服务商分账，请去掉或设为 false。", "a plain merchant has no profit sharing; leave it out."
)
_NOT_BOUND = Text(
    "未绑定到该特约商户：请先在 AppID 绑定中添加，或改用已绑定的 AppID。",
    "is not bound to this sub-merchant: add the binding first, or use one that is bound.",
)
_UNUSABLE = Text(
    "该 AppID 绑定已停用或与微信侧不匹配，不能下单：请在绑定页处理。",
    "This app binding is disabled or does not match on WeChat's side; settle that on the bindings page.",
)
