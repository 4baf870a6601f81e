"""The catalogue: every event, property and word that there is, and the one encoder."""
