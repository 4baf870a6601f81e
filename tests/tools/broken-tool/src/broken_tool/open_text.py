"""Declares a property of free text."""

from dev_analytics.tools import Event, Tool, Why


class Said(Event):
    """Something was said."""

    wire = "open_text: said"
    why = Why("To know it all.", text="Shows what was said.")

    text: str


TOOL = Tool(name="open_text", title="Open", about="It would like to know all.", events=(Said,))
