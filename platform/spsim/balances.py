"""What a sub-merchant has for refunds: unlimited until a tester says how much (wechatpay-v2 11.3)."""

from __future__ import annotations

from .ledger import Ledger


def available(ledger: Ledger, mch_id: str, sub_mch_id: str) -> int | None:
    """Return what is left for refunds in fen, None when it is not limited. A plain merchant is ""."""
    sql = "SELECT amount FROM balance WHERE mch_id = ? AND sub_mch_id = ?"
    row = ledger.row(sql, mch_id, sub_mch_id)
    return None if row is None else int(row["amount"])


def limit(ledger: Ledger, mch_id: str, sub_mch_id: str, amount: int | None) -> None:
    """Say how much there is in fen; None for as much as anybody asks for."""
    ledger.run("DELETE FROM balance WHERE mch_id = ? AND sub_mch_id = ?", mch_id, sub_mch_id)
    if amount is not None:
        sql = "INSERT INTO balance (mch_id, sub_mch_id, amount) VALUES (?, ?, ?)"
        ledger.run(sql, mch_id, sub_mch_id, amount)


def take(ledger: Ledger, mch_id: str, sub_mch_id: str, amount: int) -> None:
    """Take money for a refund that was found to be covered; a negative amount puts it back."""
    sql = "UPDATE balance SET amount = amount - ? WHERE mch_id = ? AND sub_mch_id = ?"
    ledger.run(sql, amount, mch_id, sub_mch_id)
