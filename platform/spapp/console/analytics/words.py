"""Why calls and notifications were refused, in words: for the analysis and for the page of refusals."""

from __future__ import annotations

from spapp.refusals.reasons import Reason
from spcore.errors import Text
from sptenants.analytics.refused import RefusedResult

REFUSAL: dict[Reason, Text] = {
    Reason.UNKNOWN_TENANT: Text("特约商户不存在", "No such sub-merchant"),
    Reason.FOREIGN_OBJECT: Text("对象不存在或属于他人", "Object missing or somebody else's"),
    Reason.WRONG_KEY: Text("密钥无效", "Wrong key"),
    Reason.KEY_NOT_ALLOWED: Text("密钥无权限或来源地址不符", "Key not allowed to do this, or from there"),
    Reason.TENANT_NOT_LIVE: Text("商户未上线", "Sub-merchant is not live"),
    Reason.APP_NOT_BOUND: Text("AppID 未绑定", "AppID not bound"),
    Reason.BINDING_UNUSABLE: Text("AppID 绑定不可用", "App binding cannot be used"),
    Reason.AMOUNT_NAMED: Text("小程序自带金额", "Amount named by a mini-program"),
}
_NOTIFY_TEXTS = {
    RefusedResult.REJECTED: Text("通知验签失败", "Notification with a wrong signature"),
    RefusedResult.MISMATCH: Text("通知身份或金额不符", "Notification of another identity or amount"),
    RefusedResult.UNMATCHED: Text("通知未匹配订单", "Notification of nobody's order"),
    RefusedResult.DUPLICATE: Text("重复通知", "Notification come again"),
}


def reason_text(reason: str) -> Text:
    """Return the words of a refusal of the API or of a notification."""
    if reason in set(Reason):
        return REFUSAL[Reason(reason)]
    return _NOTIFY_TEXTS[RefusedResult(reason)]
