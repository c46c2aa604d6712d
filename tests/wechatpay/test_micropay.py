"""Payment codes: charging and reversing (wechatpay-v2 4.1, 4.2; G02-G05, G13, F09)."""

from __future__ import annotations

import asyncio

import pytest
from tests.support.loopback import Received, always, http, loopback
from tests.support.v2_counterpart import NUMBER, Counterpart, OneLine, merchant, new_order, partner, xml

from wechatpay.credentials import ClientCertificate, Credentials, SignType
from wechatpay.errors import EchoMismatch, InvalidRequest, NotSent, Refused, UnknownOutcome
from wechatpay.gateway import Gateway, NewOrder, TradeState, TradeType
from wechatpay.identifiers import AuthCode, InvalidIdentifier
from wechatpay.money import Fen
from wechatpay.transport import Transport
from wechatpay.v2.gateway import V2Gateway

CODE = AuthCode("134567890123456789")


def sale(**changes: object) -> NewOrder:
    return new_order(trade_type=TradeType.MICROPAY, openid=None, **changes)


@pytest.mark.parametrize(
    "credentials",
    [partner(), partner(SignType.MD5, sub_appid=None), merchant()],
    ids=["sub_appid", "MD5", "merchant"],
)
async def test_a_code_is_charged_with_exactly_its_fields(
    gateway: Gateway, wechat: Counterpart, credentials: Credentials
) -> None:
    wechat.sign_type = credentials.sign_type
    state = await gateway.charge(credentials, sale(amount=Fen(1280)), CODE)
    assert (state.trade_state, state.trade_type) == (TradeState.SUCCESS, TradeType.MICROPAY)
    assert (state.out_trade_no, state.total_fee) == (NUMBER, Fen(1280))
    assert state.transaction_id is not None
    assert state.time_end is not None
    [sent] = wechat.requests
    assert {name: sent.pop(name) for name in ("nonce_str", "sign")}
    assert sent == {
        **credentials.identity(),
        "sign_type": credentials.sign_type.value,
        "auth_code": CODE.text,
        "body": "小张南山店-超市",
        "attach": "ord_01JD",
        "out_trade_no": NUMBER.text,
        "total_fee": "1280",
        "spbill_create_ip": "203.0.113.9",
        "time_start": "20261121205000",
        "time_expire": "20261121212000",
    }


@pytest.mark.parametrize("code", ["USERPAYING", "SYSTEMERROR", "BANKERROR"])
async def test_T2_while_the_payer_or_the_bank_acts_the_outcome_is_unknown(
    gateway: Gateway, wechat: Counterpart, code: str
) -> None:
    wechat.overrides = {"result_code": "FAIL", "err_code": code, "err_code_des": "等待", "total_fee": None}
    with pytest.raises(UnknownOutcome) as outcome:
        await gateway.charge(partner(), sale(), CODE)
    assert outcome.value.reason == code


@pytest.mark.parametrize(
    ("code", "definitive"),
    [("AUTHCODEEXPIRE", True), ("NOTENOUGH", True), ("NOTSUPORTCARD", True), ("ORDERPAID", False)],
)
async def test_a_refused_code_says_whether_that_is_final(
    gateway: Gateway, wechat: Counterpart, code: str, definitive: bool
) -> None:
    wechat.overrides = {"result_code": "FAIL", "err_code": code, "total_fee": None}
    with pytest.raises(Refused) as refusal:
        await gateway.charge(partner(), sale(), CODE)
    assert (refusal.value.code, refusal.value.definitive) == (code, definitive)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("out_trade_no", "T0007-20261121_000002"),
        ("out_trade_no", None),
        ("total_fee", "2"),
        ("total_fee", None),
        ("trade_type", "JSAPI"),
        ("trade_type", None),
        ("sub_mch_id", "1900000201"),
    ],
)
async def test_G05_G13_a_payment_of_something_else_is_unknown(
    gateway: Gateway, wechat: Counterpart, name: str, value: str | None
) -> None:
    wechat.overrides = {name: value}
    with pytest.raises(EchoMismatch) as mismatch:
        await gateway.charge(partner(), sale(), CODE)
    assert mismatch.value.field == name


@pytest.mark.parametrize("name", ["transaction_id", "time_end"])
async def test_a_payment_without_its_proof_is_unknown(
    gateway: Gateway, wechat: Counterpart, name: str
) -> None:
    wechat.overrides = {name: None}
    with pytest.raises(UnknownOutcome) as outcome:
        await gateway.charge(partner(), sale(), CODE)
    assert outcome.value.reason == f"answer_without_{name}"


