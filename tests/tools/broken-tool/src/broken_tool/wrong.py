"""Declares something else."""

TOOL = {"name": "wrong"}
