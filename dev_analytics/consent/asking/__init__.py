"""Asking the user: when, in which words, where, and what becomes of the answer."""
