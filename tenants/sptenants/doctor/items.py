"""The list of what is checked; console, command line and API all speak from it (design section 3, B-8).

An item is the question, a finding one possible answer. Texts may name facts in braces.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

from spcore.errors import Text
from sptenants.doctor import provider_findings as of_provider
from sptenants.doctor import tenant_findings as of_tenant
from sptenants.doctor import v3_findings as of_v3
from sptenants.doctor.findings import Finding

About = Literal["provider", "tenant", "binding"]
ApiVersion = Literal["v2", "v3"]


class Depth(StrEnum):
    """How it is found out: from our own records, by calling ourselves, by asking WeChat, by a trial."""

    STATIC = "static"
    LOOP = "loop"
    LIVE = "live"
    TRIAL = "trial"


@dataclass(frozen=True, slots=True)
class Item:
    """One thing that is checked. `kinds` are the kinds of app a binding item is about, empty for all;
    `version` is the version of WeChat's API that needs it, None for both."""

    code: str
    title: Text
    depth: Depth
    about: About
    findings: Mapping[str, Finding]
    kinds: frozenset[str] = field(default_factory=frozenset)
    version: ApiVersion | None = None


_MINIPROGRAM = frozenset({"miniprogram"})
ITEMS: tuple[Item, ...] = (
    Item(
        "sp.key",
        Text("API v2 密钥", "API v2 key"),
        Depth.STATIC,
        "provider",
        of_provider.KEY,
        version="v2",
    ),
    Item(
        "sp.apiv3_key_length",
        Text("APIv3 密钥", "API v3 key"),
        Depth.STATIC,
        "provider",
        of_v3.API_V3_KEY,
        version="v3",
    ),
    Item(
        "sp.wechat_public_key",
        Text("微信支付公钥或平台证书", "WeChat Pay's public key or certificates"),
        Depth.LIVE,
        "provider",
        of_v3.WECHAT_KEY,
        version="v3",
    ),
    Item(
        "sp.platform_cert",
        Text("平台证书有效期与更新", "Life and refresh of platform certificates"),
        Depth.STATIC,
        "provider",
        of_v3.PLATFORM_CERT,
        version="v3",
    ),
    Item(
        "sp.cert_pair",
        Text("商户 API 证书与私钥", "API certificate and its key"),
        Depth.STATIC,
        "provider",
        of_provider.CERT_PAIR,
    ),
    Item(
        "sp.cert_expiry",
        Text("商户 API 证书有效期", "Life of the API certificate"),
        Depth.STATIC,
        "provider",
        of_provider.CERT_EXPIRY,
    ),
    Item(
        "notify.url_public",
        Text("通知地址可从公网访问", "Notify address is public"),
        Depth.STATIC,
        "provider",
        of_provider.URL_PUBLIC,
    ),
    Item(
        "gateway.reach",
        Text("微信支付网关可达", "WeChat Pay's gateway answers"),
        Depth.LIVE,
        "provider",
        of_provider.GATEWAY,
    ),
    Item("clock.skew", Text("服务器时间", "Clock"), Depth.LIVE, "provider", of_provider.CLOCK),
    Item(
        "sp.signature",
        Text("签名被微信接受", "Signature is accepted"),
        Depth.LIVE,
        "provider",
        of_provider.SIGNATURE,
    ),
    Item(
        "sp.account",
        Text("服务商号与 AppID 关联", "Merchant number and appid belong together"),
        Depth.LIVE,
        "provider",
        of_provider.ACCOUNT,
    ),
    Item(
        "sp.cert_accepted",
        Text("商户 API 证书被微信接受", "API certificate is accepted"),
        Depth.LIVE,
        "provider",
        of_provider.CERT_ACCEPTED,
    ),
    Item(
        "sp.echo",
        Text("微信支付回声测试", "WeChat Pay's echo"),
        Depth.LIVE,
        "provider",
        of_v3.ECHO,
        version="v3",
    ),
    Item(
        "sub_mch.relation",
        Text("特约商户受理关系", "Relation with the sub-merchant"),
        Depth.LIVE,
        "tenant",
        of_tenant.RELATION,
    ),
    Item(
        "sub_mch.status",
        Text("特约商户收款状态", "Sub-merchant may collect"),
        Depth.LIVE,
        "tenant",
        of_tenant.STATUS,
    ),
    Item(
        "sub_mch.product",
        Text("支付产品权限", "Payment product is authorised"),
        Depth.LIVE,
        "tenant",
        of_tenant.PRODUCT,
    ),
    Item(
        "notify.self_test",
        Text("通知地址自检", "Notify address answers to itself"),
        Depth.LOOP,
        "tenant",
        of_tenant.SELF_TEST,
    ),
    Item(
        "binding.count",
        Text("AppID 绑定数量", "Number of bound apps"),
        Depth.STATIC,
        "tenant",
        of_tenant.COUNT,
    ),
    Item(
        "binding.appid_format",
        Text("AppID 格式、类型与主体", "Appid, kind and owner"),
        Depth.STATIC,
        "binding",
        of_tenant.FORMAT,
    ),
    Item(
        "binding.secret",
        Text("小程序 AppSecret", "AppSecret of the mini-program"),
        Depth.LIVE,
        "binding",
        of_tenant.SECRET,
        _MINIPROGRAM,
    ),
    Item(
        "binding.wechat_side",
        Text("微信侧已绑定该 AppID", "WeChat has the binding too"),
        Depth.LIVE,
        "binding",
        of_tenant.WECHAT_SIDE,
    ),
    Item(
        "directory.confirmed",
        Text("公众号支付目录", "Payment directories"),
        Depth.STATIC,
        "tenant",
        of_tenant.DIRECTORY,
        frozenset({"official_account"}),
    ),
    Item(
        "miniprogram.request_domain",
        Text("小程序 request 合法域名", "Request domain of the mini-program"),
        Depth.STATIC,
        "tenant",
        of_tenant.REQUEST_DOMAIN,
        _MINIPROGRAM,
    ),
    Item("webhook.test", Text("Webhook 端点", "Webhook endpoint"), Depth.STATIC, "tenant", of_tenant.WEBHOOK),
    Item(
        "trial.pay", Text("试付 ¥0.01", "Trial payment of ¥0.01"), Depth.TRIAL, "binding", of_tenant.TRIAL_PAY
    ),
    Item("trial.refund", Text("试付退款", "Trial refund"), Depth.TRIAL, "binding", of_tenant.TRIAL_REFUND),
)
BY_CODE: Mapping[str, Item] = {item.code: item for item in ITEMS}
ORDER: Mapping[str, int] = {item.code: place for place, item in enumerate(ITEMS)}
