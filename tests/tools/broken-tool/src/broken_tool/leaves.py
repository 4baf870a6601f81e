"""Ends the process."""

raise SystemExit("a secret message")
