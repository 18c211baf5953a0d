"""Runs the load generator against vaultcast and its peers."""
