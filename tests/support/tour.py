"""Every page of the lived-in installation once, with a text that stands on it, by who may see it."""

from __future__ import annotations

from tests.support.shop import LONG_NAME, Shop
from tests.support.shop_differences import STRANGE_NUMBER
from tests.support.shop_keys import ENDED_SERIAL, OLD_SERIAL
from tests.support.shop_onboarding import DRAFT

Stop = tuple[str, str]
"""An address, and what is to be read there."""

FILTERS = "range=7d&status=paid&appid=wx3f8c21d0b7e6a91c&min=1&max=9999&from=2026-11-01"
TRANSACTION_ID = "4200002611202611215530918274"
LATTE = "拿铁双人套餐"
PLATFORM_CERTIFICATE = "/console/credentials/platform-certificate"


def of_provider(shop: Shop) -> tuple[Stop, ...]:
    """Return what the owner of the first service provider finds."""
    return (
        ("/account", "provider_owner@example.com"),
        ("/account/second-factor", "两步验证"),
        ("/console", "晨曦咖啡"),
        *_providers_money(shop),
        *_providers_bills(shop),
        *_providers_tenants(shop),
        *_providers_developers(shop),
        *_providers_people(shop),
    )


def _providers_money(shop: Shop) -> tuple[Stop, ...]:
    tenant, gym = shop.tenants["晨曦咖啡"].tenant_id, shop.tenants[LONG_NAME].tenant_id
    latest, refund = f"/console/orders/{shop.orders['latest']}", shop.refunds["succeeded"]
    return (
        ("/console/orders", LATTE),
        (f"/console/orders?{FILTERS}&tenant={tenant}", LATTE),
        ("/console/orders?status=attention&range=all&webhook=failed", "没有符合条件的订单"),
        (latest, "收到微信支付通知"),
        (f"{latest}/timeline.txt", "时间线（新的在前，北京时间）"),
        (f"{latest}/refund", "退款金额"),
        (f"{latest}/attempt", "attempt"),
        ("/console/refunds", "待批准"),
        (f"/console/refunds?status=waiting&q={TRANSACTION_ID}&tenant={gym}", "¥500,000.00"),
        (f"/console/refunds/{refund}", "支付用户零钱"),
        (f"/console/anomalies?status=all&kind=double_payment&tenant={tenant}", "重复支付"),
        (f"/console/anomalies/{shop.anomalies['amount_mismatch']}", "不一致的字段"),
        ("/search?q=晨曦", "1612345678"),
        ("/search?q=上海市徐汇区", LONG_NAME),
        ("/console/views", "等我批准的退款"),
        ("/console/exports", "range=30d"),
        ("/console/exports/new?kind=orders&query=range%3Dall", "导出 CSV"),
    )


def _providers_bills(shop: Shop) -> tuple[Stop, ...]:
    made, tenant, gym = shop.bills, shop.tenants["晨曦咖啡"].tenant_id, shop.tenants[LONG_NAME].tenant_id
    day, failed = made.days["different"], made.days["failed"]
    statements = f"/console/tenants/{tenant}/statements"
    return (
        ("/console/bills", "微信还在生成"),
        ("/console/bills?state=failed&kind=trade&range=all", "哈希不一致"),
        (f"/console/bills/{day}", STRANGE_NUMBER),
        (f"/console/bills/{failed}", "不一致，已丢弃"),
        (f"/console/bills/{day}/{made.bills['different']}/download", "交易时间"),
        (
            f"/console/differences?status=all&kind=missing_here&tenant={tenant}&range=7d",
            "账单中的收款，我方没有",
        ),
        (f"/console/differences/{made.differences['late']}", "微信的通知"),
        (f"/console/differences/{made.differences['stray']}", STRANGE_NUMBER),
        (statements, "已对平"),
        (f"{statements}/{day}", "核算过程"),
        (f"{statements}/{day}/print", "晨曦咖啡"),
        (f"/console/tenants/{gym}/statements/{made.days['balanced']}", "¥99,999,999.99"),
    )


