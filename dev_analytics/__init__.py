"""Opt-in, anonymous analytics for dev, in IPython and Jupyter.

Nothing is collected before the user says yes, and nothing private can leave: every property is a
number, a boolean, a version or a word of a closed vocabulary. ``%load_ext dev_analytics`` loads it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from dev_analytics.analytics import Analytics, get_analytics

__version__ = "1.0.0"

RELEASES: Final = frozenset({"1.0.0"})
"""Every version that was released, this one too: a record names one of them, and no other text."""

NOTICE: Final = 1
"""The catalogue's version: the notice that a yes is given to."""

__all__ = [
    "NOTICE",
    "RELEASES",
    "Analytics",
    "__version__",
    "get_analytics",
    "load_ipython_extension",
    "unload_ipython_extension",
]


def load_ipython_extension(shell: Any) -> None:
    """Load the extension: what ``%load_ext dev_analytics`` calls."""
    from dev_analytics.process import why_unserved

    if why_unserved():
        from dev_analytics.apps.unserved import load
    else:
        from dev_analytics.apps.extension import load
    load(shell)


def unload_ipython_extension(shell: Any) -> None:
    """Remove the extension: what ``%unload_ext dev_analytics`` calls."""
    from dev_analytics.process import why_unserved

    if why_unserved():
        from dev_analytics.apps.unserved import unload
    else:
        from dev_analytics.apps.extension import unload
    unload(shell)


def __getattr__(name: str) -> Any:
    # A module that only wants the version or the extension need not load the catalogue.
    if name in ("Analytics", "get_analytics"):
        from dev_analytics import analytics

        return getattr(analytics, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": "dev_analytics"}]


def _load_jupyter_server_extension(app: Any) -> None:
    """Load the extension of a Jupyter server: what the server calls at its start."""
    from dev_analytics.process import line, why_unserved

    if why := why_unserved():
        app.log.info(line(why))
        return
    from dev_analytics.apps.server import load

    load(app)
