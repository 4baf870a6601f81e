"""The places from which records can be deleted: one module for each kind."""