def _providers_tenants(shop: Shop) -> tuple[Stop, ...]:
    url = f"/console/tenants/{shop.tenants['晨曦咖啡'].tenant_id}"
    draft = f"/console/tenants/{shop.tenants[DRAFT].tenant_id}/onboard"
    return (
        ("/console/tenants?q=晨曦", "3 / 5"),
        ("/console/tenants?status=attention", "晨曦咖啡"),
        ("/console/tenants/new", "新增特约商户"),
        ("/console/tenants/import", "批量导入特约商户"),
        ("/console/tenants/import/template.csv", "特约商户号"),
        (url, "晨曦咖啡"),
        (f"{url}?tab=bindings", "晨曦会员"),
        (f"{url}?tab=directories", "支付目录"),
        (f"{url}?tab=webhooks", "old.example.com"),
        (f"{url}?tab=api-keys", "门店收银服务器"),
        (f"{url}?tab=kit", "接入包"),
        (f"{url}?tab=doctor", "APPID_MCHID_NOT_MATCH"),
        (f"{url}?tab=log", "status: draft → live"),
        (f"{url}/kit", "五步接入"),
        (f"{url}/doctor", "APPID_MCHID_NOT_MATCH"),
        (f"{url}/go-live", "试付 ¥0.01"),
        (f"{url}/trials/{shop.trials['trial']}", "进度"),
        (f"{url}/certificates/{shop.trials['certificate']}", "证据摘要（SHA-256）"),
        (f"{draft}/1", DRAFT),
        (f"{draft}/2", "特约商户号"),
        (f"{draft}/3", "绑定 AppID"),
        (f"{draft}/4", "支付目录"),
        (f"{draft}/5", "通知与 Webhook"),
        (f"{draft}/6", "接入体检"),
        (f"{draft}/7", "上线"),
        ("/console/bindings?status=shared", "wx3f8c21d0b7e6a91c"),
        (f"/console/bindings/{shop.bindings['晨曦咖啡']}", "晨曦点单"),
        ("/console/doctor", "服务商"),
    )


def _providers_developers(shop: Shop) -> tuple[Stop, ...]:
    tenant, made = shop.tenants["晨曦咖啡"].tenant_id, shop.developers["晨曦咖啡"]
    hook = f"/console/webhooks/{made['endpoint']}"
    notification = f"/console/notifies/{shop.notifies['processed']}"
    return (
        (f"/console/notifies?status=rejected&tenant={tenant}&range=7d", "签名不正确"),
        (f"/console/notifies?q={shop.orders['latest']}", "等待查询微信"),
        (notification, "密钥版本 1"),
        (f"/console/notifies/{shop.notifies['v3']}", "解密后的内容"),
        (f"{notification}/export", "notification"),
        ("/console/explain?api=refund&code=CERT_ERROR", "菜单路径核对于"),
        ("/console/inspector", "晨曦咖啡"),
        ("/console/webhooks", "old.example.com"),
        ("/console/webhooks/new", "Webhook"),
        (f"{hook}?status=failed&answered=5xx&type=payment.succeeded&range=7d", made["delivery"]),
        (f"{hook}/edit", "integration-gateway.shanghai.example.com"),
        (f"{hook}/rotate", "更换签名密钥"),
        (f"{hook}/deliveries/{made['delivery']}", "500"),
        ("/console/api-keys", "门店收银服务器"),
        ("/console/api-keys/new", "创建 API 密钥"),
        ("/console/credentials", "1900000109"),
        ("/console/credentials/public-key", "通知混合使用公钥与证书"),
        ("/console/credentials/api-version", "切换到 APIv3"),
        ("/console/credentials/api-v2-key", "更换 API v2 密钥"),
        ("/console/credentials/api-v3-key", "更换 APIv3 密钥"),
        ("/console/credentials/certificate", "更换 API 证书"),
        ("/console/credentials/wechatpay-public-key", "PUB_KEY_ID_"),
        ("/console/credentials/api-v2-key/candidate", "演练通过"),
        ("/console/credentials/api-v3-key/roll-back", "退回上一个 APIv3 密钥"),
        (f"{PLATFORM_CERTIFICATE}/retire?version=1", OLD_SERIAL),
        (f"{PLATFORM_CERTIFICATE}/restore?version=3", ENDED_SERIAL),
    )


def _providers_people(shop: Shop) -> tuple[Stop, ...]:
    return (
        ("/console/members", "new@example.com"),
        ("/console/members/invite", "邀请成员"),
        (f"/console/members/{shop.members['colleague']}", "a.very.long.address"),
        ("/console/audit-log?action=provider.key_set", "王敏"),
        (f"/console/audit-log/{shop.acts['own']}", "密钥疑似外泄，按流程更换"),
    )


