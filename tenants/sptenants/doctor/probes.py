"""Questions to WeChat that cost nothing and change nothing (B-8, third depth).

An order that cannot exist is asked for; an order of one fen is made that nobody is shown, and closed as soon
as WeChat allows; a login is tried with a code that nobody was given; a payment code that never was is
reversed. None of them is an order of the tenant: their numbers are marked and stand in a table of their own.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from spcore.ids import new_ulid
from sptenants.doctor import signs
from sptenants.doctor.findings import SKEW_FAIL_S, SKEW_WARN_S, SLOW_MS
from sptenants.doctor.items import ApiVersion
from sptenants.doctor.verdicts import Calls, Verdict
from sptenants.orders.line import GatewayPicker
from sptenants.sessions.service import LoginPicker
from wechatpay.call import CallRecord
from wechatpay.credentials import ClientCertificate, Credentials, V3Key
from wechatpay.errors import InvalidRequest, Refused, WechatPayError
from wechatpay.gateway import Gateway, NewOrder, TradeType
from wechatpay.identifiers import AppId, OutTradeNo
from wechatpay.miniprogram import LoginRefused
from wechatpay.money import Fen

MARK = "probe-"
"""How the number of every probe begins; no order of a tenant has such a number."""
LIFE = timedelta(minutes=6)
CLOSE_AFTER = timedelta(minutes=5, seconds=10)
"""WeChat closes no order in its first five minutes (wechatpay-v2 4.5)."""
_DUMMY_CODE = "wxspdoctor0000000000000000000000"
_RIGHT_SECRET = 40029
_SECRET_FINDINGS = {40125: "wrong", 40001: "wrong", 40013: "unknown_appid"}
_LOGIN_BUSY = {-1, 45011}


@dataclass(frozen=True, slots=True)
class Asked:
    """What one question told about several items. `goes_on`: whether asking further makes sense."""

    verdicts: tuple[Verdict, ...]
    goes_on: bool


@dataclass(slots=True)
class Prober:
    """Asks in the name of one provider. `calls` gathers the evidence."""

    gateways: GatewayPicker
    logins: LoginPicker
    calls: Calls = field(default_factory=Calls)

    async def account(self, gateway: Gateway, credentials: Credentials, now: datetime) -> Asked:
        """Ask for an order that cannot exist: that it does not exist proves everything else on the way."""
        sub_mch_id = credentials.identity().get("sub_mch_id", credentials.mch_id.text)
        facts = {
            "mch_id": credentials.mch_id.text,
            "appid": credentials.appid.text,
            "sub_mch_id": sub_mch_id,
        }
        try:
            state = await gateway.query(credentials, new_probe_number(now))
            call: CallRecord | None = state.call
            self.calls.note(call)
        except (WechatPayError, InvalidRequest) as error:
            call = error.call
            self.calls.note(call, error)
            if not (isinstance(error, Refused) and error.code == "ORDERNOTEXIST" and error.level == "result"):
                found = signs.read_query(error, facts, version_of(credentials))
                return Asked(_until(found, call, now), goes_on=False)
        timing = _timing(call, now)
        # WeChat refuses an order whose times lie in its past, which says nothing of the app.
        told_wrong = any(verdict.reason == "far_off" for verdict in timing)
        return Asked((*_sound(_LADDER), *timing), goes_on=not told_wrong)

    async def app(self, gateway: Gateway, credentials: Credentials, order: NewOrder, part: str) -> Verdict:
        """Make an order of one fen with a bound appid: that it works proves product and binding."""
        try:
            made = await gateway.place(credentials, order)
        except (WechatPayError, InvalidRequest) as error:
            self.calls.note(error.call, error, part)
            facts = {
                "mch_id": credentials.mch_id.text,
                "appid": credentials.appid.text,
                "sub_appid": credentials.identity().get("sub_appid", credentials.appid.text),
            }
            return signs.read_order(error, facts, part, version_of(credentials))
        self.calls.note(made.call, None, part)
        return Verdict("binding.wechat_side", part=part)

    async def secret(self, mode: str, sub_appid: str, secret: str, part: str) -> Verdict:
        """Try a login with a code that nobody was given: 40029 says that the secret is right."""
        try:
            await self.logins.of(mode).exchange(AppId(sub_appid), secret, _DUMMY_CODE)
        except LoginRefused as refused:
            self.calls.note(refused.call, refused, part)
            if refused.errcode == _RIGHT_SECRET:
                return Verdict("binding.secret", part=part)
            if refused.errcode in _LOGIN_BUSY:
                return Verdict("binding.secret", "unreachable", {"why": refused.errcode}, part)
            reason = _SECRET_FINDINGS.get(refused.errcode, "refused")
            return Verdict("binding.secret", reason, {"code": refused.errcode}, part)
        except WechatPayError as error:
            self.calls.note(error.call, error, part)
            why = str(getattr(error, "reason", ""))
            return Verdict("binding.secret", "unreachable", {"why": why}, part)
        # A code that nobody was given and that works all the same: the host is not WeChat's.
        return Verdict("binding.secret", "refused", {"code": "OK"}, part)

    async def certificate(
        self, gateway: Gateway, credentials: Credentials, certificate: ClientCertificate, now: datetime
    ) -> Verdict:
        """Reverse a payment code that never was, over the connection that shows the certificate."""
        try:
            done = await gateway.reverse(credentials, certificate, new_probe_number(now))
        except WechatPayError as error:
            self.calls.note(error.call, error)
            return signs.read_showing(error)
        self.calls.note(done.call)
        return Verdict("sp.cert_accepted")


def version_of(credentials: Credentials) -> ApiVersion:
    """Return which version of WeChat's API these credentials sign for."""
    return "v3" if isinstance(credentials.key, V3Key) else "v2"


