"""The three areas of the product and their menus; a page that a role cannot use is absent from its menu."""

from __future__ import annotations

from dataclasses import dataclass, replace

from spapp.accounts.models import Role
from spapp.web.i18n import N_

_OWNER_AND_OPERATOR = frozenset({Role.PROVIDER_OWNER, Role.PROVIDER_OPERATOR})


@dataclass(frozen=True, slots=True)
class NavItem:
    """A page of the menu; without `roles` it is for everybody who works in the area."""

    url: str
    icon: str
    word: str
    roles: frozenset[Role] = frozenset()


@dataclass(frozen=True, slots=True)
class NavGroup:
    """A group without a word stands at the top."""

    word: str | None
    items: tuple[NavItem, ...]


@dataclass(frozen=True, slots=True)
class Area:
    """One of the three areas of the product, as its menu shows it."""

    brand: str
    prefix: str
    home: str
    groups: tuple[NavGroup, ...]

    def menu_for(self, role: str) -> tuple[NavGroup, ...]:
        """Return the groups with what people of the role can use; a group left empty is left out."""
        shown = (
            replace(group, items=tuple(item for item in group.items if not item.roles or role in item.roles))
            for group in self.groups
        )
        return tuple(group for group in shown if group.items)


_REFUNDS = "receipt-refund", N_("退款")
_WORK = "alert-triangle", N_("需处理")
_ORDERS = "receipt", N_("支付订单")
_WEBHOOKS = "webhook", N_("Webhook")
_API_KEYS = "key", N_("API 密钥")
_BILLS = "file-invoice", N_("对账单")
_DIFFERENCES = "git-compare", N_("对账差异")
_API_DOCS = NavItem("/docs", "external-link", N_("接口文档"))

CONSOLE = Area(
    N_("服务商平台"),
    "/console",
    "/console",
    (
        NavGroup(None, (NavItem("/console", "layout-dashboard", N_("概览")),)),
        NavGroup(
            N_("商户"),
            (
                NavItem("/console/tenants", "building-store", N_("特约商户")),
                NavItem("/console/bindings", "plug-connected", N_("开发配置")),
                NavItem("/console/doctor", "stethoscope", N_("接入体检")),
            ),
        ),
        NavGroup(
            N_("交易"),
            (
                NavItem("/console/orders", *_ORDERS),
                NavItem("/console/refunds", *_REFUNDS),
                NavItem("/console/notifies", "bell", N_("支付通知")),
                NavItem("/console/bills", *_BILLS),
                NavItem("/console/differences", *_DIFFERENCES),
                NavItem("/console/anomalies", *_WORK),
            ),
        ),
        NavGroup(
            N_("开发者"),
            (
                NavItem("/console/webhooks", *_WEBHOOKS),
                NavItem("/console/api-keys", *_API_KEYS, _OWNER_AND_OPERATOR),
                NavItem("/console/inspector", "list-search", N_("签名检查"), _OWNER_AND_OPERATOR),
                _API_DOCS,
            ),
        ),
        NavGroup(
            N_("管理"),
            (
                NavItem("/console/credentials", "certificate", N_("证书与密钥")),
                NavItem("/console/members", "users", N_("成员与权限"), _OWNER_AND_OPERATOR),
                NavItem("/console/audit-log", "history", N_("操作日志")),
            ),
        ),
    ),
)
ADMIN = Area(
    N_("平台管理"),
    "/admin",
    "/admin",
    (
        NavGroup(None, (NavItem("/admin", "layout-dashboard", N_("平台概览")),)),
        NavGroup(
            N_("审计"),
            (
                NavItem("/admin/transactions", "list-details", N_("跨租户交易")),
                NavItem("/admin/analytics", "chart-bar", N_("交易分析")),
                NavItem("/admin/routing", "route", N_("路由与拒绝")),
                NavItem("/admin/audit", "shield-check", N_("操作审计")),
                NavItem("/admin/bills", *_BILLS),
                NavItem("/admin/differences", *_DIFFERENCES),
                NavItem("/admin/anomalies", *_WORK),
            ),
        ),
        NavGroup(
            N_("租户"),
            (
                NavItem("/admin/service-providers", "building", N_("服务商")),
                NavItem("/admin/tenants", "building-store", N_("特约商户")),
            ),
        ),
        NavGroup(
            N_("运行"),
            (
                NavItem("/admin/health", "heart-rate-monitor", N_("健康检查")),
                NavItem("/admin/jobs", "stack-2", N_("任务与重试")),
                NavItem("/admin/certificates", "certificate", N_("证书到期")),
            ),
        ),
        NavGroup(
            N_("平台"),
            (
                NavItem("/admin/users", "users", N_("平台成员")),
                NavItem("/admin/settings", "settings", N_("系统设置")),
            ),
        ),
    ),
)
MERCHANT = Area(
    N_("商户平台"),
    "/m",
    "/m",
    (
        NavGroup(None, (NavItem("/m", "layout-dashboard", N_("概览")),)),
        NavGroup(
            N_("交易"),
            (
                NavItem("/m/orders", *_ORDERS),
                NavItem("/m/refunds", *_REFUNDS),
                NavItem("/m/bills", *_BILLS),
                NavItem("/m/prices", "tag", N_("商品价目")),
                NavItem("/m/anomalies", *_WORK),
            ),
        ),
        NavGroup(
            N_("开发者"),
            (
                NavItem("/m/webhooks", *_WEBHOOKS),
                NavItem("/m/api-keys", *_API_KEYS),
                NavItem("/m/kit", "file-zip", N_("接入包")),
                _API_DOCS,
            ),
        ),
    ),
)


def area_of(role: str) -> Area:
    """Return the area that people of a role work in."""
    if role.startswith("platform_"):
        return ADMIN
    return MERCHANT if role == Role.MERCHANT_USER else CONSOLE
