"""A code of WeChat's in plain words, for every page that shows one (B-2).

`explain/macros.html` prints it: cause, who must act, what to do, and whether the call may be repeated.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any
from urllib.parse import urlencode

from spapp.web.i18n import N_
from spcore.errors import Text
from wechatpay.explain import Explanation, Who, explain

WHO = {
    Who.PROVIDER: N_("服务商"),
    Who.MERCHANT: N_("特约商户"),
    Who.DEVELOPER: N_("开发人员"),
    Who.WECHAT: N_("微信支付"),
    Who.WAIT: N_("无需处理，等待即可"),
}
API = {
    "*": N_("所有接口"),
    "unifiedorder": N_("统一下单"),
    "micropay": N_("付款码支付"),
    "orderquery": N_("查单"),
    "closeorder": N_("关单"),
    "reverse": N_("撤销"),
    "refund": N_("申请退款"),
    "refundquery": N_("查询退款"),
    "downloadbill": N_("下载交易账单"),
    "downloadfundflow": N_("下载资金账单"),
    "v3.prepay": N_("下单（API v3）"),
    "v3.query": N_("查单（API v3）"),
    "v3.close": N_("关单（API v3）"),
    "v3.refund": N_("申请退款（API v3）"),
    "v3.refund_query": N_("查询退款（API v3）"),
    "v3.certificates": N_("下载平台证书"),
    "v3.echo": N_("安全回显自检"),
    "v3.tradebill": N_("申请交易账单（API v3）"),
    "v3.fundflowbill": N_("申请资金账单（API v3）"),
    "v3.sub_fundflowbill": N_("申请二级商户资金账单（API v3）"),
    "v3.billdownload": N_("下载账单文件（API v3）"),
    "jscode2session": N_("小程序登录"),
    "requestPayment": N_("小程序调起支付"),
    "trade_state": N_("订单状态"),
}
_UNKNOWN = Text(
    "还没有这个错误码的解释，已记录下来供补充。请以微信返回的文字为准。",
    "Nobody has explained this code yet; it was noted for the catalogue. Go by WeChat's own words.",
)
_UNKNOWN_FIX = Text(
    "先查单确认结果，再决定是否重试；需要帮助时把请求编号交给微信支付客服。",
    "Query the outcome before trying again; give the request number to WeChat Pay's support for help.",
)


@dataclass(frozen=True, slots=True)
class Explained:
    """`message` is WeChat's own text, "" where it sent none; `known` is None for a code nobody described."""

    api: str
    code: str
    message: str
    known: Explanation | None

    @classmethod
    def of(cls, api: str, code: str, message: str = "") -> Explained:
        return cls(api, code, message, explain(api, code, message))

    @property
    def cause(self) -> Text:
        return Text(self.known.cause_zh, self.known.cause_en) if self.known else _UNKNOWN

    @property
    def fix(self) -> Text:
        return Text(self.known.fix_zh, self.known.fix_en) if self.known else _UNKNOWN_FIX

    @property
    def who(self) -> str | None:
        return WHO[self.known.who] if self.known else None

    @property
    def api_word(self) -> str:
        return API.get(self.api, self.api)

    @property
    def retry_safe(self) -> bool | None:
        """Whether the very same call may be made again; None when nobody knows."""
        return self.known.retry_safe if self.known else None

    @property
    def menu_checked(self) -> date | None:
        """When the menus that the text names were last looked up; None when it names none."""
        return self.known.menu_checked if self.known else None

    def url(self, base: str) -> str:
        """Return the catalogue's entry in the area that lies at `base`, such as `/console`."""
        return f"{base}/explain?{urlencode({'api': self.api, 'code': self.code})}"


def explained(failure: Mapping[str, Any] | None) -> Explained | None:
    """Return the words for a refusal as an order or a refund keeps it; None for what never left us."""
    if failure is None or failure["code"] == "NOT_SENT":
        return None
    return Explained.of(str(failure["api"]), str(failure["code"]), str(failure["message"]))
