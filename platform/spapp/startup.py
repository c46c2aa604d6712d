"""What must hold before serving: a migrated database, a role the walls bind, https for live money."""

from __future__ import annotations

from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from spapp.revisions import head
from spcore.db.engine import Database
from spcore.db.scope import DoorScope
from spcore.errors import Text
from spcore.providers.models import Mode, Provider
from spcore.settings import Settings


class StartRefused(Exception):
    """The program must not start like this; the text says what to do about it."""

    def __init__(self, text: Text) -> None:
        super().__init__(text.en)
        self.text = text


async def prepare(settings: Settings) -> None:
    """Bring the database into a state to serve from, or raise StartRefused.

    SQLite is migrated on the spot: there is one program and one file. PostgreSQL is shared by many
    programs, so somebody has to decide when (`wxsp db upgrade`).
    """
    url = settings.database_url.reveal()
    database = Database(url)
    try:
        try:
            await database.ping()
        except Exception as error:  # whatever a driver raises, the reason to stop is the same
            raise _unreachable(error) from None
        if await database.migration_head() != head():
            if database.dialect == "postgresql":
                raise StartRefused(_NOT_MIGRATED)
            from spapp.migrations import upgrade_database  # noqa: PLC0415 - slow to load, and seldom needed

            await upgrade_database(url)
        if database.dialect == "postgresql":
            await _require_plain_role(url)
        await _require_https(database, settings.public_url)
    finally:
        await database.close()


async def _require_plain_role(url: str) -> None:
    """Row-level security does not bind a superuser or a role with BYPASSRLS (decision 11)."""
    engine = create_async_engine(url, poolclass=NullPool)
    try:
        async with engine.connect() as connection:
            row = (
                await connection.execute(
                    text("SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user")
                )
            ).scalar_one()
    finally:
        await engine.dispose()
    if row:
        raise StartRefused(_STRONG_ROLE)


async def _require_https(database: Database, public_url: str) -> None:
    if public_url.startswith("https://"):
        return
    live = select(func.count()).select_from(Provider).where(Provider.mode == Mode.LIVE.value)
    async with database.read(DoorScope()) as session:
        if await session.scalar(live):
            raise StartRefused(_NEEDS_HTTPS)


def _unreachable(error: Exception) -> StartRefused:
    kind = type(error).__name__
    return StartRefused(
        Text(
            f"无法连接数据库（{kind}），请检查 WXSP_DATABASE_URL。",
            f"The database cannot be reached ({kind}); check WXSP_DATABASE_URL.",
        )
    )


_NOT_MIGRATED = Text(
    "数据库结构不是最新版本，请先运行 wxsp db upgrade。",
    "The database is not at the newest revision; run wxsp db upgrade first.",
)
_STRONG_ROLE = Text(
    "数据库角色是超级用户或带有 BYPASSRLS，行级安全对它无效。请为 wxsp 使用普通角色。",
    "The database role is a superuser or has BYPASSRLS, so row-level security does not bind it."
    " Give wxsp a plain role.",
)
_NEEDS_HTTPS = Text(
    "存在正式环境（live）的服务商，WXSP_PUBLIC_URL 必须是 https 地址。",
    "There is a live service provider, so WXSP_PUBLIC_URL must be an https address.",
)
