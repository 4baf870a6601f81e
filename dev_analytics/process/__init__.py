"""The process that we live in and share, and those that we start."""
