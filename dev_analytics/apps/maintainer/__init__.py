"""What the maintainers of a project run: one module for each task, and what they share."""
