"""The settings: ``c.DevAnalytics`` in IPython's configuration, or ``%config DevAnalytics``."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final

from traitlets import Bool, Float, TraitError, Unicode, validate
from traitlets.config import Config, Configurable

from dev_analytics.analytics import SAMPLE_PERCENT
from dev_analytics.consent.decision import Switch
from dev_analytics.consent.environment import PolicyError, SettingError, read_policies
from dev_analytics.delivery import Delivery
from dev_analytics.destinations import ARCHIVE, destinations
from dev_analytics.process.native import environ_now

LOG_VARIABLE: Final = "DEV_ANALYTICS_LOG"

SERVER_VARIABLE: Final = "DEV_ANALYTICS_SERVER"
"""What our extension of a Jupyter server leaves for its kernels: a word, and the server's pid."""


_OF_DESTINATIONS: Final = {
    setting.name: setting for each in destinations().values() for setting in each.settings
}


def _traits_of_destinations() -> dict[str, Any]:
    return {
        name: Unicode(setting.default, help=setting.help).tag(config=True, allowed=setting.allowed)
        for name, setting in _OF_DESTINATIONS.items()
    }


class DevAnalytics(Configurable):
    """Settings of dev_analytics. An environment variable overrides its setting."""

    # No class of their own: traitlets takes as long for each as for all the traits in it.
    locals().update(_traits_of_destinations())

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

    flush_interval = Float(
        Delivery.flush_seconds,
        min=0,
        help="How many seconds a record waits for others before it is delivered.",
    ).tag(config=True, allowed="a number of seconds from 0")

    spool_max_mib = Float(
        Delivery.max_mib,
        min=0.1,
        help="The largest size of the waiting records, in MiB; the oldest are dropped first.",
    ).tag(config=True, allowed="a number of MiB from 0.1")

    spool_max_days = Float(
        Delivery.max_days,
        min=0,
        help="How many days a record may wait before it is dropped.",
    ).tag(config=True, allowed="a number of days from 0")

    @validate(*_OF_DESTINATIONS)
    def _is_allowed(self, proposal: Any) -> str:
        value, setting = str(proposal["value"]), _OF_DESTINATIONS[proposal["trait"].name]
        if value != setting.default and not setting.takes(value):
            raise TraitError("not allowed")
        return value

    @validate("flush_interval", "spool_max_mib", "spool_max_days", "sample_percent")
    def _is_finite(self, proposal: Any) -> float:
        number = float(proposal["value"])
        # The bounds of a trait let NaN through.
        if not math.isfinite(number):
            raise TraitError("no number")
        return number

    sample_percent = Float(
        SAMPLE_PERCENT,
        min=0,
        max=100,
        help="The percentage of users who are asked.",
    ).tag(config=True, allowed="a number from 0 to 100")

    on_refused: Callable[[SettingError], None] | None = None
    """Called when ``%config`` has a value that is not allowed; the previous value stays."""

    def update_config(self, config: Config) -> None:
        """Apply what ``%config`` says, and report a bad value through `on_refused`.

        IPython's own error names neither the setting nor the values that are allowed.

        Raises
        ------
        TraitError
            A value is not allowed, and there is no `on_refused`.
        """
        try:
            super().update_config(config)
        except TraitError:
            refused = _refused(config)
            if refused is None or self.on_refused is None:
                raise
            self.on_refused(refused)

    @property
    def switch(self) -> Switch | None:
        """The switch that `enabled` sets, or None."""
        return None if self.enabled is None else Switch(self.enabled, "c.DevAnalytics.enabled")

    @property
    def delivery(self) -> Delivery:
        """Where records go, and how long and how large they may wait."""
        return Delivery(
            flush_seconds=self.flush_interval,
            recipient=self._recipient(),
            max_mib=self.spool_max_mib,
            max_days=self.spool_max_days,
        )

    def _recipient(self) -> str:
        """Return the recipient that an administrator's policy or a setting names.

        A policy overrides the setting, and the site's policy overrides one that
        ``DEV_ANALYTICS_POLICY`` names. A policy that chooses a destination decides all of its
        settings, so that no user's setting redirects the records of a whole site.
        """
        try:
            policies = read_policies()
        except PolicyError:
            # Where records may go is not known, so they stay on this machine.
            return ARCHIVE
        own = {name: getattr(self, name) for name in _OF_DESTINATIONS}
        chosen, values = None, dict[str, str]()
        for settings in (own, *(policy.settings for policy in policies.values())):
            for destination in destinations().values():
                if destination.is_chosen(settings):
                    chosen, values = destination, {}
            values |= {name: value for name, value in settings.items() if value}
        return ARCHIVE if chosen is None else chosen.recipient(values)

    @property
    def log(self) -> str:
        """The path of the event log, from ``DEV_ANALYTICS_LOG`` or the setting; empty for none."""
        return environ_now().get(LOG_VARIABLE) or self.log_file


def load_settings(parent: Any) -> DevAnalytics:
    """Read the settings from the configuration of `parent`.

    Raises
    ------
    SettingError
        A setting has a value that is not allowed.
    """
    # Attribute access would create a missing section.
    section = parent.config.get("DevAnalytics", {})
    if not isinstance(section, dict):
        raise SettingError("c.DevAnalytics", section, "a section with settings")
    try:
        return DevAnalytics(parent=parent)
    except TraitError as error:
        raise (_refused(parent.config) or error) from None


def _refused(config: Config) -> SettingError | None:
    """Return the error of the first setting in `config` whose value is not allowed."""
    for name, trait in DevAnalytics.class_traits(config=True).items():
        value = config.DevAnalytics.get(name)
        # A string from the command line is shown as it was typed, not as traitlets wraps it.
        shown = str(value) if isinstance(value, str) else value
        try:
            DevAnalytics(**{name: value} if name in config.DevAnalytics else {})
        except TraitError:
            return SettingError(f"c.DevAnalytics.{name}", shown, trait.metadata["allowed"])
    return None
