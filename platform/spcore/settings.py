"""Everything that differs between installations. Nothing else reads the environment (contract section 3)."""

from __future__ import annotations

import base64
import binascii
import difflib
import ipaddress
import os
import re
import secrets
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TypeVar
from urllib.parse import urlsplit

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from spcore.errors import Text

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
T = TypeVar("T")

PREFIX = "WXSP_"
DEFAULT_MASTER_KEY_FILE = Path("var/master.key")

VARIABLES: Mapping[str, str] = MappingProxyType(
    {
        "WXSP_DATABASE_URL": "sqlite+aiosqlite:///… or postgresql+asyncpg://…",
        "WXSP_DATABASE_URL_FILE": "file holding WXSP_DATABASE_URL",
        "WXSP_PUBLIC_URL": "where WeChat reaches us; https as soon as one live provider exists",
        "WXSP_MASTER_KEY": "32 random bytes in base64; several by commas, the first wraps, all open",
        "WXSP_MASTER_KEY_FILE": "file holding WXSP_MASTER_KEY",
        "WXSP_GATEWAY_URL": "gateway of live providers",
        "WXSP_GATEWAY_BACKUP_URL": "gateway of live providers while the first cannot be reached",
        "WXSP_WEIXIN_API_URL": "mini-program login of live providers",
        "WXSP_SIMULATOR_URL": "gateway and login of test providers",
        "WXSP_SIMULATOR_TLS_URL": "gateway of test providers for calls with the client certificate",
        "WXSP_CA_BUNDLE": "file of extra trust anchors for the gateway",
        "WXSP_TRUSTED_PROXIES": "addresses or networks, by commas, whose X-Forwarded-For counts",
        "WXSP_LOG_LEVEL": "debug, info, warning or error",
        "WXSP_METRICS_TOKEN": "bearer token that /metrics asks for",
        "WXSP_METRICS_TOKEN_FILE": "file holding WXSP_METRICS_TOKEN",
        "WXSP_EMBEDDED_WORKER": "1 or 0: whether serve runs the worker inside; default 1 with SQLite only",
        "WXSP_WORKERS": "web processes of serve, 1 to 64",
        "WXSP_REQUIRE_SECOND_FACTOR": "1 or 0: whether everybody must have a second factor to sign in",
    }
)


class InvalidSettings(ValueError):
    """One or more variables are unknown or wrong. The message is one line that names all of them.

    Values are never repeated: some of them are secrets.
    """

    def __init__(self, faults: Mapping[str, Text]) -> None:
        self.faults = dict(faults)
        listed = "; ".join(f"{name}: {text.zh} / {text.en}" for name, text in sorted(self.faults.items()))
        super().__init__(f"配置有误 invalid settings: {listed}")


