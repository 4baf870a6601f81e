"""The environment's say: variables, the administrator's policy file, the data directory."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

import platformdirs

from dev_analytics.consent.decision import Environment, Switch

if TYPE_CHECKING:
    from dev_analytics.consent.files import Policy

NAME: Final = "dev-analytics"
ADDRESS: Final = r"https?://[^\s/?#]\S*"
"""PostHog's address, in a setting and in a policy: with a host in it."""

_NO: Final = frozenset({"", "0", "false", "no", "off"})


class SettingError(ValueError):
    """A setting has a value that is not allowed; the message names all three, in one line.

    Attributes
    ----------
    switch
        What follows from it: the session is off.
    """

    def __init__(self, setting: str, value: object, allowed: str) -> None:
        what = f"{setting} is {value!r}, allowed is {allowed}"
        self.switch = Switch(False, f"a setting that cannot be used: {what}")
        super().__init__(f"{what}; analytics stay off")


class PolicyError(ValueError):
    """There is a policy file that nobody understands, or may read."""


def means_yes(value: str | None) -> bool:
    """Tell whether a variable is set to anything but empty, 0, false, no or off."""
    return value is not None and value.strip().lower() not in _NO


def read_environment(environ: Mapping[str, str] = os.environ) -> Environment:
    """Read what the variables and the policy file say now."""
    return Environment(
        forbidden=_forbidden(environ),
        do_not_track=means_yes(environ.get("DO_NOT_TRACK")),
        ci=means_yes(environ.get("CI")),
    )


def environment_switch(environ: Mapping[str, str] = os.environ) -> Switch | None:
    """Give the position that ``DEV_ANALYTICS`` sets, None if it is not set.

    Raises
    ------
    SettingError
        It is neither on nor off.
    """
    value = environ.get("DEV_ANALYTICS", "")
    position = value.strip().lower()
    if position not in ("", "on", "off"):
        raise SettingError("DEV_ANALYTICS", value, "on or off")
    return Switch(position == "on", "DEV_ANALYTICS") if position else None


def data_directory(environ: Mapping[str, str] = os.environ) -> Path:
    """Give the data directory: ``DEV_ANALYTICS_DIR``, or the platform's place for user data.

    It is relative only where the home directory that it stands in cannot be found; the consent
    store then is unusable.
    """
    if named := environ.get("DEV_ANALYTICS_DIR"):
        try:
            return Path(named).expanduser().absolute()
        except RuntimeError:
            return Path(named)
    try:
        return platformdirs.user_data_path(NAME, appauthor=False)
    except RuntimeError:
        return Path("~", NAME)


def policy_file(environ: Mapping[str, str] = os.environ) -> Path:
    """Give the policy file: ``DEV_ANALYTICS_POLICY``, or the one in the site's configuration.

    Raises
    ------
    PolicyError
        It is named below the home directory of somebody who has none.
    """
    if named := environ.get("DEV_ANALYTICS_POLICY"):
        try:
            return Path(named).expanduser()
        except RuntimeError:
            raise PolicyError(f"the administrator's policy cannot be read: {named}") from None
    return platformdirs.site_config_path(NAME, appauthor=False) / "policy.json"


def read_policy(environ: Mapping[str, str] = os.environ) -> Policy | None:
    """Read the policy file; None where there is none, and everything is left to the user.

    Raises
    ------
    PolicyError
        There is one, but it cannot be read: a link to nowhere too.
    """
    file = policy_file(environ)
    try:
        content = file.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        if not os.path.lexists(file):
            return None
    except OSError:
        pass
    else:
        from dev_analytics.consent.files import DamagedError, policy_of

        with contextlib.suppress(DamagedError):
            return policy_of(content)
    raise PolicyError(f"the administrator's policy cannot be read: {file}")


def _forbidden(environ: Mapping[str, str]) -> str:
    """Say why the policy forbids analytics; one that cannot be understood forbids them too."""
    try:
        policy = read_policy(environ)
    except PolicyError as error:
        return str(error)
    forbids = policy is not None and policy.analytics == "forbidden"
    return f"the administrator forbids it: {policy_file(environ)}" if forbids else ""
