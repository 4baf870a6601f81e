"""Where records are delivered: what a destination is, and which there are."""