@dataclass(frozen=True, slots=True, repr=False)
class Secret:
    """Text that logs and tracebacks do not show; `reveal()` is easy to search for in review."""

    _text: str

    def reveal(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return "Secret(••••)"


class Networks(tuple[Network, ...]):
    """Address ranges. A type of its own, because msgspec, through which frameworks look at this dataclass,
    refuses a union of two address types."""

    __slots__ = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The configuration of one process; every value is valid, every address without a trailing slash."""

    database_url: Secret
    public_url: str
    master_keys: tuple[bytes, ...] = field(repr=False)
    """32 bytes each: the first wraps, all open (rule C5, failure catalogue K09)."""
    gateway_url: str
    gateway_backup_url: str
    weixin_api_url: str
    simulator_url: str
    simulator_tls_url: str
    ca_bundle: Path | None
    trusted_proxies: Networks
    log_level: str
    metrics_token: Secret | None
    embedded_worker: bool
    workers: int
    require_second_factor: bool

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> Settings:
        """Read `env`; a variable that is set but empty counts as not set.

        Makes `var/master.key` with mode 0600 when the database is SQLite and no master key is named.
        Raises InvalidSettings naming every unknown variable and every invalid value.
        """
        reading = _Reading(env)
        database_url = reading.take("WXSP_DATABASE_URL", _database_url, "sqlite+aiosqlite:///var/wxsp.db")
        embedded = reading.take("WXSP_EMBEDDED_WORKER", _switch, "1" if _is_sqlite(database_url) else "0")
        values = {
            "public_url": reading.take("WXSP_PUBLIC_URL", _public_url, "http://127.0.0.1:8000"),
            "gateway_url": reading.take("WXSP_GATEWAY_URL", _live_url, "https://api.mch.weixin.qq.com"),
            "gateway_backup_url": reading.take(
                "WXSP_GATEWAY_BACKUP_URL", _live_url, "https://api2.mch.weixin.qq.com"
            ),
            "weixin_api_url": reading.take("WXSP_WEIXIN_API_URL", _live_url, "https://api.weixin.qq.com"),
            "simulator_url": reading.take("WXSP_SIMULATOR_URL", _url, "http://127.0.0.1:8100"),
            "simulator_tls_url": reading.take("WXSP_SIMULATOR_TLS_URL", _tls_url, "https://127.0.0.1:8101"),
        }
        ca_bundle = reading.take("WXSP_CA_BUNDLE", _file, None)
        proxies = reading.take("WXSP_TRUSTED_PROXIES", _networks, None)
        log_level = reading.take("WXSP_LOG_LEVEL", _log_level, "info")
        metrics_token = reading.take("WXSP_METRICS_TOKEN", _token, None)
        workers = reading.take("WXSP_WORKERS", _workers, "1")
        second_factor = reading.take("WXSP_REQUIRE_SECOND_FACTOR", _switch, "0")
        master_keys = reading.take("WXSP_MASTER_KEY", _master_keys, None)
        if master_keys is None and not _is_sqlite(database_url):
            reading.refuse("WXSP_MASTER_KEY", "使用 PostgreSQL 时必须给出", "is required with PostgreSQL")
        if reading.faults:
            raise InvalidSettings(reading.faults)
        return cls(
            database_url=Secret(database_url or ""),
            master_keys=master_keys or _local_master_keys(DEFAULT_MASTER_KEY_FILE),
            ca_bundle=ca_bundle,
            trusted_proxies=proxies or Networks(),
            log_level=log_level or "",
            metrics_token=metrics_token,
            embedded_worker=bool(embedded),
            workers=workers or 1,
            require_second_factor=bool(second_factor),
            **{name: value or "" for name, value in values.items()},
        )


class _Invalid(ValueError):
    def __init__(self, zh: str, en: str) -> None:
        super().__init__(en)
        self.text = Text(zh, en)


class _Reading:
    """One pass over the environment that collects faults instead of stopping at the first."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self._env = {name: value for name, value in env.items() if name.startswith(PREFIX) and value}
        self.faults: dict[str, Text] = {}
        for name in self._env.keys() - VARIABLES.keys():
            near = difflib.get_close_matches(name, VARIABLES, n=1)
            self.refuse(
                name,
                f"没有这个变量{f'，是否指 {near[0]}' if near else ''}",
                f"no such variable{f', did you mean {near[0]}' if near else ''}",
            )

    def refuse(self, name: str, zh: str, en: str) -> None:
        self.faults.setdefault(name, Text(zh, en))

    def take(self, name: str, read: Callable[[str], T], default: str | None) -> T | None:
        """Return the value of `name`, or None where it is absent without default or was refused."""
        try:
            text = self._text(name)
            if text is None:
                text = default
            return None if text is None else read(text)
        except _Invalid as invalid:
            self.refuse(name, invalid.text.zh, invalid.text.en)
            return None

    def _text(self, name: str) -> str | None:
        twin = f"{name}_FILE"
        text, path = self._env.get(name), self._env.get(twin) if twin in VARIABLES else None
        if path is None:
            return text
        if text is not None:
            raise _Invalid(f"与 {twin} 只能给出一个", f"and {twin} are both set; give one of them")
        try:
            return Path(path).read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError):
            self.refuse(twin, "读不到这个文件", "cannot be read")
            return None


def _is_sqlite(database_url: str | None) -> bool:
    return database_url is None or make_url(database_url).get_backend_name() == "sqlite"


def _database_url(text: str) -> str:
    try:
        driver = make_url(text).drivername
    except ArgumentError:
        driver = ""
    if driver not in {"sqlite+aiosqlite", "postgresql+asyncpg"}:
        raise _Invalid(
            "应以 sqlite+aiosqlite:/// 或 postgresql+asyncpg:// 开头",
            "must begin with sqlite+aiosqlite:/// or postgresql+asyncpg://",
        )
    return text


