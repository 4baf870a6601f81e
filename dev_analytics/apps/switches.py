"""Switching another tool off and on again by its name, in a session or a shell."""

from __future__ import annotations

from dev_analytics.consent.store import ConsentStore, ConsentStoreError
from dev_analytics.tools.installed import installed


class UnattendedError(Exception):
    """Nobody is there to switch the tool on again."""


def switch_off(store: ConsentStore, tool: str) -> str:
    """Switch `tool` off for good, and return a sentence that says so.

    Raises
    ------
    LookupError
        There is no such tool; the message completes a sentence that begins with the command's name.
    ConsentStoreError
        It could not be stored.
    """
    title = _title(store, tool)
    try:
        store.switch_off(tool)
    except ConsentStoreError as error:
        raise ConsentStoreError(
            f"{tool}: it could not be stored: {error}. %dev_analytics off ends all of it for this "
            "session"
        ) from None
    return (
        f"{title} is switched off for good, in every notebook and terminal; what waits of it is "
        f"not sent. %dev_analytics on {tool} undoes that."
    )


def switch_on(store: ConsentStore, tool: str, *, attended: bool) -> str:
    """Switch `tool` on again, and return a sentence that says so.

    Only a person can do that (`attended`): code that runs by itself cannot undo an off.

    Raises
    ------
    LookupError
        There is no such tool; the message completes a sentence that begins with the command's name.
    UnattendedError
        It is off and stays off; the message is a whole sentence.
    ConsentStoreError
        The change could not be stored.
    """
    title = _title(store, tool)
    if not attended and tool in store.read().tools_off:
        raise UnattendedError(
            f"{title} stays off: you switched it off for good, and nobody here can undo that."
        )
    try:
        was_off = store.switch_on(tool)
    except ConsentStoreError as error:
        raise ConsentStoreError(f"{tool}: it could not be undone: {error}") from None
    if was_off:
        return f"{title} is no longer switched off: what you agreed to holds for it again."
    return f"{title} was not switched off."


def _title(store: ConsentStore, name: str) -> str:
    tools = {each.name: each for each in installed()}
    if name in tools:
        tool = tools[name].tool
        return tool.title if tool else f"The tool {name}"
    # A tool of another environment has an answer here, too.
    consent = store.read()
    answered = {key.partition("@")[0] for key in consent.tools} | consent.tools_off
    if name in answered:
        return f"The tool {name}"
    known = ", ".join(sorted({*tools, *answered}))
    raise LookupError(
        f"knows no tool {name!r}: "
        + (f"known are {known}" if known else "none is installed that has events of its own")
    )
