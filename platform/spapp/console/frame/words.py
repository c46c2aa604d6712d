"""States and codes in words, with the tone that gives them colour and shape (console-and-api-design 6, 11).

The words are Chinese and marked for the catalogue; templates translate them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from spapp.web.i18n import N_
from sptenants.orders.records import UNCLEAR_AFTER, OrderRecord
from sptenants.orders.states import AttemptState, OrderStatus
from sptenants.refunds.records import RefundRecord
from sptenants.refunds.states import Approval, RefundStatus

Tone = Literal["ok", "wait", "bad", "mute", "info"]


@dataclass(frozen=True, slots=True)
class Chip:
    tone: Tone
    word: str


_ORDER: dict[OrderStatus, Chip] = {
    OrderStatus.CREATED: Chip("mute", N_("已创建")),
    OrderStatus.SUBMITTING: Chip("wait", N_("提交中")),
    OrderStatus.PENDING: Chip("wait", N_("待支付")),
    OrderStatus.CLOSING: Chip("wait", N_("关闭中")),
    OrderStatus.PAID: Chip("ok", N_("支付成功")),
    OrderStatus.CLOSED: Chip("mute", N_("已关闭")),
    OrderStatus.FAILED: Chip("bad", N_("下单失败")),
    OrderStatus.REVOKED: Chip("mute", N_("已撤销")),
}
ATTEMPT: dict[AttemptState, Chip] = {
    AttemptState.SUBMITTING: Chip("wait", N_("提交中")),
    AttemptState.PAYABLE: Chip("wait", N_("待支付")),
    AttemptState.PAID: Chip("ok", N_("支付成功")),
    AttemptState.CLOSED: Chip("mute", N_("已关闭")),
    AttemptState.FAILED: Chip("bad", N_("下单失败")),
}
REFUND: dict[RefundStatus, Chip] = {
    RefundStatus.REQUESTED: Chip("mute", N_("待提交")),
    RefundStatus.SUBMITTING: Chip("wait", N_("提交中")),
    RefundStatus.PROCESSING: Chip("wait", N_("退款中")),
    RefundStatus.SUCCEEDED: Chip("ok", N_("退款成功")),
    RefundStatus.REJECTED: Chip("bad", N_("被拒绝")),
    RefundStatus.CLOSED: Chip("mute", N_("退款关闭")),
    RefundStatus.ABNORMAL: Chip("bad", N_("退款异常")),
}
_AWAITS_APPROVAL = Chip("info", N_("待批准"))
_DECLINED = Chip("mute", N_("未批准"))
_UNCLEAR = Chip("bad", N_("待核实"))
_ANOMALY = Chip("bad", N_("需核实"))
_PARTLY_REFUNDED = Chip("info", N_("部分退款"))
_FULLY_REFUNDED = Chip("mute", N_("全额退款"))
_TRIAL = Chip("info", N_("试付"))

TENANT: dict[str, Chip] = {
    "draft": Chip("mute", N_("草稿")),
    "onboarding": Chip("info", N_("接入中")),
    "ready": Chip("wait", N_("待上线")),
    "live": Chip("ok", N_("已上线")),
    "suspended": Chip("bad", N_("已暂停")),
    "closed": Chip("mute", N_("已关闭")),
}
BINDING: dict[str, Chip] = {
    "unverified": Chip("wait", N_("待微信侧绑定")),
    "verified": Chip("ok", N_("已验证")),
    "invalid": Chip("bad", N_("不匹配")),
    "disabled": Chip("mute", N_("已停用")),
}
KEY_IN_USE = Chip("ok", N_("有效"))
KEY_REVOKED = Chip("mute", N_("已吊销"))

BINDING_KIND = {"miniprogram": N_("小程序"), "official_account": N_("公众号"), "app": N_("App")}
BINDING_OWNER = {"merchant": N_("特约商户"), "channel": N_("渠道商"), "provider": N_("服务商")}
TRADE_TYPE = {
    "JSAPI": N_("JSAPI 支付"),
    "NATIVE": N_("扫码支付"),
    "APP": N_("App 支付"),
    "H5": N_("H5 支付"),
    "MICROPAY": N_("付款码支付"),
}
SOURCE = {
    "api_key": N_("API 密钥"),
    "miniprogram": N_("小程序会话"),
    "console": N_("控制台"),
    "adopted": N_("按微信侧记录补录"),
    "trial": N_("试付"),
}
REFUND_SOURCE = {
    "api_key": N_("API 密钥"),
    "console": N_("控制台"),
    "policy": N_("自动退款"),
    "wechat": N_("微信侧发起"),
}
ANOMALY_OPEN = Chip("bad", N_("待处理"))
ANOMALY_RESOLVED = Chip("ok", N_("已处理"))
MODE = {"test": N_("测试环境"), "live": N_("正式环境")}
ACTOR = {
    "person": N_("成员"),
    "api_key": N_("API 密钥"),
    "session": N_("小程序会话"),
    "cli": N_("命令行"),
    "link": N_("接入链接"),
    "system": N_("系统"),
}

ACTION = {
    "analytics.viewed": N_("查看交易分析"),
    "anomalies.listed": N_("查看需处理列表"),
    "anomaly.resolved": N_("处理需处理事项"),
    "anomaly.viewed": N_("查看需处理事项"),
    "api_key.created": N_("创建 API 密钥"),
    "api_key.revoked": N_("吊销 API 密钥"),
    "audit.checked": N_("校验哈希链"),
    "audit.listed": N_("查看操作审计列表"),
    "audit.viewed": N_("查看操作审计记录"),
    "binding.changed": N_("修改 AppID 绑定"),
    "binding.created": N_("绑定 AppID"),
    "binding.removed": N_("解除 AppID 绑定"),
    "binding.secret_replaced": N_("更换 AppSecret"),
    "binding.status_changed": N_("AppID 绑定状态变更"),
    "bill.downloaded": N_("下载账单文件"),
    "bill.fetch_requested": N_("重新下载账单"),
    "bill.viewed": N_("查看对账单"),
    "bills.listed": N_("查看对账单列表"),
    "certificates.listed": N_("查看证书到期"),
    "difference.asked_again": N_("再次向微信查询差异"),
    "difference.closed": N_("处理对账差异"),
    "difference.viewed": N_("查看对账差异"),
    "differences.listed": N_("查看对账差异列表"),
    "doctor.ran": N_("运行接入体检"),
    "invitation.accepted": N_("接受邀请"),
    "invitation.made": N_("邀请成员"),
    "invitation.renewed": N_("重新生成邀请链接"),
    "invitation.revoked": N_("撤回邀请"),
    "job.retried": N_("重试任务"),
    "jobs.listed": N_("查看任务队列"),
    "kit.downloaded": N_("下载接入包"),
    "export.downloaded": N_("下载导出文件"),
    "export.requested": N_("申请后台导出"),
    "export.written": N_("后台导出完成"),
    "list.exported": N_("导出列表"),
    "search.made": N_("全局搜索订单和商户"),
    "ledger.exported": N_("导出台账"),
    "member.added": N_("添加成员"),
    "member.removed": N_("移除成员"),
    "member.role_changed": N_("修改成员角色"),
    "notification.exported": N_("导出支付通知"),
    "notification.replayed": N_("重新处理支付通知"),
    "notification.viewed": N_("查看支付通知"),
    "onboarding_link.created": N_("生成接入链接"),
    "onboarding_link.opened": N_("打开接入链接"),
    "onboarding_link.revoked": N_("撤回接入链接"),
    "order.adopted": N_("补录订单"),
    "order.attempt_replaced": N_("更换下单尝试"),
    "order.close_requested": N_("请求关单"),
    "order.viewed": N_("查看订单详情"),
    "orders.listed": N_("查看订单列表"),
    "people.listed": N_("查看成员列表"),
    "person.create_admin": N_("创建平台管理员"),
    "person.disabled": N_("停用账号"),
    "person.enabled": N_("恢复账号"),
    "person.password_changed": N_("修改密码"),
    "person.renamed": N_("修改姓名"),
    "person.set_password": N_("设置密码"),
    "person.unlocked": N_("解除账号锁定"),
    "person.viewed": N_("查看账号"),
    "price.added": N_("新增价目"),
    "price.changed": N_("修改价目"),
    "price.removed": N_("删除价目"),
    "provider.changed": N_("修改服务商"),
    "provider.created": N_("新增服务商"),
    "provider.api_version_changed": N_("切换接口版本"),
    "provider.key_candidate_discarded": N_("丢弃候选密钥"),
    "provider.key_candidate_set": N_("录入候选密钥"),
    "provider.key_promoted": N_("启用候选密钥"),
    "provider.key_rehearsed": N_("演练候选密钥"),
    "provider.key_restored": N_("恢复使用密钥"),
    "provider.key_retired": N_("停用密钥"),
    "provider.key_rolled_back": N_("退回上一个密钥"),
    "provider.key_set": N_("更换服务商密钥"),
    "provider.viewed": N_("查看服务商"),
    "providers.listed": N_("查看服务商列表"),
    "rate.agreed": N_("约定费率"),
    "refund.approved": N_("批准退款"),
    "refund.declined": N_("不批准退款"),
    "refund.requested": N_("发起退款"),
    "routing.viewed": N_("查看路由与拒绝"),
    "second_factor.added": N_("启用两步验证"),
    "second_factor.begun": N_("开始设置两步验证"),
    "second_factor.codes_renewed": N_("更换恢复码"),
    "second_factor.given": N_("动态验证码验证通过"),
    "second_factor.refused": N_("动态验证码错误"),
    "second_factor.removed": N_("移除两步验证"),
    "second_factor.reset": N_("重置两步验证"),
    "session.ended": N_("退出一台设备"),
    "session.others_ended": N_("退出其他全部设备"),
    "session.password_accepted": N_("密码验证通过"),
    "session.reason_stated": N_("填写查看理由"),
    "session.sign_in": N_("登录"),
    "session.sign_in_refused": N_("登录失败"),
    "session.sign_out": N_("退出登录"),
    "session.switch_role": N_("切换角色"),
    "signature.inspected": N_("检查签名"),
    "tenant.changed": N_("修改商户资料"),
    "tenant.created": N_("新增特约商户"),
    "tenant.directories_set": N_("修改支付目录"),
    "tenant.gone_live": N_("特约商户上线"),
    "tenant.status_changed": N_("变更商户状态"),
    "tenant.viewed": N_("查看特约商户"),
    "tenant.wechat_side_ticked": N_("确认微信侧事项"),
    "tenants.imported": N_("批量导入特约商户"),
    "tenants.listed": N_("查看特约商户列表"),
    "trial.begun": N_("开始试付"),
    "trial.passed": N_("试付通过"),
    "trial.stopped": N_("放弃试付"),
    "unexplained.listed": N_("查看未解释的错误码"),
    "visit.begun": N_("以平台身份进入查看"),
    "visit.ended": N_("退出平台查看"),
    "visit.page_viewed": N_("以平台身份打开页面"),
    "webhook.changed": N_("修改 Webhook 端点"),
    "webhook.created": N_("添加 Webhook 端点"),
    "webhook.deleted": N_("删除 Webhook 端点"),
    "webhook.disabled": N_("停用 Webhook 端点"),
    "webhook.resent": N_("重发 Webhook 投递"),
    "webhook.secret_rotated": N_("更换 Webhook 签名密钥"),
    "webhook.tested": N_("发送 Webhook 测试事件"),
}
"""Every action of the audit log; a test finds those that are missing."""


def order_chips(order: OrderRecord, now: datetime) -> tuple[Chip, ...]:
    """Return the state, with the refund's word when there is one; 需核实 and 试付 stand beside it."""
    chip = _ORDER[order.status]
    if order.status is OrderStatus.SUBMITTING and now - order.state_since > UNCLEAR_AFTER:
        chip = _UNCLEAR
    if order.refund_status == "partial":
        chip = _PARTLY_REFUNDED
    if order.refund_status == "full":
        chip = _FULLY_REFUNDED
    beside = ((_ANOMALY, order.anomaly is not None), (_TRIAL, order.source == "trial"))
    return (chip, *(other for other, holds in beside if holds))


def refund_chip(refund: RefundRecord) -> Chip:
    """Return the state; a refund that waits for a second person, or got a no, says that instead."""
    if refund.approval is Approval.WAITING:
        return _AWAITS_APPROVAL
    if refund.approval is Approval.DECLINED:
        return _DECLINED
    return REFUND[refund.status]


def notify_chip(order: OrderRecord) -> Chip | None:
    """Return how the payment became known; None as long as there is nothing to be notified of."""
    if order.paid_by is None:
        return None
    return Chip("ok", N_("已通知")) if order.paid_by == "notify" else Chip("wait", N_("查单补回"))
