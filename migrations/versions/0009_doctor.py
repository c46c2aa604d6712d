"""Results of the doctor, the ledger of bindings, trial payments and go-live certificates."""

from __future__ import annotations

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    pass
