"""Every code has its explanation, in both languages (wechatpay-v2 1.5, 1.6, 2.5, 4.1-4.7, 8.1)."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from wechatpay import explain as explanations
from wechatpay.explain import Who, all_explanations, explain
from wechatpay.gateway import TradeState

COMMON = (
    "SYSTEMERROR SIGNERROR XML_FORMAT_ERROR POST_DATA_EMPTY REQUIRE_POST_METHOD NOT_UTF8 LACK_PARAMS "
    "PARAM_ERROR INVALID_REQUEST APPID_NOT_EXIST MCHID_NOT_EXIST APPID_MCHID_NOT_MATCH NOAUTH "
    "FREQUENCY_LIMITED FREQUENCE_LIMITED CERT_ERROR"
)
V3 = (
    "SYSTEM_ERROR SYSTEMERROR SERVICE_UNAVAILABLE BANK_ERROR BANKERROR BIZ_ERR_NEED_RETRY BIZERR_NEED_RETRY "
    "SIGN_ERROR SIGNERROR PARAM_ERROR INVALID_REQUEST NO_AUTH NOAUTH RULE_LIMIT RULELIMIT FREQUENCY_LIMITED "
    "RATELIMIT_EXCEEDED RATELIMIT_EXCEED FREQUENCY_LIMIT_EXCEED MCH_NOT_EXISTS MCHID_NOT_EXIST "
    "APPID_MCHID_NOT_MATCH NOT_FOUND"
)
BILLS = (
    "SYSTEM_ERROR SERVICE_UNAVAILABLE SIGN_ERROR PARAM_ERROR INVALID_REQUEST NO_AUTH NOAUTH "
    "FREQUENCY_LIMITED RATELIMIT_EXCEEDED RATELIMIT_EXCEED FREQUENCY_LIMIT_EXCEED"
)
CODES = {
    "unifiedorder": f"{COMMON} ORDERPAID ORDERCLOSED OUT_TRADE_NO_USED NOTENOUGH",
    "orderquery": f"{COMMON} ORDERNOTEXIST",
    "closeorder": f"{COMMON} ORDERPAID ORDERCLOSED ORDERNOTEXIST TRADE_STATE_ERROR",
    "micropay": f"{COMMON} USERPAYING BANKERROR ORDERPAID AUTHCODEEXPIRE AUTH_CODE_ERROR AUTH_CODE_INVALID "
    "NOTENOUGH NOTSUPORTCARD ORDERCLOSED ORDERREVERSED BUYER_MISMATCH OUT_TRADE_NO_USED TRADE_ERROR "
    "RULELIMIT",
    "reverse": f"{COMMON} INVALID_TRANSACTIONID REVERSE_EXPIRE TRADE_ERROR ORDERNOTEXIST",
    "refund": f"{COMMON} BIZERR_NEED_RETRY INVALID_REQ_TOO_MUCH NOTENOUGH ORDER_NOT_READY TRADE_OVERDUE "
    "ORDERNOTEXIST INVALID_TRANSACTIONID REFUND_FEE_MISMATCH USER_ACCOUNT_ABNORMAL ERROR",
    "refundquery": f"{COMMON} REFUNDNOTEXIST INVALID_TRANSACTIONID",
    "jscode2session": "-1 40029 40163 45011 40226 40013 40125 41002 41004 41008",
    "v3.prepay": f"{V3} ORDER_PAID ORDERPAID ORDER_CLOSED ORDERCLOSED OUT_TRADE_NO_USED OPENID_MISMATCH "
    "ACCOUNT_ERROR NOT_ENOUGH NOTENOUGH TRADE_ERROR",
    "v3.query": f"{V3} ORDER_NOT_EXIST ORDERNOTEXIST RESOURCE_NOT_EXISTS TRADE_ERROR INVALID_TRANSACTIONID",
    "v3.close": f"{V3} ORDER_PAID ORDERPAID ORDER_CLOSED ORDERCLOSED ORDER_NOT_EXIST ORDERNOTEXIST "
    "RESOURCE_NOT_EXISTS TRADE_ERROR",
    "v3.refund": f"{V3} NOT_ENOUGH NOTENOUGH USER_ACCOUNT_ABNORMAL REQUEST_BLOCKED RESOURCE_NOT_EXISTS "
    "ORDER_NOT_EXIST ORDERNOTEXIST TRADE_OVERDUE REFUND_FEE_MISMATCH",
    "v3.refund_query": f"{V3} RESOURCE_NOT_EXISTS REFUNDNOTEXIST",
    "v3.certificates": f"{V3} RESOURCE_NOT_EXISTS",
    "v3.echo": V3,
    "downloadbill": f"{COMMON} 20001 20002 20003 100 20100 20007",
    "downloadfundflow": f"{COMMON} NO_BILL_EXIST BILL_CREATING",
    **dict.fromkeys(
        ("v3.tradebill", "v3.fundflowbill", "v3.sub_fundflowbill"),
        f"{BILLS} NO_STATEMENT_EXIST STATEMENT_CREATING",
    ),
    "v3.billdownload": BILLS,
    "requestPayment": "ok cancel fail",
    "trade_state": " ".join(TradeState),
}


@pytest.mark.parametrize(("api", "code"), [(api, code) for api in CODES for code in CODES[api].split()])
def test_every_code_of_the_tables_is_explained(api: str, code: str) -> None:
    found = explain(api, code)
    assert found is not None
    assert found.code == code


def test_no_entry_has_an_empty_or_unfinished_text() -> None:
    entries = all_explanations()
    assert len(entries) > 60
    for entry in entries:
        assert isinstance(entry.who, Who)
        for chinese in (entry.cause_zh, entry.fix_zh):
            assert re.search(r"[\u4e00-\u9fff]", chinese), entry
            assert chinese.endswith("。"), entry
        for english in (entry.cause_en, entry.fix_en):
            assert re.fullmatch(r"[A-Z][ -~]+\.", english), entry


def test_no_code_of_a_call_is_described_twice() -> None:
    tables = sorted(Path(explanations.__file__).parent.glob("explain*.toml"))
    rows = [row for table in tables for row in tomllib.loads(table.read_text(encoding="utf-8"))["entry"]]
    plain = [
        (api, code) for row in rows if "message" not in row for api in row["api"] for code in row["code"]
    ]
    assert len(plain) > 200
    assert [one for one in plain if plain.count(one) > 1] == []


@pytest.mark.parametrize(
    ("message", "part"),
    [
        ("签名错误", "signature"),
        ("sub_mch_id与sub_appid不匹配", "not bound"),
        ("appid和mch_id不匹配", "not linked"),
        ("APPID_MCHID_NOT_MATCH", "not linked"),
        ("受理机构必须传入sub_mch_id", "without sub_mch_id"),
        ("子商户mchid不能与自身mchid相同", "own number"),
        ("受理关系不存在", "does not belong"),
        ("受理关系不可用", "does not belong"),
        ("appid与openid不匹配", "another appid"),
        ("sub_appid和sub_openid不匹配", "another appid"),
        ("无效的openid", "another appid"),
        ("商户号该产品权限未开通", "not opened"),
        ("特约子商户商户号未授权服务商的产品权限", "not opened"),
        ("此商家的收款功能已被限制，暂无法支付", "restricted"),
        ("商户号和订单不匹配", "another merchant number"),
        ("子商户号和订单信息不匹配", "another merchant number"),
        (
            "输入源“/body/xml/nonce_str”映射到值字段“随机串”字符串规则校验失败，字节数 64，大于最大值 32",
            "too long",
        ),
        ("XML格式错误", "malformed"),
        ("请使用post方法", "malformed"),
        ("缺少参数", "malformed"),
        ("something new", "text only"),
    ],
)
def test_the_texts_of_the_return_level_are_recognised_and_never_final(message: str, part: str) -> None:
    found = explain("unifiedorder", "FAIL", message)
    assert found is not None
    assert part in found.cause_en
    assert found.outcome == "unknown"


def test_a_re_entry_with_other_values_is_not_a_final_refusal() -> None:
    again = explain("unifiedorder", "INVALID_REQUEST", "201 商户订单号重复")
    other = explain("unifiedorder", "INVALID_REQUEST", "notify_url不能为空")
    assert again is not None
    assert other is not None
    assert (again.outcome, other.outcome) == ("unknown", "refused")


@pytest.mark.parametrize(
    ("api", "code", "message", "part", "outcome"),
    [
        ("v3.prepay", "PARAM_ERROR", "受理关系不存在", "does not belong", "refused"),
        ("v3.prepay", "INVALID_REQUEST", "子商户mchid不能与自身mchid相同", "own number", "refused"),
        ("v3.query", "INVALID_REQUEST", "子商户号和订单信息不匹配", "another sub-merchant", "refused"),
        ("v3.query", "INVALID_REQUEST", "商户号和订单不匹配", "another sub-merchant", "refused"),
        ("v3.prepay", "PARAM_ERROR", "缺少openid", "openid", "refused"),
        ("v3.prepay", "INVALID_REQUEST", "商户订单号重复，但参数不一致", "other parameters", "unknown"),
        ("v3.prepay", "RULE_LIMIT", "此商家的收款功能已被限制", "restricted", "refused"),
        (
            "v3.prepay",
            "SIGN_ERROR",
            "Http头Authorization中的timestamp与发起请求的时间不得超过5分钟",
            "five minutes",
            "refused",
        ),
        ("v3.refund", "SIGN_ERROR", "签名错误，请检查后再试", "API certificate", "retry"),
        ("v3.prepay", "APPID_MCHID_NOT_MATCH", "sub_appid与sub_mchid不匹配", "sub_appid", "refused"),
        ("v3.prepay", "APPID_MCHID_NOT_MATCH", "appid和mch_id不匹配", "not linked", "refused"),
        ("v3.refund", "INVALID_REQUEST", "订单金额或退款金额与之前请求不一致", "other parameters", "unknown"),
        ("v3.refund", "INVALID_REQUEST", "退款过于频繁，请稍后再试", "within a minute", "retry"),
        ("v3.refund", "INVALID_REQUEST", "申请退款金额大于可退金额", "exceeds", "refused"),
        ("v3.refund", "FREQUENCY_LIMITED", "频率超限", "took this one on", "unknown"),
        ("v3.query", "FREQUENCY_LIMITED", "频率超限", "did not accept", "retry"),
        ("downloadbill", "20001", "SIGN ERROR", "API v2 key", "refused"),
        ("downloadbill", "20001", "invalid bill_date", "three months", "refused"),
        ("downloadbill", "20001", "invalid bill_type", "faulty", "refused"),
        ("downloadbill", "20002", "No Bill Exist", "Nothing was paid", "closed"),
        ("downloadbill", "20002", "Bill Creating", "still making", "retry"),
        ("v3.tradebill", "PARAM_ERROR", "bill_date 无效", "three months", "refused"),
        ("v3.tradebill", "PARAM_ERROR", "sub_mchid 无效", "not this provider's", "refused"),
        ("v3.tradebill", "SIGN_ERROR", "timestamp", "five minutes", "refused"),
        ("v3.billdownload", "INVALID_REQUEST", "token", "no longer good", "retry"),
    ],
)
def test_what_wechat_says_beside_a_code_of_v3_is_recognised(
    api: str, code: str, message: str, part: str, outcome: str
) -> None:
    found = explain(api, code, message)
    assert found is not None
    assert part in found.cause_en
    assert found.outcome == outcome


@pytest.mark.parametrize(
    ("api", "codes", "outcome"),
    [
        pytest.param("micropay", "USERPAYING SYSTEMERROR BANKERROR", "unknown", id="micropay: open"),
        pytest.param("micropay", "AUTHCODEEXPIRE NOTENOUGH NOTSUPORTCARD", "refused", id="micropay: final"),
        pytest.param("reverse", "SYSTEMERROR TRADE_ERROR INVALID_REQUEST", "unknown", id="reverse: open"),
        pytest.param("refund", "SYSTEMERROR BIZERR_NEED_RETRY REFUND_FEE_MISMATCH", "unknown", id="R3"),
        pytest.param(
            "refund",
            "FREQUENCY_LIMITED INVALID_REQ_TOO_MUCH ORDER_NOT_READY NOTENOUGH",
            "retry",
            id="F06: once more under the same number",
        ),
        pytest.param("refund", "TRADE_OVERDUE USER_ACCOUNT_ABNORMAL ERROR NOAUTH", "refused", id="R5"),
    ],
)
def test_what_a_code_says_of_the_money(api: str, codes: str, outcome: str) -> None:
    for code in codes.split():
        found = explain(api, code)
        assert found is not None
        assert (code, found.outcome) == (code, outcome)


def test_no_fix_for_a_refund_ever_asks_for_another_number_while_it_is_open() -> None:
    for entry in all_explanations():
        if entry.api in {"refund", "v3.refund"} and entry.outcome != "refused":
            assert "new refund" not in entry.fix_en, entry.code


def test_the_same_code_means_different_things_to_different_calls() -> None:
    ordering, closing = explain("unifiedorder", "ORDERCLOSED"), explain("closeorder", "ORDERCLOSED")
    assert ordering is not None
    assert closing is not None
    assert ordering.fix_en != closing.fix_en


@pytest.mark.parametrize(
    ("message", "part"),
    [
        ("requestPayment:fail cancel", "closed the cashier"),
        ("支付验证签名失败", "paySign"),
        ("调用支付JSAPI缺少参数：total_fee", "expired"),
        ("requestPayment:fail no permission", "restricted"),
        ("requestPayment:fail banned", "restricted"),
        ("requestPayment:fail", "could not be opened"),
    ],
)
def test_what_the_phone_says_is_explained(message: str, part: str) -> None:
    found = explain("requestPayment", "fail", message)
    assert found is not None
    assert part in found.cause_en


def test_an_unheard_of_code_has_no_explanation() -> None:
    assert explain("unifiedorder", "A_CODE_OF_NEXT_YEAR") is None


# --- the catalogue is complete (B-2) -----------------------------------------------------------------------

SIMULATOR = Path(__file__).resolve().parents[2] / "platform" / "spsim"
OPERATIONS = tuple(api for api in CODES if api not in {"jscode2session", "requestPayment", "trade_state"})
_MENU = re.compile("服务商平台|商户平台|后台|产品中心|→")


def _codes_of_the_simulator() -> Iterator[str]:
    """Yield every code that the simulator declines with, as its sources write it."""
    for path in sorted(SIMULATOR.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or not node.args:
                continue
            called = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
            # By API v2 the code comes first, by v3 after the status.
            at = {"Declined": 0, "Failed": 1}.get(called)
            if at is None or len(node.args) <= at:
                continue
            told = node.args[at]
            if isinstance(told, ast.Constant) and isinstance(told.value, str):
                yield told.value


def test_B2_every_code_that_the_simulator_can_answer_with_is_explained() -> None:
    codes = set(_codes_of_the_simulator())
    assert len(codes) > 15
    explained = {entry.code for entry in all_explanations()}
    assert codes - explained == set()
    for code in codes:
        assert any(explain(api, code) for api in OPERATIONS), code


def test_B2_no_entry_is_without_a_test() -> None:
    known = {(api, code) for api in CODES for code in CODES[api].split()}
    for entry in all_explanations():
        if entry.code == "FAIL":
            continue
        apis = [api for api in CODES if entry.api in (api, "*")]
        assert any((api, entry.code) in known for api in apis), (entry.api, entry.code)


def test_B2_every_entry_that_names_a_menu_says_when_it_was_looked_up() -> None:
    named = [entry for entry in all_explanations() if _MENU.search(entry.fix_zh)]
    assert len(named) > 5
    for entry in named:
        assert isinstance(entry.menu_checked, date), (entry.api, entry.code)
        assert entry.menu_checked >= date(2026, 1, 1)
    assert all(entry.menu_checked is None for entry in all_explanations() if entry not in named)
