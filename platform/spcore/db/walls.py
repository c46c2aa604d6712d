"""SQL of the walls inside the database, for migrations: row-level security and columns that never change.

Policies read transaction-local settings that `engine.py` sets from the scope. They are forced, so that they
bind the owner of the tables too; a superuser or a role with BYPASSRLS would still pass, which is why start
refuses such a role (decision 11).
"""

from __future__ import annotations

_TENANT = "current_setting('wxsp.tenant_id', true)"
_PROVIDER = "current_setting('wxsp.provider_id', true)"
_REACH = "current_setting('wxsp.reach', true)"


def row_level_security(
    table: str,
    *,
    provider_column: str,
    tenant_column: str | None = None,
    read_reach: tuple[str, ...] = (),
    write_reach: tuple[str, ...] = (),
) -> list[str]:
    """Return the PostgreSQL statements that keep every transaction to its own rows of `table`.

    `read_reach` and `write_reach` name the wider scopes (`platform`, `worker`, `door`) that may read or
    write rows of every owner.
    """
    own = f"{provider_column} = {_PROVIDER}"
    if tenant_column is not None:
        own = (
            f"({tenant_column} = {_TENANT}"
            f" OR (coalesce({_TENANT}, '') = '' AND {provider_column} = {_PROVIDER}))"
        )
    return [
        f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY",
        f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY",
        f"CREATE POLICY read_scope ON {table} FOR SELECT USING ({_or_reach(own, read_reach)})",
        f"CREATE POLICY write_scope ON {table} USING ({_or_reach(own, write_reach)})"
        f" WITH CHECK ({_or_reach(own, write_reach)})",
    ]


def read_scope_by_case(table: str, read_reach: tuple[str, ...]) -> str:
    """Return the PostgreSQL statement that says the same as `read_scope` of `row_level_security` as a CASE.

    For tables that grow without end and are read from their newest row on. Of a comparison between settings
    PostgreSQL expects that it hardly ever holds, so of the other form it expects next to no rows: to find a
    few thousand it would rather read such a table to its end than follow an index, which has them at once.
    Of a CASE it expects that it holds for every second row.
    """
    return (
        f"ALTER POLICY read_scope ON {table} USING (CASE"
        f" WHEN {_REACH} IN ({', '.join(repr(name) for name in read_reach)}) THEN true"
        f" WHEN coalesce({_TENANT}, '') <> '' THEN tenant_id = {_TENANT}"
        f" ELSE provider_id = {_PROVIDER} END)"
    )


def _or_reach(own: str, reach: tuple[str, ...]) -> str:
    if not reach:
        return own
    return f"{own} OR {_REACH} IN ({', '.join(repr(name) for name in reach)})"


def unchangeable(dialect: str, table: str, *columns: str) -> list[str]:
    """Return the statements that refuse any UPDATE of these columns once a row exists (rule Y2)."""
    if dialect == "sqlite":
        changed = " OR ".join(f"NEW.{column} IS NOT OLD.{column}" for column in columns)
        return [
            f"CREATE TRIGGER {table}_unchangeable BEFORE UPDATE ON {table} WHEN {changed}"
            f" BEGIN SELECT RAISE(ABORT, '{table}: {', '.join(columns)} cannot change'); END"
        ]
    changed = " OR ".join(f"NEW.{column} IS DISTINCT FROM OLD.{column}" for column in columns)
    return [
        f"CREATE FUNCTION {table}_unchangeable() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        f" RAISE EXCEPTION '{table}: {', '.join(columns)} cannot change' USING ERRCODE = 'check_violation';"
        " END $$",
        f"CREATE TRIGGER {table}_unchangeable BEFORE UPDATE ON {table} FOR EACH ROW"
        f" WHEN ({changed}) EXECUTE FUNCTION {table}_unchangeable()",
    ]


def append_only(dialect: str, table: str) -> list[str]:
    """Return the statements that refuse UPDATE and DELETE on `table`."""
    if dialect == "sqlite":
        return [
            f"CREATE TRIGGER {table}_no_{verb.lower()} BEFORE {verb} ON {table}"
            f" BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
            for verb in ("UPDATE", "DELETE")
        ]
    return [
        f"CREATE FUNCTION {table}_append_only() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        f" RAISE EXCEPTION '{table} is append-only' USING ERRCODE = 'check_violation'; END $$",
        f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE ON {table} FOR EACH ROW"
        f" EXECUTE FUNCTION {table}_append_only()",
    ]