async def test_A02_the_code_is_in_no_record_no_text_and_no_error(
    gateway: Gateway, wechat: Counterpart
) -> None:
    state = await gateway.charge(partner(), sale(), CODE)
    wechat.raw = http(xml({"return_code": "FAIL", "return_msg": f"付款码 {CODE.text} 无效"}))
    with pytest.raises(Refused) as refusal:
        await gateway.charge(partner(), sale(), CODE)
    for text in (
        repr(CODE),
        str(CODE),
        f"{CODE}",
        repr(state),
        repr(refusal.value),
        refusal.value.message,
        repr(refusal.value.call),
    ):
        assert CODE.text not in text
    assert refusal.value.message == "付款码 *** 无效"


@pytest.mark.parametrize("text", ["", "13456789012345678", "1345678901234567890", "16" * 9, "１" * 18])
def test_what_is_no_payment_code_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(InvalidIdentifier) as refusal:
        AuthCode(text)
    assert not text or text not in str(refusal.value)


async def test_only_a_payment_code_order_is_charged(gateway: Gateway, wechat: Counterpart) -> None:
    with pytest.raises(InvalidRequest):
        await gateway.charge(partner(), new_order(), CODE)
    assert wechat.requests == []


async def test_G10_a_charge_is_not_repeated_at_the_backup_host_once_it_may_have_been_heard() -> None:
    async with loopback(always(http(b"", status="502 Bad"))) as main, loopback(Counterpart()) as backup:
        transport = Transport(main.url, backup.url)
        with pytest.raises(UnknownOutcome) as outcome:
            await V2Gateway(transport, OneLine(transport)).charge(partner(), sale(), CODE)
        await transport.aclose()
    assert outcome.value.reason == "http_502"
    assert (len(main.received), len(backup.received)) == (1, 0)


async def test_G10_a_charge_that_was_surely_not_sent_goes_to_the_backup_host() -> None:
    async with loopback(Counterpart()) as backup:
        transport = Transport("http://nobody.invalid", backup.url)
        state = await V2Gateway(transport, OneLine(transport)).charge(partner(), sale(), CODE)
        await transport.aclose()
    assert state.trade_state is TradeState.SUCCESS


async def test_a_charge_may_take_longer_than_any_other_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wechatpay.v2.micropay.CHARGE_DEADLINE_S", 2.0)
    counterpart = Counterpart()

    async def slowly(request: Received, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.3)
        await counterpart(request, writer)

    async with loopback(slowly) as host:
        transport = Transport(host.url, read_timeout=0.1, deadline_s=0.15)
        gateway = V2Gateway(transport, OneLine(transport))
        assert (await gateway.charge(partner(), sale(), CODE)).trade_state is TradeState.SUCCESS
        with pytest.raises(UnknownOutcome):
            await gateway.query(partner(), NUMBER)
        monkeypatch.setattr("wechatpay.v2.micropay.CHARGE_DEADLINE_S", 0.1)
        with pytest.raises(UnknownOutcome) as bounded:
            await gateway.charge(partner(), sale(), CODE)
        await transport.aclose()
    assert bounded.value.reason == "timeout"


# reverse


async def test_a_reversal_is_called_again_until_wechat_is_done(
    gateway: Gateway, wechat: Counterpart, secure: OneLine, certificate: ClientCertificate
) -> None:
    await gateway.charge(partner(), sale(), CODE)
    wechat.desk.recalls = 1
    assert (await gateway.reverse(partner(), certificate, NUMBER)).again
    done = await gateway.reverse(partner(), certificate, NUMBER)
    assert not done.again
    assert (done.call.operation, done.call.url_path) == ("reverse", "/secapi/pay/reverse")
    assert secure.shown == [certificate, certificate]
    sent = wechat.requests[-1]
    assert sent.keys() - partner().identity().keys() == {"out_trade_no", "nonce_str", "sign_type", "sign"}


@pytest.mark.parametrize("recall", [None, "", "X"])
async def test_a_reversal_that_does_not_say_whether_it_is_done_is_unknown(
    gateway: Gateway, wechat: Counterpart, certificate: ClientCertificate, recall: str | None
) -> None:
    await gateway.charge(partner(), sale(), CODE)
    wechat.overrides = {"recall": recall}
    with pytest.raises(UnknownOutcome) as outcome:
        await gateway.reverse(partner(), certificate, NUMBER)
    assert outcome.value.reason == "answer_without_recall"


async def test_F09_nothing_is_reversed_with_another_provider_s_certificate(
    gateway: Gateway, wechat: Counterpart, secure: OneLine, foreign_certificate: ClientCertificate
) -> None:
    with pytest.raises(NotSent) as failure:
        await gateway.reverse(partner(), foreign_certificate, NUMBER)
    assert failure.value.reason == "foreign_certificate"
    assert failure.value.call is not None
    assert failure.value.call.operation == "reverse"
    assert (wechat.requests, secure.shown) == ([], [])
