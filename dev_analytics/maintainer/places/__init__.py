"""Where records may be that are to be forgotten: one module for each kind of place."""
