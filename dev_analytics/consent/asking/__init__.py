"""Asking the user: when, in which words, where, and what follows from the answer."""
