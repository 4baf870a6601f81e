"""The settings: ``c.DevAnalytics`` in IPython's configuration, ``%config DevAnalytics``."""

from __future__ import annotations

import os
from typing import Any, Final

from traitlets import Bool, Float, TraitError, Unicode
from traitlets.config import Configurable

from dev_analytics.analytics import SAMPLE_PERCENT
from dev_analytics.consent.environment import SettingError

LOG_VARIABLE: Final = "DEV_ANALYTICS_LOG"


class DevAnalytics(Configurable):
    """Settings of dev_analytics. An environment variable goes before the setting that it names."""

    enabled = Bool(
        None,
        allow_none=True,
        help="True: ask, if nobody answered yet; False: off in every session; None: no switch. "
        "DEV_ANALYTICS=on|off goes before it.",
    ).tag(config=True, allowed="True, False or None")

    log_file = Unicode(
        "",
        help="Append every event to this file as JSON lines, whether or not any is sent. "
        "DEV_ANALYTICS_LOG goes before it.",
    ).tag(config=True, allowed="the path of a file")

    sample_percent = Float(
        SAMPLE_PERCENT,
        min=0,
        max=100,
        help="How many percent of all users are asked.",
    ).tag(config=True, allowed="a number from 0 to 100")

    @property
    def log(self) -> str:
        """The file of the event log: ``DEV_ANALYTICS_LOG``, or the setting; empty for none."""
        return os.environ.get(LOG_VARIABLE) or self.log_file


def load_settings(parent: Any) -> DevAnalytics:
    """Read the settings from the configuration of `parent`.

    Raises
    ------
    SettingError
        One has a value that is not allowed.
    """
    try:
        return DevAnalytics(parent=parent)
    except TraitError:
        for name, trait in DevAnalytics.class_traits(config=True).items():
            value = parent.config.DevAnalytics.get(name)
            try:
                DevAnalytics(**{name: value} if name in parent.config.DevAnalytics else {})
            except TraitError:
                raise SettingError(
                    f"c.DevAnalytics.{name}", value, trait.metadata["allowed"]
                ) from None
        raise
