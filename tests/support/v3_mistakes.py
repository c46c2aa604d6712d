"""Messages of API v3 with one mistake each, and what the inspector has to say of it (acceptance B-1)."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from tests.support.certificates import rsa_key

from wechatpay.credentials import ApiV3Key, V2Key
from wechatpay.inspect.v3.report import Account, OwnKey
from wechatpay.v3.platform_keys import PlatformKey

OWN, OLD, PLATFORM, CERTIFICATE, STRANGER, ENDED = (
    rsa_key(f"an inspector's {name}")
    for name in ("own", "old", "platform", "certificate", "stranger", "ended")
)
NOW = datetime(2026, 11, 21, 0, 0, 40, tzinfo=UTC)
TIME, NONCE = "1795219231", "EKuuTtSLJqXvEwVQPVXmvPvnBzFbUJQY"
SERIAL, OLD_SERIAL = "4B1A5C0E7D9F2233445566778899AABBCCDDEEF0", "0157F09E"
KEY_ID, CERTIFICATE_SERIAL = (
    "PUB_KEY_ID_0119000000012026112100111101000000",
    "6A0F1E2D3C4B5A69788796A5B4C3D2E1",
)
ENDED_ID = "PUB_KEY_ID_0999"
V3_KEY, OLD_V3_KEY, V2_KEY = "TestOnlyApiV3Key0123456789abcdef", "OldOnlyApiV3Key00123456789abcdef", "2" * 32
MINI, OFFICIAL, PROVIDER_APP = "wxd678efh567hg6999", "wx3f8c21d0b7e6a91c", "wx8888888888888888"
OPENID = "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"
ACCOUNT = Account(
    mch_id="1900000100",
    appid=PROVIDER_APP,
    now=NOW,
    platform=(
        PlatformKey(KEY_ID, PLATFORM.public_key()),
        PlatformKey(CERTIFICATE_SERIAL, CERTIFICATE.public_key()),
        PlatformKey(ENDED_ID, ENDED.public_key(), None, NOW - timedelta(days=1)),
    ),
    own=(OwnKey(SERIAL, OWN.public_key()), OwnKey(OLD_SERIAL, OLD.public_key(), active=False)),
    opening=(ApiV3Key(3, V3_KEY),),
    old=(ApiV3Key(2, OLD_V3_KEY),),
    v2=(V2Key(1, V2_KEY),),
    sub_mch_ids=("1900000109",),
    sub_appids=(MINI, OFFICIAL),
)


def signed(key: rsa.RSAPrivateKey, message: bytes, digest: hashes.HashAlgorithm | None = None) -> bytes:
    return key.sign(message, padding.PKCS1v15(), digest or hashes.SHA256())


def b64(value: bytes) -> str:
    return base64.b64encode(value).decode()


# --- callbacks ---------------------------------------------------------------------------------------------


def envelope(secret: str = V3_KEY) -> str:
    told = {"out_trade_no": "T1", "payer": {"sp_openid": OPENID}, "attach": "拿铁 a/b"}
    sealed = AESGCM(secret.encode()).encrypt(b"61f9c719728a", json.dumps(told).encode(), b"transaction")
    whole = {
        "id": "EV-1",
        "summary": "支付成功",
        "resource": {
            "algorithm": "AEAD_AES_256_GCM",
            "ciphertext": b64(sealed),
            "associated_data": "transaction",
            "nonce": "61f9c719728a",
        },
    }
    return json.dumps(whole, ensure_ascii=False, separators=(",", ":"))


BODY = envelope()


def headers(body: str = BODY, key: rsa.RSAPrivateKey = PLATFORM, **changes: str | None) -> dict[str, str]:
    made: dict[str, str | None] = {
        "Wechatpay-Serial": KEY_ID,
        "Wechatpay-Timestamp": TIME,
        "Wechatpay-Nonce": NONCE,
        "Wechatpay-Signature": b64(signed(key, f"{TIME}\n{NONCE}\n{body}\n".encode())),
        "Wechatpay-Signature-Type": "WECHATPAY2-SHA256-RSA2048",
    }
    made |= {f"Wechatpay-{name.replace('_', '-')}": value for name, value in changes.items()}
    return {name: value for name, value in made.items() if value is not None}


def pasted(given: Mapping[str, str], body: str = BODY, first: str = "POST /notify HTTP/1.1") -> str:
    return "\n".join((first, *(f"{name}: {value}" for name, value in given.items()), "", body))


SIGNATURE = headers()["Wechatpay-Signature"]
PRETTY = json.dumps(json.loads(BODY), indent=2, ensure_ascii=False)
SPACED = json.dumps(json.loads(BODY), ensure_ascii=False)
ESCAPED = json.dumps(json.loads(BODY), separators=(",", ":"))
SORTED = json.dumps(json.loads(BODY), ensure_ascii=False, separators=(",", ":"), sort_keys=True)


def serial(value: str) -> str:
    return pasted(headers(Serial=value))


def signature(value: str) -> str:
    return pasted(headers(Signature=value))


@dataclass(frozen=True)
class Mutation:
    """A text with one mistake. `code` is what must be said of it, of `field` if one is to blame."""

    name: str
    make: Callable[[], str]
    code: str
    field: str | None = None


CALLBACKS = (
    *(
        Mutation(
            f"no {name}",
            lambda name=name: pasted(headers(**{name: None})),
            "header_missing",
            f"Wechatpay-{name}",
        )
        for name in ("Serial", "Timestamp", "Nonce", "Signature")
    ),
    Mutation(
        "another type", lambda: pasted(headers(Signature_Type="WECHATPAY2-SM2-WITH-SM3")), "signature_type"
    ),
    Mutation("a probe", lambda: signature("WECHATPAY/SIGNTEST/" + "A" * 325), "probe"),
    Mutation("pretty body", lambda: pasted(headers(), PRETTY), "body_reserialised"),
    Mutation("body with blanks", lambda: pasted(headers(), SPACED), "body_reserialised"),
    Mutation("body escaped", lambda: pasted(headers(), ESCAPED), "body_reserialised"),
    Mutation("signed escaped", lambda: pasted(headers(ESCAPED), BODY), "body_escaped"),
    Mutation("sorted when signed", lambda: pasted(headers(SORTED), BODY), "body_sorted"),
    Mutation(
        "body as text", lambda: pasted(headers(json.dumps(BODY, ensure_ascii=False)), BODY), "body_as_text"
    ),
    Mutation(
        "resource alone",
        lambda: pasted(
            headers(json.dumps(json.loads(BODY)["resource"], ensure_ascii=False, separators=(",", ":")))
        ),
        "body_of_resource",
    ),
    Mutation("no body", lambda: pasted(headers(""), BODY), "body_missing"),
    Mutation("our own serial", lambda: serial(SERIAL), "serial_is_ours", "Wechatpay-Serial"),
    Mutation("our own key", lambda: pasted(headers(key=OWN)), "signed_by_own_key"),
    Mutation("lower-case serial", lambda: serial(CERTIFICATE_SERIAL.lower()), "serial_spelling"),
    Mutation("the other of two keys", lambda: serial(CERTIFICATE_SERIAL), "serial_of_other_key"),
    Mutation("an ended key", lambda: pasted(headers(key=ENDED, Serial=ENDED_ID)), "serial_ended"),
    Mutation(
        "unknown public key",
        lambda: pasted(headers(key=STRANGER, Serial="PUB_KEY_ID_0777")),
        "unknown_public_key",
    ),
    Mutation(
        "unknown certificate", lambda: pasted(headers(key=STRANGER, Serial="7" * 40)), "unknown_certificate"
    ),
    Mutation("no serial at all", lambda: pasted(headers(key=STRANGER, Serial="none/such")), "serial_form"),
    Mutation("exchanged", lambda: pasted(headers(Timestamp=NONCE, Nonce=TIME)), "headers_exchanged"),
    Mutation("milliseconds", lambda: pasted(headers(Timestamp=TIME + "000")), "timestamp_unit"),
    Mutation("lower-case nonce", lambda: pasted(_with_nonce(NONCE.lower(), NONCE.upper())), "header_case"),
    Mutation("plus signs lost", lambda: signature(_with("+").replace("+", " ")), "signature_plus"),
    Mutation("URL-encoded", lambda: signature(quote(SIGNATURE, safe="")), "signature_url_encoded"),
    Mutation(
        "URL-safe", lambda: signature(SIGNATURE.replace("+", "-").replace("/", "_")), "signature_url_safe"
    ),
    Mutation("hex", lambda: signature(base64.b64decode(SIGNATURE).hex()), "signature_hex"),
    Mutation("cut off", lambda: signature(SIGNATURE[:300]), "signature_length"),
    Mutation("no base64", lambda: signature("*" * 344), "signature_not_base64"),
    Mutation("stale", lambda: pasted(_at("1795218000")), "stale_timestamp", "Wechatpay-Timestamp"),
    Mutation("the old v3 key", lambda: _encrypted(OLD_V3_KEY), "v3_key_old"),
    Mutation("pain 21: the v2 key", lambda: _encrypted(V2_KEY), "v3_key_is_v2_key"),
    Mutation("an unknown v3 key", lambda: _encrypted("9" * 32), "v3_key_wrong"),
)


def _with_nonce(used: str, told: str) -> dict[str, str]:
    made = headers(Nonce=told)
    made["Wechatpay-Signature"] = b64(signed(PLATFORM, f"{TIME}\n{used}\n{BODY}\n".encode()))
    return made


def _with(character: str) -> str:
    """A signature that holds this character; a nonce more or less makes another one."""
    assert character in SIGNATURE
    return SIGNATURE


def _at(timestamp: str) -> dict[str, str]:
    made = headers(Timestamp=timestamp)
    made["Wechatpay-Signature"] = b64(signed(PLATFORM, f"{timestamp}\n{NONCE}\n{BODY}\n".encode()))
    return made


def _encrypted(secret: str) -> str:
    body = envelope(secret)
    return pasted(headers(body), body)


# --- requests ----------------------------------------------------------------------------------------------

METHOD, URL = "POST", "/v3/pay/partner/transactions/jsapi"
QUERY_URL = "/v3/pay/partner/transactions/out-trade-no/T1%7Cx?sp_mchid=1900000100&sub_mchid=1900000109"
ORDER = json.dumps(
    {"sp_mchid": "1900000100", "sub_mchid": "1900000109", "description": "拿铁 a/b"},
    ensure_ascii=False,
    separators=(",", ":"),
)


def asked(
    string: bytes | None = None,
    *,
    method: str = METHOD,
    url: str = URL,
    body: str = ORDER,
    key: rsa.RSAPrivateKey = OWN,
    digest: hashes.HashAlgorithm | None = None,
    **parts: str | None,
) -> str:
    """A request that was signed over `string`, or over what the rules say."""
    right = f"{method}\n{url}\n{TIME}\n{NONCE}\n{body}\n".encode()
    given: dict[str, str | None] = {
        "mchid": "1900000100",
        "nonce_str": NONCE,
        "timestamp": TIME,
        "serial_no": SERIAL,
        "signature": b64(signed(key, right if string is None else string, digest)),
    }
    given |= parts
    joined = ",".join(f'{name}="{value}"' for name, value in given.items() if value is not None)
    return f"{method} {url} HTTP/1.1\nAuthorization: WECHATPAY2-SHA256-RSA2048 {joined}\n\n{body}"


def over(
    method: str = METHOD, url: str = URL, time: str = TIME, nonce: str = NONCE, body: str = ORDER
) -> bytes:
    return f"{method}\n{url}\n{time}\n{nonce}\n{body}\n".encode()


GET = over("GET", QUERY_URL, body="")
PATH = QUERY_URL.partition("?")[0]
REQUESTS = (
    Mutation("no last line end", lambda: asked(over()[:-1]), "last_line_end"),
    Mutation("CRLF", lambda: asked(over().replace(b"\n", b"\r\n")), "line_ends"),
    Mutation("backslash n", lambda: asked(over().replace(b"\n", b"\\n")), "line_ends"),
    Mutation("order", lambda: asked(f"{METHOD}\n{URL}\n{NONCE}\n{TIME}\n{ORDER}\n".encode()), "line_order"),
    Mutation(
        "no nonce line",
        lambda: asked(f"{METHOD}\n{URL}\n{TIME}\n{ORDER}\n".encode()),
        "line_missing",
        "nonce_str",
    ),
    Mutation("lower-case method", lambda: asked(over(method="post")), "method"),
    Mutation("GET for POST", lambda: asked(over(method="GET")), "method"),
    Mutation(
        "no query",
        lambda: asked(over("GET", PATH, body=""), method="GET", url=QUERY_URL, body=""),
        "query_missing",
        "url",
    ),
    Mutation(
        "query sorted",
        lambda: asked(over("GET", "/v3/x?a=2&b=1", body=""), method="GET", url="/v3/x?b=1&a=2", body=""),
        "query_order",
    ),
    Mutation("with the host", lambda: asked(over(url="https://api.mch.weixin.qq.com" + URL)), "target_host"),
    Mutation("without /v3", lambda: asked(over(url=URL.removeprefix("/v3"))), "target_version"),
    Mutation("no slash", lambda: asked(over(url=URL.lstrip("/"))), "target_slash"),
    Mutation(
        "decoded path",
        lambda: asked(
            over("GET", QUERY_URL.replace("%7C", "|"), body=""), method="GET", url=QUERY_URL, body=""
        ),
        "target_encoding",
    ),
    Mutation(
        "GET without its empty line",
        lambda: asked(GET[:-1], method="GET", url=QUERY_URL, body=""),
        "last_line_end",
    ),
    Mutation(
        "GET with {}",
        lambda: asked(over("GET", QUERY_URL, body="{}"), method="GET", url=QUERY_URL, body=""),
        "body_made_up",
    ),
    Mutation(
        "body signed with blanks",
        lambda: asked(over(body=json.dumps(json.loads(ORDER), ensure_ascii=False))),
        "body_reserialised",
    ),
    Mutation(
        "body signed escaped",
        lambda: asked(over(body=json.dumps(json.loads(ORDER), separators=(",", ":")))),
        "body_escaped",
    ),
    Mutation("PHP's slashes", lambda: asked(over(body=ORDER.replace("/", "\\/"))), "body_escaped"),
    Mutation("an empty body signed", lambda: asked(over(body="")), "body_missing"),
    Mutation("milliseconds signed", lambda: asked(over(time=TIME + "000")), "timestamp_unit"),
    Mutation("nonce in lower case", lambda: asked(over(nonce=NONCE.lower())), "nonce_case"),
    Mutation("SHA-1", lambda: asked(digest=hashes.SHA1()), "algorithm"),
    Mutation("the old key", lambda: asked(key=OLD, serial_no=OLD_SERIAL), "serial_no_old"),
    Mutation("a serial of another key", lambda: asked(key=OLD), "serial_no_of_other_key"),
    Mutation("WeChat's serial", lambda: asked(serial_no=KEY_ID), "serial_no_is_wechats", "serial_no"),
    Mutation("an unknown serial", lambda: asked(serial_no="7" * 40), "serial_no_unknown"),
    Mutation("a lower-case serial", lambda: asked(serial_no=SERIAL.lower()), "serial_spelling"),
    Mutation("trap 2: the sub-merchant's number", lambda: asked(mchid="1900000109"), "mchid_is_sub", "mchid"),
    Mutation("another's number", lambda: asked(mchid="1999999999"), "foreign_account", "mchid"),
    Mutation("no serial_no", lambda: asked(serial_no=None), "auth_missing", "serial_no"),
    Mutation("another scheme", lambda: asked().replace("WECHATPAY2-SHA256-RSA2048 ", "Bearer "), "scheme"),
    Mutation("no quotes", lambda: asked().replace(f'"{TIME}"', TIME), "auth_quotes", "timestamp"),
    Mutation("v2 names", lambda: asked(body='{"mch_id":"1900000100"}'), "name_of_v2", "mch_id"),
    Mutation("two numbers", lambda: asked(body='{"sp_mchid":"1900000109"}'), "mchid_differs", "sp_mchid"),
    Mutation("an emoji", lambda: asked(body='{"description":"😀"}'), "four_byte_character"),
    Mutation(
        "a host in the request line",
        lambda: asked().replace(f"POST {URL}", f"POST https://x.example{URL}"),
        "target_with_host",
    ),
)

# --- cashiers ----------------------------------------------------------------------------------------------

PREPAY = "wx201410272009395522657a690389285100"


def opened(string: str | None = None, *, key: rsa.RSAPrivateKey = OWN, **changes: object) -> str:
    right = f"{MINI}\n{TIME}\n{NONCE}\nprepay_id={PREPAY}\n"
    given: dict[str, object] = {
        "timeStamp": TIME,
        "nonceStr": NONCE,
        "package": f"prepay_id={PREPAY}",
        "signType": "RSA",
        "paySign": b64(signed(key, (right if string is None else string).encode())),
    }
    return json.dumps({"pay_params": {k: v for k, v in (given | changes).items() if v is not None}})


def of_app(string: str | None = None, **changes: object) -> str:
    right = f"{MINI}\n{TIME}\n{NONCE}\n{PREPAY}\n"
    sign = b64(signed(OWN, (right if string is None else string).encode()))
    given = {
        "appid": MINI,
        "partnerid": "1900000100",
        "prepayid": PREPAY,
        "package": "Sign=WXPay",
        "noncestr": NONCE,
    }
    return json.dumps(given | {"timestamp": TIME, "sign": sign} | changes)


CASHIERS = (
    Mutation(
        "no prefix signed",
        lambda: opened(f"{MINI}\n{TIME}\n{NONCE}\n{PREPAY}\n"),
        "package_prefix",
        "package",
    ),
    Mutation(
        "trap 1: another app",
        lambda: opened(f"{PROVIDER_APP}\n{TIME}\n{NONCE}\nprepay_id={PREPAY}\n", appId=MINI),
        "app_of_other",
    ),
    Mutation(
        "no last line end", lambda: opened(f"{MINI}\n{TIME}\n{NONCE}\nprepay_id={PREPAY}"), "last_line_end"
    ),
    Mutation("order", lambda: opened(f"{MINI}\n{NONCE}\n{TIME}\nprepay_id={PREPAY}\n"), "line_order"),
    Mutation(
        "signType signed", lambda: opened(f"{MINI}\n{TIME}\n{NONCE}\nprepay_id={PREPAY}\nRSA\n"), "line_added"
    ),
    Mutation("no appId", lambda: opened(f"{TIME}\n{NONCE}\nprepay_id={PREPAY}\n"), "line_missing"),
    Mutation(
        "milliseconds", lambda: opened(f"{MINI}\n{TIME}000\n{NONCE}\nprepay_id={PREPAY}\n"), "timestamp_unit"
    ),
    Mutation(
        "in the manner of v2",
        lambda: opened(
            f"appId={MINI}&nonceStr={NONCE}&package=prepay_id={PREPAY}&signType=RSA&timeStamp={TIME}"
        ),
        "string_of_v2",
    ),
    Mutation("the old key", lambda: opened(key=OLD), "signed_by_old_key"),
    Mutation("MD5 named", lambda: opened(signType="MD5"), "sign_type_not_rsa"),
    Mutation("a number", lambda: opened(timeStamp=int(TIME)), "json_number", "timeStamp"),
    Mutation("no package", lambda: opened(package=None), "parameter_missing", "package"),
    Mutation(
        "an app with a prefix",
        lambda: of_app(f"{MINI}\n{TIME}\n{NONCE}\nprepay_id={PREPAY}\n"),
        "package_prefix",
    ),
)
