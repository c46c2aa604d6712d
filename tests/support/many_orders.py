"""A great many orders, made inside PostgreSQL: for the plans and the speed of lists."""

from __future__ import annotations

from datetime import datetime

import asyncpg
from tests.support.databases import admin_dsn
from tests.support.shop import Shop

from spcore.clock import Clock
from spcore.db.engine import Database
from sptenants.orders.summing import Summing

_TIME = " || ".join(
    f"substr('0123456789ABCDEFGHJKMNPQRSTVWXYZ', ((ms >> {5 * place}) & 31)::int + 1, 1)"
    for place in range(9, -1, -1)
)
"""The first ten characters of a ULID."""
_ORDERS = """
INSERT INTO orders (provider_id, tenant_id, id, merchant_order_no, out_trade_no, status, anomaly, amount,
    refunded_amount, refunding_amount, currency, description, trade_type, sub_appid, source, created_by,
    metadata, profit_sharing, fingerprint, fingerprints, created_at, updated_at, expires_at, paid_at, paid_by,
    transaction_id, event_sequence, next_check_at, checks, state_since)
SELECT $1, ($2::text[])[1 + n / 7 % cardinality($2::text[])], 'ord_' || made.ulid, 'B' || n, made.ulid,
    made.status,
    CASE WHEN n % 5000 = 7 THEN 'late_payment' END,
    100 + n % 90000,
    CASE WHEN made.status = 'paid' AND n % 60 = 1 THEN 50 ELSE 0 END, 0, 'CNY', '美式咖啡', 'JSAPI',
    'wx3f8c21d0b7e6a91c', 'api_key', 'server', '{}', false, repeat('0', 64), '{}',
    made.at, made.at, made.at + interval '30 minutes',
    CASE WHEN made.status = 'paid' THEN made.at END,
    CASE WHEN made.status = 'paid' THEN 'notify' END,
    CASE WHEN made.status = 'paid' THEN '42000027' || lpad(n::text, 20, '0') END, 0,
    CASE WHEN made.status IN ('pending', 'submitting') THEN made.at END, 0, made.at
FROM (
    SELECT n, at, status, {time} || lpad(n::text, 16, '0') AS ulid
    FROM (
        SELECT n, (extract(epoch FROM at) * 1000)::bigint AS ms, at, status FROM (
            SELECT n, $3::timestamptz - make_interval(secs => ($4::bigint - n) * $5::float8) AS at,
            CASE WHEN $4::bigint - n < 60 AND n % 3 = 0 THEN 'pending'
                 WHEN n % 50 = 3 THEN 'closed' WHEN n % 400 = 5 THEN 'failed' ELSE 'paid' END AS status
        FROM generate_series(1, $4::bigint) AS n) AS timed
    ) AS spread
) AS made
"""


async def add_orders(url: str, shop: Shop, count: int, now: datetime, every_s: float) -> None:
    """Add `count` orders of the first provider's tenants, one every `every_s` seconds up to `now`.

    Their ids say when they were made, as ids do. Triggers and policies are left out: rows this plain obey
    them anyway, and a million of them take a minute so.
    """
    tenants = [
        scope.tenant_id
        for scope in shop.tenants.values()
        if scope.provider_id == shop.providers[0].provider_id
    ]
    admin = await asyncpg.connect(**admin_dsn(url))
    try:
        await admin.execute("SET session_replication_role = replica")
        await admin.execute(
            _ORDERS.replace("{time}", _TIME),
            shop.providers[0].provider_id,
            tenants,
            now,
            count,
            every_s,
            timeout=900,
        )
        await admin.execute("VACUUM (ANALYZE) orders", timeout=900)
    finally:
        await admin.close()


async def sum_anew(url: str, database: Database, clock: Clock) -> None:
    """Make the sums of all these orders, in place of those of the shop, whose past days are made up."""
    admin = await asyncpg.connect(**admin_dsn(url))
    try:
        await admin.execute("TRUNCATE order_sums, order_sums_mark")
        summing = Summing(database, clock)
        while await summing.run():
            pass
        # As autovacuum does in time: what was summed several times over would be read as dead rows.
        await admin.execute("VACUUM (ANALYZE)", timeout=900)
    finally:
        await admin.close()
