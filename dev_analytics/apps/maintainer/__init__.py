"""The commands for the maintainers of a project: one module for each, and what they share."""
