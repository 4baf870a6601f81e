"""Tools that cannot be used."""
