"""WeChat's login as far as our sessions need it: one appid, one secret, one code, one use."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count

from wechatpay.call import CallRecord
from wechatpay.errors import WechatPayError
from wechatpay.identifiers import AppId, OpenId
from wechatpay.miniprogram import LoginRefused, LoginResult

SESSION_KEY = "CANARYsessionkey=="


@dataclass
class FakeLogin:
    """Knows mini-programs by appid and AppSecret, and hands every code out once."""

    secrets: dict[str, str] = field(default_factory=dict)
    codes: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Code to the appid it was made under and the openid behind it."""
    fails_with: WechatPayError | None = None
    asked: list[tuple[str, str, str]] = field(default_factory=list)
    _numbers: Iterator[int] = field(default_factory=count)

    def code(self, appid: str, openid: str) -> str:
        made = f"code-{next(self._numbers)}"
        self.codes[made] = (appid, openid)
        return made

    def of(self, _mode: str) -> FakeLogin:
        return self

    async def exchange(self, appid: AppId, secret: str, code: str) -> LoginResult:
        self.asked.append((appid.text, secret, code))
        call = CallRecord("jscode2session", "/sns/jscode2session", http_status=200, elapsed_ms=3)
        if self.fails_with is not None:
            raise self.fails_with
        if self.secrets.get(appid.text) != secret:
            raise LoginRefused(40125, "AppSecret 不正确", "the AppSecret is wrong", retry=False)
        under, openid = self.codes.pop(code, (None, ""))
        if under != appid.text:
            raise LoginRefused(40029, "code 无效", "the code is invalid", retry=False)
        return LoginResult(OpenId(openid), f"{SESSION_KEY}{code}", None, call)