def new_probe_number(now: datetime) -> OutTradeNo:
    """Return a number that no order has or will have."""
    return OutTradeNo(f"{MARK}{new_ulid(now)}")


def probe_order(number: OutTradeNo, notify_url: str, now: datetime) -> NewOrder:
    """Return the order of one fen that is made only to see whether it can be."""
    return NewOrder(
        out_trade_no=number,
        amount=Fen(1),
        description="接入体检",
        attach=MARK.rstrip("-"),
        notify_url=notify_url,
        payer_ip="127.0.0.1",
        trade_type=TradeType.NATIVE,
        openid=None,
        product_id=None,
        time_start=now,
        time_expire=now + LIFE,
        profit_sharing=False,
    )


_LADDER = (
    "gateway.reach",
    "sp.signature",
    "sp.account",
    "sub_mch.relation",
    "sub_mch.status",
    "sub_mch.product",
)
"""In the order in which WeChat checks: a refusal at one rung proves those before it (wechatpay-v2 11.1)."""
_UNORDERED = dict.fromkeys(
    ("sp.account", "sp.signature", "sp.cert_accepted", "sp.wechat_public_key", "clock.skew"),
    ("gateway.reach",),
)
"""Which of these WeChat looks at first is not known, so that none proves another."""


def _sound(codes: tuple[str, ...]) -> tuple[Verdict, ...]:
    # Products differ by trade type; only the order that is made can tell.
    return tuple(Verdict(code) for code in codes if code != "sub_mch.product")


def _until(found: Verdict, call: CallRecord | None, now: datetime) -> tuple[Verdict, ...]:
    """Return a failed rung with what it proves, and what it leaves open."""
    before = _UNORDERED.get(found.code) or _LADDER[: _LADDER.index(found.code)]
    after = tuple(code for code in _LADDER if code != found.code and code not in before)
    told = found.code != "gateway.reach"
    timing = _timing(call, now) if told else (Verdict("clock.skew", "held_up"),)
    steady = tuple(verdict for verdict in timing if verdict.code != "gateway.reach")
    # The answer's own time tells by how much a clock is wrong.
    told_here = (found,) if found.code != "clock.skew" or steady[0].finding is None else ()
    return (
        *(Verdict(code) for code in before if code != "sub_mch.product"),
        *told_here,
        *(Verdict(code, "held_up") for code in after if code != "sub_mch.product"),
        *steady,
    )


def _timing(call: CallRecord | None, now: datetime) -> tuple[Verdict, ...]:
    """Read how long the answer took and what time it told."""
    if call is None:
        return (Verdict("clock.skew", "unknown"),)
    found = [_clock(call, now)]
    if call.elapsed_ms > SLOW_MS:
        found.append(Verdict("gateway.reach", "slow", {"ms": call.elapsed_ms}))
    return tuple(found)


def _clock(call: CallRecord, now: datetime) -> Verdict:
    if call.server_time is None:
        return Verdict("clock.skew", "unknown")
    # The answer was written at most as long ago as the call took.
    away = max(0.0, abs((now - call.server_time).total_seconds()) - call.elapsed_ms / 1000)
    facts = {"seconds": round(away)}
    if away > SKEW_FAIL_S:
        return Verdict("clock.skew", "far_off", facts)
    return Verdict("clock.skew", "off" if away > SKEW_WARN_S else None, facts)
