"""Settings: read once, complaining at once about everything that is wrong (contract section 3)."""

from __future__ import annotations

import base64
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from spcore.settings import VARIABLES, InvalidSettings, Secret, Settings

KEY = base64.b64encode(bytes(range(32))).decode()
POSTGRES = "postgresql+asyncpg://wxsp:canary-password@db/wxsp"


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_an_empty_environment_gives_the_contracts_defaults() -> None:
    settings = Settings.from_env({})
    assert settings.database_url.reveal() == "sqlite+aiosqlite:///var/wxsp.db"
    assert settings.public_url == "http://127.0.0.1:8000"
    assert settings.gateway_url == "https://api.mch.weixin.qq.com"
    assert settings.gateway_backup_url == "https://api2.mch.weixin.qq.com"
    assert settings.weixin_api_url == "https://api.weixin.qq.com"
    assert settings.simulator_url == "http://127.0.0.1:8100"
    assert settings.simulator_tls_url == "https://127.0.0.1:8101"
    assert (settings.ca_bundle, settings.trusted_proxies, settings.metrics_token) == (None, (), None)
    assert (settings.log_level, settings.workers) == ("info", 1)
    assert (settings.embedded_worker, settings.require_second_factor) == (True, False)


def test_the_first_start_makes_a_master_key_that_only_its_owner_reads_and_the_second_keeps_it() -> None:
    first = Settings.from_env({})
    path = Path("var/master.key")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [len(key) for key in first.master_keys] == [32]
    assert Settings.from_env({}).master_keys == first.master_keys
    assert [entry.name for entry in Path("var").iterdir()] == ["master.key"]


def test_processes_that_start_at_once_agree_on_one_master_key() -> None:
    with ThreadPoolExecutor(8) as pool:
        read = list(pool.map(lambda _: Settings.from_env({}).master_keys, range(32)))
    assert len(set(read)) == 1


def test_a_damaged_master_key_file_is_refused_and_left_alone() -> None:
    Path("var").mkdir()
    Path("var/master.key").write_text("not a key")
    with pytest.raises(InvalidSettings, match=r"master\.key"):
        Settings.from_env({})
    assert Path("var/master.key").read_text() == "not a key"


def test_no_master_key_file_is_made_when_anything_is_wrong_or_one_was_given() -> None:
    with pytest.raises(InvalidSettings):
        Settings.from_env({"WXSP_WORKERS": "0"})
    Settings.from_env({"WXSP_MASTER_KEY": KEY})
    assert not Path("var").exists()


def test_postgresql_needs_a_master_key_and_embeds_no_worker() -> None:
    with pytest.raises(InvalidSettings) as refusal:
        Settings.from_env({"WXSP_DATABASE_URL": POSTGRES})
    assert set(refusal.value.faults) == {"WXSP_MASTER_KEY"}
    settings = Settings.from_env({"WXSP_DATABASE_URL": POSTGRES, "WXSP_MASTER_KEY": KEY})
    assert not settings.embedded_worker


@pytest.mark.parametrize(
    "text",
    [
        base64.b64encode(b"\xfb\xff" * 16).decode(),
        base64.urlsafe_b64encode(b"\xfb\xff" * 16).decode(),
        base64.urlsafe_b64encode(b"\xfb\xff" * 16).decode().rstrip("="),
    ],
)
def test_master_keys_come_in_either_base64_alphabet(text: str) -> None:
    assert Settings.from_env({"WXSP_MASTER_KEY": text}).master_keys == (b"\xfb\xff" * 16,)


def test_K09_several_master_keys_keep_their_order() -> None:
    other = base64.b64encode(b"x" * 32).decode()
    settings = Settings.from_env({"WXSP_MASTER_KEY": f"{other}, {KEY}"})
    assert settings.master_keys == (b"x" * 32, bytes(range(32)))


def test_every_secret_may_come_from_a_file(tmp_path: Path) -> None:
    env = {}
    for name, text in (
        ("WXSP_DATABASE_URL", POSTGRES),
        ("WXSP_MASTER_KEY", KEY),
        ("WXSP_METRICS_TOKEN", "token-of-metrics"),
    ):
        (tmp_path / name).write_text(f"{text}\n")
        env[f"{name}_FILE"] = str(tmp_path / name)
    settings = Settings.from_env(env)
    assert settings.database_url.reveal() == POSTGRES
    assert settings.master_keys == (bytes(range(32)),)
    assert settings.metrics_token == Secret("token-of-metrics")


