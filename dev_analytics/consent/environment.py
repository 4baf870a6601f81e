"""What the environment decides: variables, the administrator's policy file, the data directory."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from dev_analytics.consent.decision import Environment, Switch
from dev_analytics.process.forks import unforked
from dev_analytics.process.messages import plain
from dev_analytics.process.native import environ_now, open_file
from dev_analytics.process.systems import is_administrators

if TYPE_CHECKING:
    from dev_analytics.consent.policy import Policy

NAME: Final = "dev-analytics"

_IS_LINUX: Final = sys.platform == "linux" and not hasattr(sys, "getandroidapilevel")
_NO: Final = frozenset({"", "0", "false", "no", "off"})


class SettingError(ValueError):
    """A setting has a bad value; the message names setting, value and what is allowed in one line.

    Attributes
    ----------
    switch
        The switch that follows from it: the session is off.
    """

    def __init__(self, setting: str, value: object, allowed: str) -> None:
        what = f"{setting} must be {allowed}, got {value!r}"
        self.switch = Switch(False, f"an invalid setting: {what}")
        super().__init__(f"{what}; analytics stay off")


class PolicyError(ValueError):
    """A policy that is named is missing, or one cannot be read or understood."""


def means_yes(value: str | None) -> bool:
    """Return whether a variable is set to anything but empty, 0, false, no or off."""
    return value is not None and value.strip().lower() not in _NO


def read_environment(environ: Mapping[str, str] | None = None) -> Environment:
    """Read what the variables and the policy file say now."""
    environ = environ_now() if environ is None else environ
    forbidden, unread = _forbidden(environ)
    return Environment(
        forbidden=forbidden,
        unread=unread,
        do_not_track=means_yes(environ.get("DO_NOT_TRACK")),
        ci=means_yes(environ.get("CI")),
    )


def environment_switch(environ: Mapping[str, str] | None = None) -> Switch | None:
    """Return the switch that ``DEV_ANALYTICS`` sets, or None if it is not set.

    Raises
    ------
    SettingError
        It is neither on nor off.
    """
    environ = environ_now() if environ is None else environ
    value = environ.get("DEV_ANALYTICS", "")
    position = value.strip().lower()
    if position not in ("", "on", "off"):
        raise SettingError("DEV_ANALYTICS", value, "on or off")
    return Switch(position == "on", "DEV_ANALYTICS") if position else None


def data_directory(environ: Mapping[str, str] | None = None) -> Path:
    """Return the data directory: ``DEV_ANALYTICS_DIR``, or the platform's place for user data.

    It is relative only if the home directory that it would be in cannot be found; the consent store
    is then unusable.
    """
    environ = environ_now() if environ is None else environ
    if named := environ.get("DEV_ANALYTICS_DIR"):
        try:
            return Path(named).expanduser().absolute()
        except RuntimeError:
            return Path(named)
    try:
        return _platform_path("user_data_path", "XDG_DATA_HOME", "~/.local/share")
    except RuntimeError:
        return Path("~", NAME)


def policy_files(environ: Mapping[str, str] | None = None) -> list[Path]:
    """Return the paths of policies: the one that ``DEV_ANALYTICS_POLICY`` names, then the site's.

    Where both name a destination, the later one in the list wins.

    Raises
    ------
    PolicyError
        One is named below a home directory, and there is none.
    """
    environ = environ_now() if environ is None else environ
    files = [_site() / "policy.json"]
    if named := environ.get("DEV_ANALYTICS_POLICY"):
        try:
            files.insert(0, Path(named).expanduser())
        except RuntimeError:
            raise PolicyError(
                f"the administrator's policy cannot be read: {plain(named)}"
            ) from None
    return files


def _site() -> Path:
    """Return the site's folder, or the last known one if `os.environ` cannot be read."""
    if _Site.folder is None or environ_now() is os.environ:
        _Site.folder = _platform_path("site_config_path", "XDG_CONFIG_DIRS", "/etc/xdg")
    return _Site.folder


def _platform_path(which: str, variable: str, usual: str) -> Path:
    """Return a path of `platformdirs`: the `usual` one on a Linux that sets nothing else.

    Importing `platformdirs` takes a tenth of the time in which a terminal loads the extension.

    Raises
    ------
    RuntimeError
        There is no home directory.
    """
    set_otherwise = (variable, "ANDROID_DATA", "ANDROID_ROOT")
    at_home = os.environ.get("HOME", "").startswith("/") or not usual.startswith("~")
    if _IS_LINUX and at_home and not any(name in os.environ for name in set_otherwise):
        return Path(usual).expanduser() / NAME
    with unforked():
        import platformdirs
    found: Path = getattr(platformdirs, which)(NAME, appauthor=False)
    return found


class _Site:
    folder: Path | None = None


def read_policies(environ: Mapping[str, str] | None = None) -> dict[Path, Policy]:
    """Read the policies that exist, in the order of `policy_files`.

    The site need not have one. A policy that somebody other than an administrator owns, or may
    write to, can forbid, but cannot set a destination.

    Raises
    ------
    PolicyError
        The one that is named is missing, or one cannot be read (as with a broken link), or says
        something that is not understood.
    """
    policies = {}
    *named, site = policy_files(environ)
    for file in (*named, site):
        policy = _read_policy(file, may_miss=file == site and file not in named)
        if policy is not None:
            policies[file] = policy
    return policies


def _read_policy(file: Path, *, may_miss: bool) -> Policy | None:
    why = "cannot be read"
    try:
        with open_file(file, "rb") as opened:
            content, trusted = opened.read(), is_administrators(opened.fileno())
    except (FileNotFoundError, NotADirectoryError):
        if not os.path.lexists(file):
            if may_miss:
                return None
            why = "is missing"
    except OSError:
        pass
    else:
        from dev_analytics.consent.files import DamagedError
        from dev_analytics.consent.policy import policy_of, without_destination

        try:
            policy = policy_of(content)
        except DamagedError:
            why = "is not understood"
        else:
            return policy if trusted else without_destination(policy)
    raise PolicyError(f"the administrator's policy {why}: {plain(file)}")


def _forbidden(environ: Mapping[str, str]) -> tuple[str, bool]:
    """Return why a policy forbids analytics, and whether it must be read again.

    One that cannot be read, or is not understood, forbids them too.
    """
    try:
        policies = read_policies(environ)
    except PolicyError as error:
        return str(error), True
    for file, policy in policies.items():
        if policy.analytics == "forbidden":
            return f"the administrator forbids it: {plain(file)}", False
    return "", False
