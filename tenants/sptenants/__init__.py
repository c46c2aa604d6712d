"""What a tenant (特约商户) has: its registry entry, sessions, prices, orders and notifications."""
