"""Consent: what the user answered, what else decides, and what follows from both."""