def _url(text: str) -> str:
    try:
        parts = urlsplit(text)
        port_is_valid = parts.port is None or parts.port > 0
    except ValueError:
        parts, port_is_valid = urlsplit(""), False
    bare = not (parts.username or parts.password or parts.query or parts.fragment or parts.path.strip("/"))
    if parts.scheme not in {"http", "https"} or not parts.hostname or not bare or not port_is_valid:
        raise _Invalid("应为 http(s)://主机[:端口]", "must be http(s)://host[:port] and nothing more")
    return f"{parts.scheme}://{parts.netloc}"


def _public_url(text: str) -> str:
    url = _url(text)
    if not re.fullmatch(r"[A-Za-z0-9.\-:\[\]]+", urlsplit(url).netloc):
        raise _Invalid("主机名含有不允许的字符", "has characters no host name can have")
    return url


def _tls_url(text: str) -> str:
    url = _url(text)
    if not url.startswith("https://"):
        raise _Invalid("必须是 https 地址", "must be an https address")
    return url


def _live_url(text: str) -> str:
    """Live money goes over TLS; plain http is for a gateway on this very machine only (rule C4)."""
    url = _url(text)
    if url.startswith("http://") and not _is_loopback(urlsplit(url).hostname or ""):
        raise _Invalid("必须是 https 地址（本机除外）", "must be https unless it is on this machine")
    return url


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _file(text: str) -> Path:
    path = Path(text)
    if not path.is_file() or not os.access(path, os.R_OK):
        raise _Invalid("读不到这个文件", "is not a readable file")
    return path


def _networks(text: str) -> Networks:
    try:
        return Networks(ipaddress.ip_network(part.strip(), strict=False) for part in text.split(","))
    except ValueError as error:
        raise _Invalid(
            "应为以逗号分隔的地址或网段", "must be addresses or networks separated by commas"
        ) from error


def _log_level(text: str) -> str:
    level = text.lower()
    if level not in {"debug", "info", "warning", "error"}:
        raise _Invalid("应为 debug、info、warning 或 error", "must be debug, info, warning or error")
    return level


def _token(text: str) -> Secret:
    if not re.fullmatch(r"[!-~]+", text):
        raise _Invalid("只能是可见的 ASCII 字符", "must be visible ASCII characters")
    return Secret(text)


def _switch(text: str) -> bool:
    if text not in {"0", "1"}:
        raise _Invalid("应为 0 或 1", "must be 0 or 1")
    return text == "1"


def _workers(text: str) -> int:
    if not re.fullmatch(r"[1-9][0-9]?", text) or int(text) > 64:
        raise _Invalid("应为 1 到 64 的整数", "must be a whole number from 1 to 64")
    return int(text)


def _master_keys(text: str) -> tuple[bytes, ...]:
    return tuple(_master_key(part.strip()) for part in text.split(","))


def _master_key(text: str) -> bytes:
    standard = text.translate(str.maketrans("-_", "+/")).rstrip("=")
    try:
        key = base64.b64decode(standard + "=" * (-len(standard) % 4), validate=True)
    except (ValueError, binascii.Error):
        key = b""
    if len(key) != 32:
        raise _Invalid("每个主密钥应为 32 个随机字节的 base64", "must be base64 of 32 random bytes, each")
    return key


def _local_master_keys(path: Path) -> tuple[bytes, ...]:
    """Return the keys in `path`, which is made with one random key and mode 0600 when it is absent.

    The finished file is linked into place, so that of two processes starting at once both read one key.
    """
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        made = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
        descriptor = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(base64.b64encode(secrets.token_bytes(32)) + b"\n")
                file.flush()
                os.fsync(file.fileno())
            with suppress(FileExistsError):
                os.link(made, path)
        finally:
            made.unlink()
    try:
        return _master_keys(path.read_text("ascii").strip())
    except (_Invalid, OSError, UnicodeDecodeError) as error:
        text = Text(f"{path} 不是有效的主密钥文件", f"{path} is not a valid master key file")
        raise InvalidSettings({"WXSP_MASTER_KEY_FILE": text}) from error
