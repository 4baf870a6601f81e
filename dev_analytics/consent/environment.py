"""What the environment decides: variables, the administrator's policy file, where data is kept."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from dev_analytics.consent import Value
from dev_analytics.consent.decision import VARIABLES, Environment, Switch
from dev_analytics.process.forks import unforked
from dev_analytics.process.handlers import pass_on
from dev_analytics.process.native import environ_now, open_file

if TYPE_CHECKING:
    from dev_analytics.consent.policy import Policy

NAME: Final = "dev-analytics"

_IS_LINUX: Final = sys.platform == "linux" and not hasattr(sys, "getandroidapilevel")
_ANDROIDS: Final = frozenset({"ANDROID_DATA", "ANDROID_ROOT"})
SITE_VARIABLE: Final = "XDG_CONFIG_DIRS"
"""What moves the site's folder, and with it the policy, on Linux."""

_site_folder: Path | None = None
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
        **{field: means_yes(environ.get(name)) for field, name in VARIABLES.items()},
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


def _usual_place() -> Path | None:
    """Return the data directory that would be used without ``XDG_DATA_HOME``.

    None where the system has no such variable, or there is no home directory.
    """
    if sys.platform == "win32":
        return None
    share = "Library/Application Support" if sys.platform == "darwin" else ".local/share"
    try:
        return Path.home() / share / NAME
    except RuntimeError:
        return None


def _elsewhere(data: Path) -> Path | None:
    """Return the usual data directory, if it is another one than `data`.

    None where it is `data` itself, and where ``DEV_ANALYTICS_DIR`` or the caller names `data`,
    which then stands for a user of its own.
    """
    environ = environ_now()
    moved = environ.get("XDG_DATA_HOME") and not environ.get("DEV_ANALYTICS_DIR")
    if not moved or data != data_directory():
        return None
    return None if _is_usual(data) else _usual_place()


def _is_usual(data: Path) -> bool:
    """Return whether `data` is the usual place, by whatever path ``XDG_DATA_HOME`` leads there."""
    usual = _usual_place()
    if usual is None or data == usual:
        return data == usual
    if not environ_now().get("XDG_DATA_HOME"):
        return False
    try:
        # The parents are compared, as a path through a folder that is missing leads nowhere yet.
        return data.name == usual.name and data.parent.samefile(usual.parent)
    except OSError as error:
        pass_on(error)
        return False


class Place(Value):
    """Where one user's consent is kept.

    It is determined once: what a cell puts into the environment later does not move it.
    """

    data: Path
    """The data directory."""

    other: Path | None
    """The data directory that the user has without ``XDG_DATA_HOME``, if it is another one."""

    is_usual: bool
    """Whether `data` is the usual data directory, by whatever path."""


def place_of(data: Path, other: Path | None = None) -> Place:
    """Return the place that belongs to a data directory.

    `other` is the other directory as another process determined it; None determines it here.
    """
    return Place(data, other or _elsewhere(data), _is_usual(data))


def policy_files(environ: Mapping[str, str] | None = None) -> list[Path]:
    """Return the paths of policies: the one that ``DEV_ANALYTICS_POLICY`` names, then the site's.

    Where both name a destination, the later one in the list wins.

    Raises
    ------
    PolicyError
        One is named below a home directory, and there is none.
    """
    environ = environ_now() if environ is None else environ
    files = [_site(environ) / "policy.json"]
    if named := environ.get("DEV_ANALYTICS_POLICY"):
        try:
            files.insert(0, Path(named).expanduser())
        except RuntimeError:
            raise _no_policy("cannot be read", named) from None
    return files


def _site(environ: Mapping[str, str]) -> Path:
    """Return the site's folder, or the last known one if `os.environ` cannot be read.

    It is the one that `environ` names, if that has the variable, and else that of the process.
    """
    if _IS_LINUX and SITE_VARIABLE in environ and not _ANDROIDS & environ.keys():
        # As platformdirs does it, which only asks `os.environ`.
        named = environ[SITE_VARIABLE].split(os.pathsep)
        return Path(next((each for each in named if each.startswith("/")), "/etc/xdg"), NAME)
    global _site_folder
    if _site_folder is None or environ_now() is os.environ:
        _site_folder = _platform_path("site_config_path", SITE_VARIABLE, "/etc/xdg")
    return _site_folder


def _platform_path(which: str, variable: str, usual: str) -> Path:
    """Return a path of `platformdirs`: the `usual` one on a Linux that sets nothing else.

    Importing `platformdirs` takes a tenth of the time in which a terminal loads the extension.

    Raises
    ------
    RuntimeError
        There is no home directory.
    """
    set_otherwise = (variable, *_ANDROIDS)
    at_home = os.environ.get("HOME", "").startswith("/") or not usual.startswith("~")
    if _IS_LINUX and at_home and not any(name in os.environ for name in set_otherwise):
        return Path(usual).expanduser() / NAME
    with unforked():
        import platformdirs
    found: Path = getattr(platformdirs, which)(NAME, appauthor=False)
    return found


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
            # Most machines have no policy, so what reads one is loaded for the first one.
            from dev_analytics.process.systems import is_administrators

            content, trusted = opened.read(), is_administrators(opened.fileno())
    except (FileNotFoundError, NotADirectoryError):
        if not os.path.lexists(file):
            if may_miss:
                return None
            why = "is missing"
    except OSError as error:
        pass_on(error)
    else:
        from dev_analytics.consent.files import DamagedError
        from dev_analytics.consent.policy import policy_of, without_destination

        try:
            policy = policy_of(content)
        except DamagedError:
            why = "is not understood"
        else:
            return policy if trusted else without_destination(policy)
    raise _no_policy(why, file)


def _no_policy(why: str, file: Path | str) -> PolicyError:
    from dev_analytics.process.messages import plain

    return PolicyError(f"the administrator's policy {why}: {plain(file)}")


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
            from dev_analytics.process.messages import plain

            return f"the administrator forbids it: {plain(file)}", False
    return "", False
