"""The example installation: two service providers with their tenants and people, as an import file.

Numbers and names are invented; keys and passwords are random for each installation.
"""

from __future__ import annotations

import secrets
import string
from typing import Any

from spapp.demo import certificates

_LETTERS = string.ascii_letters + string.digits

SHOP_SERVER = "hooks.shops.example"
"""Where the shops' own server hears of events; nobody can have a name that ends like this."""
SHARED_MINI_PROGRAM = "wx5a1c0d2e7b9f4836"
"""Owned by the first provider and used by two of its tenants."""


def document() -> dict[str, Any]:
    """Return a fresh import file (contract section 4) with new secrets."""
    shared_secret = _key()
    made = {
        "providers": [_cloud(shared_secret), _bank()],
        "admins": [
            _person("admin@wxsp.example", "platform_admin"),
            _person("auditor@wxsp.example", "platform_auditor"),
        ],
    }
    complete(made)
    return made


def complete(document: dict[str, Any]) -> None:
    """Add what an example of an earlier release lacks: API certificates, people for refunds, webhooks."""
    for provider in document["providers"]:
        if "client_cert_pem" not in provider:
            pair = certificates.client(provider["mch_id"])
            provider |= {"client_cert_pem": pair.certificate, "client_key_pem": pair.key}
        domain = provider["members"][0]["email"].partition("@")[2]
        if not any(person["role"] == "provider_finance" for person in provider["members"]):
            provider["members"].append(_person(f"finance@{domain}", "provider_finance"))
        for tenant in provider["tenants"]:
            tenant.setdefault("webhooks", [{"url": f"https://{SHOP_SERVER}/{tenant['sub_mch_id']}"}])


def take_public_keys(document: dict[str, Any], issued: list[dict[str, Any]]) -> None:
    """Give those who use API v3 the public keys that WeChat shows them on its merchant platform."""
    keys = {provider["mch_id"]: provider["wechatpay_public_keys"] for provider in issued}
    for provider in document["providers"]:
        if provider["api_version"] == "v3":
            provider["wechatpay_public_keys"] = keys[provider["mch_id"]]


def _cloud(shared_secret: str) -> dict[str, Any]:
    return {
        "name": "云启支付服务",
        "mode": "test",
        "kind": "ordinary",
        "mch_id": "1900000109",
        "appid": "wx8888888888888888",
        "api_version": "v2",
        "sign_type": "HMAC-SHA256",
        "api_v2_key": _key(),
        "members": [
            _person("owner@yunqi.example", "provider_owner"),
            _person("operator@yunqi.example", "provider_operator"),
            _person("viewer@yunqi.example", "provider_viewer"),
        ],
        "api_keys": [{"name": "ops"}],
        "tenants": [
            _tenant(
                "晨曦咖啡",
                "1600000021",
                [
                    _mini_program("wx3f8c21d0b7e6a91c", "merchant", _key()),
                    {"sub_appid": "wx7e40b15c92d8a6f3", "kind": "official_account", "owner": "merchant"},
                ],
                [
                    ("latte", "拿铁", 1280),
                    ("americano", "美式咖啡", 980),
                    ("for-two", "双人套餐", 12800),
                ],
                "boss@chenxi.example",
            ),
            _tenant(
                "山野花店",
                "1600000038",
                [_mini_program(SHARED_MINI_PROGRAM, "provider", shared_secret)],
                [("rose-11", "红玫瑰 11 枝", 16800), ("lily", "百合花束", 9900)],
                "boss@shanye.example",
            ),
            _tenant(
                "一纸书局",
                "1600000046",
                [_mini_program(SHARED_MINI_PROGRAM, "provider", shared_secret)],
                [("novel", "小说一册", 4580), ("notebook", "手工笔记本", 3600)],
                "boss@yizhi.example",
            ),
        ],
    }


def _bank() -> dict[str, Any]:
    return {
        "name": "江南银行收单",
        "mode": "test",
        "kind": "bank",
        "mch_id": "1900006511",
        "appid": "wx2421b1c4370ec43b",
        "api_version": "v3",
        "sign_type": "HMAC-SHA256",
        "api_v2_key": _key(),
        "api_v3_key": _key(),
        "members": [_person("owner@jiangnan.example", "provider_owner")],
        "api_keys": [{"name": "ops"}],
        "tenants": [
            _tenant(
                "运河超市",
                "1610000052",
                [_mini_program("wx91d4a7e02c5b8f36", "merchant", _key())],
                [("basket", "当季蔬菜篮", 5900), ("rice-5kg", "大米 5 公斤", 4290)],
                "boss@yunhe.example",
            ),
            _tenant(
                "桥头面馆",
                "1610000060",
                [_mini_program("wx64c8f20b9e1d7a53", "channel", _key())],
                [("noodles", "片儿川", 2200)],
                "boss@qiaotou.example",
            ),
        ],
    }


def _tenant(
    name: str,
    sub_mch_id: str,
    bindings: list[dict[str, Any]],
    prices: list[tuple[str, str, int]],
    boss: str,
) -> dict[str, Any]:
    return {
        "name": name,
        "sub_mch_id": sub_mch_id,
        "status": "live",
        "bindings": bindings,
        "prices": [
            {"code": code, "name": words, "amount": amount, "max_quantity": 20}
            for code, words, amount in prices
        ],
        "api_keys": [{"name": "server"}],
        "members": [_person(boss, "merchant_user")],
    }


def _mini_program(sub_appid: str, owner: str, secret: str) -> dict[str, Any]:
    return {"sub_appid": sub_appid, "kind": "miniprogram", "owner": owner, "app_secret": secret}


def _person(email: str, role: str) -> dict[str, Any]:
    return {"email": email, "role": role, "password": secrets.token_urlsafe(12)}


def _key() -> str:
    return "".join(secrets.choice(_LETTERS) for _ in range(32))
