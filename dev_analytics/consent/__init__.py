"""Consent: what the user answered, who else has a say, and what follows from both."""