INVALID = [
    ("WXSP_DATABASE_URL", "mysql://root@db/x"),
    ("WXSP_DATABASE_URL", "postgresql://db/x"),
    ("WXSP_DATABASE_URL", "::"),
    ("WXSP_PUBLIC_URL", "ftp://pay.example.com"),
    ("WXSP_PUBLIC_URL", "https://pay.example.com/base"),
    ("WXSP_PUBLIC_URL", "https://user:pw@pay.example.com"),
    ("WXSP_PUBLIC_URL", "https://pay.example.com?x=1"),
    ("WXSP_PUBLIC_URL", "https://pay.example.com:99999"),
    ("WXSP_PUBLIC_URL", "https://支付.example.com"),
    ("WXSP_PUBLIC_URL", "https://"),
    ("WXSP_MASTER_KEY", "short"),
    ("WXSP_MASTER_KEY", base64.b64encode(b"x" * 31).decode()),
    ("WXSP_MASTER_KEY", f"{KEY},"),
    ("WXSP_MASTER_KEY", "密钥"),
    ("WXSP_MASTER_KEY_FILE", "/nowhere/master.key"),
    ("WXSP_GATEWAY_URL", "http://api.mch.weixin.qq.com"),
    ("WXSP_GATEWAY_BACKUP_URL", "http://10.0.0.1"),
    ("WXSP_WEIXIN_API_URL", "api.weixin.qq.com"),
    ("WXSP_SIMULATOR_URL", "simulator:8100"),
    ("WXSP_SIMULATOR_TLS_URL", "http://127.0.0.1:8101"),
    ("WXSP_CA_BUNDLE", "/nowhere/ca.pem"),
    ("WXSP_TRUSTED_PROXIES", "10.0.0.0/8,proxy"),
    ("WXSP_LOG_LEVEL", "loud"),
    ("WXSP_METRICS_TOKEN", "two words"),
    ("WXSP_EMBEDDED_WORKER", "yes"),
    ("WXSP_WORKERS", "0"),
    ("WXSP_WORKERS", "65"),
    ("WXSP_WORKERS", "１"),
    ("WXSP_REQUIRE_SECOND_FACTOR", "true"),
    ("WXSP_SKIP_SIGNATURES", "1"),
]


@pytest.mark.parametrize(("name", "text"), INVALID)
def test_an_invalid_value_is_named_and_not_repeated(name: str, text: str) -> None:
    with pytest.raises(InvalidSettings) as refusal:
        Settings.from_env({name: text})
    assert set(refusal.value.faults) == {name}
    if len(text) > 6 and not text.startswith("/nowhere"):
        assert text not in str(refusal.value)


def test_one_line_names_everything_that_is_wrong_in_both_languages() -> None:
    with pytest.raises(InvalidSettings) as refusal:
        Settings.from_env(
            {"WXSP_WORKER": "4", "WXSP_LOG_LEVEL": "loud", "WXSP_DATABASE_URL": "oops", "HOME": "/"}
        )
    line = str(refusal.value)
    assert "\n" not in line
    for name in ("WXSP_WORKER:", "WXSP_LOG_LEVEL:", "WXSP_DATABASE_URL:", "did you mean WXSP_WORKERS"):
        assert name in line
    assert "应为" in line
    assert "must be" in line
    assert "HOME" not in line


def test_a_secret_given_twice_is_refused(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(KEY)
    with pytest.raises(InvalidSettings) as refusal:
        Settings.from_env({"WXSP_MASTER_KEY": KEY, "WXSP_MASTER_KEY_FILE": str(tmp_path / "key")})
    assert set(refusal.value.faults) == {"WXSP_MASTER_KEY"}


def test_accepted_values_are_normalised() -> None:
    settings = Settings.from_env(
        {
            "WXSP_PUBLIC_URL": "https://pay.example.com/",
            "WXSP_GATEWAY_URL": "http://127.0.0.1:9000/",
            "WXSP_TRUSTED_PROXIES": "10.1.2.3, 2001:db8::/32",
            "WXSP_LOG_LEVEL": "DEBUG",
            "WXSP_EMBEDDED_WORKER": "0",
            "WXSP_WORKERS": "",
        }
    )
    assert settings.public_url == "https://pay.example.com"
    assert settings.gateway_url == "http://127.0.0.1:9000"
    assert [str(network) for network in settings.trusted_proxies] == ["10.1.2.3/32", "2001:db8::/32"]
    assert (settings.log_level, settings.embedded_worker, settings.workers) == ("debug", False, 1)


def test_A02_settings_show_no_secret() -> None:
    settings = Settings.from_env(
        {"WXSP_DATABASE_URL": POSTGRES, "WXSP_MASTER_KEY": KEY, "WXSP_METRICS_TOKEN": "canary-token"}
    )
    shown = repr(settings)
    assert "canary" not in shown
    assert repr(bytes(range(32))) not in shown


def test_C4_no_variable_weakens_a_check() -> None:
    assert not [name for name in VARIABLES if any(w in name for w in ("SKIP", "INSECURE", "VERIFY", "DEBUG"))]
