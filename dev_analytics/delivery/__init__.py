"""Where records go once an event has been accepted."""
