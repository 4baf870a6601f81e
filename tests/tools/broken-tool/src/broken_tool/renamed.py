"""Declares another tool than its entry point says: acme's name."""

from typing import Annotated

from dev_analytics.tools import Event, Flag, Tool, Why


class Done(Event):
    """Something was done."""

    wire = "acme: done"
    why = Why("To know it.", well="Shows how it went.")

    well: Annotated[bool, Flag("It went well.")]


TOOL = Tool(name="acme", title="Not Acme", about="It would like to be another.", events=(Done,))