def of_merchant(shop: Shop) -> tuple[Stop, ...]:
    """Return what the user of one tenant finds."""
    made = shop.developers["晨曦咖啡"]
    latest, hook = f"/m/orders/{shop.orders['latest']}", f"/m/webhooks/{made['endpoint']}"
    day = shop.bills.days["different"]
    return (
        ("/m/bills", "有差异"),
        (f"/m/bills/{day}", "核算过程"),
        (f"/m/bills/{day}/print", "晨曦咖啡"),
        ("/m", "晨曦咖啡"),
        ("/m/orders?range=all", LATTE),
        (latest, "收到微信支付通知"),
        (f"{latest}/timeline.txt", "时间线（新的在前，北京时间）"),
        ("/m/refunds", shop.refunds["succeeded"]),
        (f"/m/refunds/{shop.refunds['succeeded']}", "支付用户零钱"),
        ("/m/anomalies?status=all", "重复支付"),
        (f"/m/anomalies/{shop.anomalies['double_payment']}", "重复支付"),
        (f"/search?q={LATTE}", "没有找到"),
        ("/m/prices", "latte"),
        ("/m/prices?q=latte", "latte"),
        ("/m/prices/latte", "latte"),
        ("/m/kit", "五步接入"),
        ("/m/explain?api=refund", "CERT_ERROR"),
        ("/m/webhooks", "old.example.com"),
        ("/m/webhooks/new", "Webhook"),
        (hook, made["delivery"]),
        (f"{hook}/edit", "integration-gateway.shanghai.example.com"),
        (f"{hook}/rotate", "更换签名密钥"),
        (f"{hook}/deliveries/{made['delivery']}", "500"),
        ("/m/api-keys", "门店收银服务器"),
        ("/m/api-keys/new", "创建 API 密钥"),
        ("/m/members", "林收银"),
        ("/m/views", "昨天的已支付订单"),
        ("/m/exports", "可下载"),
        ("/m/exports/new?kind=orders&query=range%3Dall", "导出 CSV"),
    )


def of_platform(shop: Shop) -> tuple[Stop, ...]:
    """Return what a platform administrator finds, of both service providers."""
    clinic, other = "仁康门诊部", f"/admin/service-providers/{shop.providers[1].provider_id}"
    order = f"/admin/transactions/{shop.orders['other tenant']}"
    return (
        ("/admin/bills", "汇通科技"),
        (f"/admin/bills/{shop.bills.days['other provider']}", clinic),
        ("/admin/differences", clinic),
        (f"/admin/differences/{shop.bills.differences['other provider']}", clinic),
        ("/admin", "汇通科技"),
        ("/admin/analytics", "交易分析"),
        ("/admin/analytics?tab=notifies", "通知"),
        (f"/admin/transactions?{FILTERS}", LATTE),
        (order, clinic),
        (f"{order}/timeline.txt", "时间线（新的在前，北京时间）"),
        ("/admin/anomalies", clinic),
        (f"/admin/anomalies/{shop.anomalies['late_payment']}", clinic),
        (f"/admin/notifies/{shop.notifies['of clinic']}", clinic),
        (f"/admin/notifies/{shop.notifies['v3 of clinic']}", clinic),
        ("/admin/explain", clinic),
        ("/admin/routing?status=notifies", "路由与拒绝"),
        ("/admin/routing?status=calls", "密钥无效"),
        ("/admin/routing?status=strays", "198.51.100.23"),
        (f"/search?q={clinic}", clinic),
        ("/admin/service-providers", "汇通科技"),
        ("/admin/service-providers/new", "新增服务商"),
        (other, "1900000217"),
        (f"{other}/visit", "汇通科技"),
        ("/admin/tenants", clinic),
        (f"/admin/tenants/{shop.tenants[clinic].tenant_id}", clinic),
        ("/admin/users?status=all", "owner@huitong.example.com"),
        ("/admin/users/invite", "邀请成员"),
        (f"/admin/users/{shop.persons['other provider']}", "owner@huitong.example.com"),
        (f"/admin/audit?provider={shop.providers[1].provider_id}", "何总"),
        (f"/admin/audit/{shop.acts['other provider']}", "何总"),
        ("/admin/certificates", "汇通科技"),
        ("/admin/health", "收款条件"),
        ("/admin/jobs", shop.developers[clinic]["delivery"]),
        ("/admin/settings", "WXSP"),
        ("/admin/views", "近 7 天下单失败"),
        ("/admin/exports", "监管季度抽查"),
        ("/admin/exports/new?kind=orders&query=range%3Dall", "导出 CSV"),
    )


NO_STOPS = {
    "/console/tenants/{tenant_id}/onboard": "leads to the next step",
    "/console/tenants/{tenant_id}/kit.zip": "a file",
    "/m/kit.zip": "a file",
    "/m/account": "leads to /account",
    "/m/orders/{order_id}/refund": "the shop's merchant may not refund",
    "/console/exports/file": "needs a file that was made",
    "/m/exports/file": "needs a file that was made",
    "/admin/exports/file": "needs a file that was made",
}
"""Addresses that people cannot stop at in the shop, and why."""
