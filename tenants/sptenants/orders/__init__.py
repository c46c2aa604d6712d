"""Payment orders: placing, closing, evidence of payment, healing."""
