"""The extension in a Jupyter server: it asks no question, and observes the server's own events.

It is enabled when the package is installed, and records nothing before the user has agreed in a
notebook or a terminal. It also keeps open questions and displayed records out of saved notebooks.
A failure is one line in the server's log.
"""

from __future__ import annotations

import atexit
import os
from typing import Any

from dev_analytics.analytics import get_analytics
from dev_analytics.apps.magics import begin_log
from dev_analytics.config import SERVER_VARIABLE, load_settings
from dev_analytics.consent.asking.saving import leave_out_marked
from dev_analytics.consent.environment import SettingError, environment_switch
from dev_analytics.observers.launch import server_word
from dev_analytics.observers.server import ServerEvents


def load(app: Any) -> None:
    """Load the extension into `app`, a ServerApp; never raises."""
    try:
        app.contents_manager.register_pre_save_hook(leave_out_marked)
        os.environ[SERVER_VARIABLE] = server_word(getattr(app.starter_app, "name", ""))
        _load(app)
    except SettingError as error:
        app.log.warning(f"dev_analytics: {error}")
    except Exception as error:
        # Its message may hold a path, and a server's log has many readers.
        app.log.warning(f"dev_analytics is not loaded: {type(error).__name__}")


def _load(app: Any) -> None:
    analytics = get_analytics()
    gate = analytics.gate
    gate.follow_environment()  # what the environment says goes before a setting
    settings = load_settings(app)
    environment_switch()
    gate.switch = gate.switch or settings.switch
    analytics.delivery = settings.delivery
    if settings.log and begin_log(analytics, settings.log):
        app.log.warning("dev_analytics: no event log, its file cannot be written")
    ServerEvents(analytics).register(app.event_logger)
    atexit.register(analytics.pipeline.sink.close, at_exit=True)
