"""Messages of API v2 with one mistake each, and what the inspector has to say of it (acceptance B-1)."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import quote

from wechatpay.credentials import SignType, V2Key
from wechatpay.inspect.recipe import Keys
from wechatpay.inspect.search import Account
from wechatpay.v2 import signing

KEY = V2Key(3, "0123456789abcdefghijklmnopqrstUV")
OLD_KEY = V2Key(2, "ZYXWVUTSRQPONMLKJIHGFEDCBA987654")
V3_KEY = V2Key(1, "v3v3v3v3v3v3v3v3v3v3v3v3v3v3v3v3")
PROVIDER_APP, MINI, OTHER_MINI = "wx8888888888888888", "wx3f8c21d0b7e6a91c", "wx5b77e40aa1c2d3e4"
OPENID = "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"
ACCOUNT = Account(
    mch_id="1900000109",
    appid=PROVIDER_APP,
    sign_type=SignType.HMAC_SHA256,
    keys=Keys(KEY, (OLD_KEY,), (V3_KEY,)),
    sub_mch_ids=("1612345678",),
    sub_appids=(MINI, OTHER_MINI),
)
REQUEST = {
    "appid": PROVIDER_APP,
    "mch_id": "1900000109",
    "sub_mch_id": "1612345678",
    "sub_appid": MINI,
    "body": "拿铁 A/B 双人套餐",
    "out_trade_no": "T20261121000187",
    "total_fee": "12800",
    "notify_url": "https://pay.example.com/notify/wechat/abc/v2/payment",
    "trade_type": "JSAPI",
    "sub_openid": OPENID,
    "nonce_str": "5K8264ILTKCH16CQ2502SI8ZNMTM67VS",
    "sign_type": "HMAC-SHA256",
}
PAY = {
    "timeStamp": "1795242728",
    "nonceStr": "e61463f8efa94090b1f366cccfbbb444",
    "package": "prepay_id=wx21142032",
    "signType": "HMAC-SHA256",
}


def digest(text: str | bytes, secret: str = KEY.secret, kind: str = "HMAC-SHA256") -> str:
    whole = text if isinstance(text, bytes) else text.encode()
    match kind:
        case "HMAC-SHA256":
            return hmac.new(secret.encode(), whole, hashlib.sha256).hexdigest().upper()
        case "SHA-256":
            return hashlib.sha256(whole).hexdigest().upper()
        case _:
            return hashlib.md5(whole, usedforsecurity=False).hexdigest().upper()


def base(fields: Mapping[str, str]) -> str:
    return signing.sign_base(fields)


def signed(fields: Mapping[str, str], *, key: V2Key = KEY, kind: SignType = SignType.HMAC_SHA256) -> str:
    return signing.sign(fields, key, kind)


def joined(fields: Mapping[str, str], key: Callable[[str], str] | None = None) -> str:
    """Fields in an order of our own, empty ones too."""
    return "&".join(f"{name}={fields[name]}" for name in sorted(fields, key=key))


def xml(fields: Mapping[str, str], sign: str) -> str:
    return (
        "<xml>"
        + "".join(f"<{n}><![CDATA[{v}]]></{n}>" for n, v in {**fields, "sign": sign}.items())
        + "</xml>"
    )


def pay(fields: Mapping[str, object], sign: str) -> str:
    return json.dumps({**fields, "paySign": sign}, ensure_ascii=False)


def pay_sign(fields: Mapping[str, str], app: str | None = MINI, kind: SignType = SignType.HMAC_SHA256) -> str:
    return signing.sign({**fields, "appId": app}, KEY, kind)


@dataclass(frozen=True)
class Mutation:
    """A text with one mistake. `code` is what must be said of it, of `field` if one is to blame."""

    name: str
    make: Callable[[], str | bytes]
    code: str
    field: str | None = None


def whole(string: str) -> Callable[[], str]:
    """A request that was signed over `string`, key included."""
    return lambda: xml(REQUEST, digest(string))


def changed(before: Mapping[str, str], **sent: str) -> Callable[[], str]:
    """A request signed with `before` and sent with other values."""
    return lambda: xml(REQUEST | sent, signed(REQUEST | dict(before)))


RIGHT = signed(REQUEST)
KEYED = f"{base(REQUEST)}&key={KEY.secret}"
WITH_EMPTY = REQUEST | {"device_info": ""}
SPACED = REQUEST | {"body": "拿铁 A/B "}
CAPITAL = REQUEST | {"Attach": "x"}
WITHOUT = {name: value for name, value in REQUEST.items() if name != "sign_type"}
CALLBACK = REQUEST | {"return_code": "SUCCESS", "transaction_id": "4200002611202611215530918274"}
del CALLBACK["sign_type"]

MUTATIONS = (
    Mutation("lower-case hex", lambda: xml(REQUEST, RIGHT.lower()), "sign_lower_case", "sign"),
    Mutation("a line end behind the signature", lambda: xml(REQUEST, RIGHT + "\n"), "sign_blank", "sign"),
    Mutation("cut to 32 digits by a column", lambda: xml(REQUEST, RIGHT[:32]), "sign_cut", "sign"),
    Mutation("its last digit lost", lambda: xml(REQUEST, RIGHT[:-1]), "sign_cut", "sign"),
    Mutation("a BOM before the body", lambda: b"\xef\xbb\xbf" + xml(REQUEST, RIGHT).encode(), "bom"),
    Mutation("a body in GBK", lambda: xml(REQUEST, RIGHT).encode("gbk"), "body_not_utf8"),
    Mutation("a body cut off", lambda: xml(REQUEST, RIGHT)[:-4], "cut_off"),
    Mutation("a document type", lambda: "<!DOCTYPE xml>" + xml(REQUEST, RIGHT), "doctype"),
    Mutation(
        "a field twice",
        lambda: xml(REQUEST, RIGHT).replace("</xml>", "<total_fee>1</total_fee></xml>"),
        "duplicate_field",
        "total_fee",
    ),
    Mutation("a capital in a name", changed({"Attach": "x"}, Attach="x"), "field_name", "Attach"),
    Mutation(
        "somebody else's account",
        lambda: xml(REQUEST | {"mch_id": "1900009999"}, "A" * 64),
        "foreign_account",
        "mch_id",
    ),
    Mutation(
        "fields unsorted",
        whole("&".join(f"{n}={v}" for n, v in REQUEST.items()) + f"&key={KEY.secret}"),
        "order_as_sent",
    ),
    Mutation(
        "sorted without regard to case",
        lambda: xml(CAPITAL, digest(f"{joined(CAPITAL, key=str.lower)}&key={KEY.secret}")),
        "order_ignoring_case",
    ),
    Mutation(
        "an empty value signed",
        lambda: xml(WITH_EMPTY, digest(f"{joined(WITH_EMPTY)}&key={KEY.secret}")),
        "empty_signed",
    ),
    Mutation(
        "an empty value signed as null",
        lambda: xml(WITH_EMPTY, signed(WITH_EMPTY | {"device_info": "null"})),
        "null_signed",
    ),
    Mutation(
        "an empty sign signed",
        whole(f"{joined(REQUEST | {'sign': ''})}&key={KEY.secret}"),
        "sign_signed",
        "sign",
    ),
    Mutation(
        "a blank that was trimmed",
        lambda: xml(SPACED, signed(SPACED | {"body": SPACED["body"].strip()})),
        "blank_in_value",
        "body",
    ),
    Mutation("a blank that was not sent", changed({"body": REQUEST["body"] + " "}), "blank_signed", "body"),
    Mutation(
        "a line end that was not sent",
        changed({"out_trade_no": "T20261121000187\n"}),
        "blank_signed",
        "out_trade_no",
    ),
    Mutation(
        "entities signed",
        lambda: xml(REQUEST | {"body": "A&B"}, signed(REQUEST | {"body": "A&amp;B"})),
        "entities_signed",
        "body",
    ),
    Mutation(
        "entities escaped twice",
        lambda: xml(REQUEST | {"body": "A&amp;B"}, signed(REQUEST | {"body": "A&B"})),
        "entities_resolved",
        "body",
    ),
    Mutation(
        "CDATA signed",
        lambda: xml(REQUEST, signed({n: f"<![CDATA[{v}]]>" for n, v in REQUEST.items()})),
        "cdata_signed",
    ),
    Mutation(
        "URL-encoded before signing",
        lambda: xml(REQUEST, signed({n: quote(v, safe="") for n, v in REQUEST.items()})),
        "url_encoded",
    ),
    Mutation(
        "one value URL-encoded",
        changed({"notify_url": quote(REQUEST["notify_url"], safe="")}),
        "url_encoded",
        "notify_url",
    ),
    Mutation("sent URL-encoded", changed({}, body=quote(REQUEST["body"], safe="")), "url_decoded", "body"),
    Mutation("signed in GBK", lambda: xml(REQUEST, digest(KEYED.encode("gbk"))), "encoding_gbk"),
    Mutation(
        "signed as ISO-8859-1",
        changed({"body": REQUEST["body"].encode().decode("latin-1")}),
        "encoding_latin",
        "body",
    ),
    Mutation(
        "signed as question marks",
        lambda: xml(REQUEST, digest(KEYED.encode("ascii", "replace"))),
        "encoding_lost",
    ),
    Mutation("a BOM in the string", whole("\ufeff" + KEYED), "bom_signed"),
    Mutation(
        "slashes escaped as PHP does",
        changed({"body": REQUEST["body"].replace("/", "\\/")}),
        "json_escaped",
        "body",
    ),
    Mutation(
        "Chinese escaped as PHP does",
        changed({"body": json.dumps(REQUEST["body"])[1:-1]}),
        "json_escaped",
        "body",
    ),
    Mutation("quotes signed", changed({"body": f'"{REQUEST["body"]}"'}), "quoted", "body"),
    Mutation(
        "neutralised after signing",
        lambda: xml(REQUEST | {"body": "A＆B"}, signed(REQUEST | {"body": "A&B"})),
        "full_width",
        "body",
    ),
    Mutation(
        "sign_type not signed", lambda: xml(REQUEST, signed(WITHOUT)), "sign_type_not_signed", "sign_type"
    ),
    Mutation("sign_type not sent", lambda: xml(WITHOUT, RIGHT), "sign_type_not_sent", "sign_type"),
    Mutation(
        "MD5 though it says HMAC", lambda: xml(REQUEST, signed(REQUEST, kind=SignType.MD5)), "algorithm"
    ),
    Mutation("HMAC without saying so", lambda: xml(WITHOUT, signed(WITHOUT)), "algorithm"),
    Mutation("a replaced key", lambda: xml(REQUEST, signed(REQUEST, key=OLD_KEY)), "key_old"),
    Mutation("the API v3 key", lambda: xml(REQUEST, signed(REQUEST, key=V3_KEY)), "key_v3"),
    Mutation(
        "the key in lower case",
        lambda: xml(REQUEST, digest(f"{base(REQUEST)}&key={KEY.secret.lower()}", KEY.secret.lower())),
        "key_lower_case",
    ),
    Mutation(
        "the key in upper case",
        lambda: xml(REQUEST, digest(f"{base(REQUEST)}&key={KEY.secret.upper()}", KEY.secret.upper())),
        "key_upper_case",
    ),
    Mutation(
        "a line end behind the key",
        lambda: xml(REQUEST, digest(KEYED + "\n", KEY.secret + "\n")),
        "key_with_blank",
    ),
    Mutation("the key without its name", whole(f"{base(REQUEST)}{KEY.secret}"), "key_without_name"),
    Mutation("key= without &", whole(f"{base(REQUEST)}key={KEY.secret}"), "key_joined"),
    Mutation("HMAC without &key=", whole(base(REQUEST)), "hmac_without_key_field"),
    Mutation("MD5 without the key", lambda: xml(WITHOUT, digest(base(WITHOUT), kind="MD5")), "key_missing"),
    Mutation("SHA-256 instead of HMAC", lambda: xml(REQUEST, digest(KEYED, kind="SHA-256")), "plain_hash"),
    Mutation(
        "a field added after signing",
        lambda: xml(REQUEST | {"attach": "ord_1"}, RIGHT),
        "field_not_signed",
        "attach",
    ),
    Mutation(
        "a field removed after signing",
        lambda: xml({n: v for n, v in REQUEST.items() if n != "sub_appid"}, RIGHT),
        "field_not_sent",
        "sub_appid",
    ),
    Mutation("an amount in yuan signed", changed({"total_fee": "128.00"}), "amount_unit", "total_fee"),
    Mutation("an amount in yuan sent", changed({}, total_fee="128"), "amount_unit", "total_fee"),
    Mutation("a value in another case", changed({"trade_type": "jsapi"}), "value_case", "trade_type"),
    Mutation(
        "another sub-merchant's number sent",
        changed({}, sub_mch_id="1699999999"),
        "identity_changed",
        "sub_mch_id",
    ),
    Mutation("an & too much at the end", whole(f"{base(REQUEST)}&&key={KEY.secret}"), "joined_with_more"),
    Mutation(
        "paySign for the provider's app",
        lambda: pay(PAY, pay_sign(PAY, PROVIDER_APP)),
        "appid_of_another",
        "appId",
    ),
    Mutation("paySign without appId", lambda: pay(PAY, pay_sign(PAY, None)), "field_not_signed", "appId"),
    Mutation(
        "paySign over timestamp",
        lambda: pay(PAY, pay_sign({n.replace("timeStamp", "timestamp"): v for n, v in PAY.items()})),
        "name_case",
        "timeStamp",
    ),
    Mutation(
        "paySign over nonce_str",
        lambda: pay(PAY, pay_sign({n.replace("nonceStr", "nonce_str"): v for n, v in PAY.items()})),
        "name_spelling",
        "nonceStr",
    ),
    Mutation(
        "paySign over milliseconds",
        lambda: pay(PAY, pay_sign(PAY | {"timeStamp": "1795242728000"})),
        "time_unit",
        "timeStamp",
    ),
    Mutation(
        "milliseconds handed out",
        lambda: pay(PAY | {"timeStamp": "1795242728123"}, pay_sign(PAY)),
        "time_unit",
        "timeStamp",
    ),
    Mutation(
        "a number for a text",
        lambda: pay(PAY | {"timeStamp": 1795242728}, pay_sign(PAY)),
        "json_number",
        "timeStamp",
    ),
    Mutation(
        "package without prepay_id=",
        lambda: pay(PAY | {"package": "wx21142032"}, pay_sign(PAY)),
        "package_prefix",
        "package",
    ),
    Mutation(
        "package signed without prepay_id=",
        lambda: pay(PAY, pay_sign(PAY | {"package": "wx21142032"})),
        "package_prefix",
        "package",
    ),
    Mutation(
        "paySign in MD5 though it says HMAC", lambda: pay(PAY, pay_sign(PAY, kind=SignType.MD5)), "algorithm"
    ),
    Mutation(
        "paysign in lower case",
        lambda: pay(PAY, pay_sign(PAY)).replace("paySign", "paysign"),
        "sign_name",
        "paysign",
    ),
    Mutation("the key pasted with the string", lambda: f"{KEYED}&sign={RIGHT}", "key_in_text", "key"),
)
