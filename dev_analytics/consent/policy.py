"""What an administrator's ``policy.json`` may say; loaded when there is one."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from dev_analytics.consent import Value
from dev_analytics.consent.files import DamagedError, object_of
from dev_analytics.destinations import destinations


class Policy(Value):
    """What an administrator may say: no, or where records go; never a yes for somebody else.

    Anything in the file that is not declared here is not understood, and forbids.

    Attributes
    ----------
    analytics
        Whether a user may be asked at all: ``"allowed"`` or ``"forbidden"``.
    settings
        Settings of destinations, which overrule those of a user.
    passed_over
        Whether there were such settings that do not count, as the file is no administrator's.
    """

    analytics: str = "allowed"
    settings: Mapping[str, str] = MappingProxyType({})
    passed_over: bool = False


def policy_of(content: bytes) -> Policy:
    """Read an administrator's policy file.

    Raises
    ------
    DamagedError
        It says something that is not allowed, or says it twice.
    """
    settings: dict[str, str] = {}
    for name, value in object_of(content).items():
        if type(value) is not str:
            raise DamagedError(f"no text: {name}")
        settings[name] = value
    analytics = settings.pop("analytics", "allowed")
    if analytics not in ("allowed", "forbidden"):
        raise DamagedError("analytics are neither allowed nor forbidden")
    known = {each.name: each for one in destinations().values() for each in one.settings}
    for name, value in settings.items():
        if name not in known or (value and not known[name].takes(value)):
            raise DamagedError(f"no setting of a destination: {name}")
    return Policy(analytics, {name: value for name, value in settings.items() if value})


def without_destination(policy: Policy) -> Policy:
    """Return what counts of a policy that is no administrator's."""
    return Policy(policy.analytics, passed_over=bool(policy.settings))
