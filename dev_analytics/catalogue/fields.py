"""What declares an event: a class whose annotated fields are the properties of its records.

It is no class of msgspec: to import that, and to make its classes, took a fifth of the time until
the first event in a kernel. Records are made of plain values, so it has no instances.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, ClassVar, Final, NoReturn, get_origin

from dev_analytics import __version__


class UnsetType:
    """The type of `UNSET`, in the annotation of a property that may be missing."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "UNSET"


UNSET: Final[UnsetType] = globals().get("UNSET") or UnsetType()
"""The default of a property that may be missing.

It stays the same when the module is loaded again, as classes that exist have it.
"""


class Field:
    """One field of an event.

    Attributes
    ----------
    name
        Its name in Python.
    wire
        Its name in a record.
    default
        Its value where none is given: `UNSET` leaves it out. None if it is required.
    required
        Whether it has no default.
    """

    __slots__ = ("default", "name", "required", "wire")

    def __init__(self, name: str, wire: str, own: Mapping[str, object]) -> None:
        self.name, self.wire = name, wire
        self.default, self.required = own.get(name), name not in own


class Why:
    """Why an event is collected: what it decides or shows.

    Parameters
    ----------
    event
        The reason for the event, in one sentence.
    **properties
        The reason for each of its properties.
    """

    def __init__(self, event: str, /, **properties: str) -> None:
        self.event = event
        self.properties: Final[Mapping[str, str]] = properties


class EventType(type):
    """The type of an event's class, which cannot be changed and has no instances."""

    def __call__(cls, *args: object, **given: object) -> NoReturn:
        """Raise TypeError."""
        raise TypeError(f"{cls.__name__} declares an event, and has no instances")

    def __setattr__(cls, name: str, value: object) -> NoReturn:
        raise AttributeError(f"{cls.__name__} cannot be changed")

    def __delattr__(cls, name: str) -> NoReturn:
        raise AttributeError(f"{cls.__name__} cannot be changed")


class Event(metaclass=EventType):
    """The fields of every event: its recording, its number in it, and settings for PostHog.

    Attributes
    ----------
    session_id
        A random UUID7 of the recording, its time in whole seconds.
    seq
        The record's number in the recording: equal events stay distinct, and a gap shows a loss.
    lib, lib_version
        This package and its version.
    process_person_profile, geoip_disable, ip, ignore_sent_at
        PostHog creates no profile, looks up no location, keeps no address, and keeps our time.
    """

    wire: ClassVar[str]
    """The event's name in its record."""
    why: ClassVar[Why]
    """Why the event and each of its properties are collected."""
    since: ClassVar[int] = 1
    """The notice that first names the event."""
    _wires: ClassVar[Mapping[str, str]] = {
        "session_id": "$session_id",
        "lib": "$lib",
        "lib_version": "$lib_version",
        "process_person_profile": "$process_person_profile",
        "geoip_disable": "$geoip_disable",
        "ip": "$ip",
        "ignore_sent_at": "$ignore_sent_at",
    }
    """The names in a record of fields in the body of this class, if they differ.

    A tool can have neither this nor a property of this name.
    """

    session_id: str
    seq: int
    lib: str = "dev-analytics"
    lib_version: str = __version__
    process_person_profile: bool = False
    geoip_disable: bool = True
    ip: str = "0.0.0.0"  # noqa: S104, no address to listen on but one that names nobody
    ignore_sent_at: bool = True


# ``%autoreload`` gives what is of a class that a module names the newer class, and fails where that
# is a class, too.
del EventType


@cache
def fields(event: type[Event]) -> tuple[Field, ...]:
    """Return the fields of `event` in the order of its records: those of every event come last."""
    *own, common, _ = event.__mro__
    return tuple(field for each in (*reversed(own), common) for field in _own_fields(each))


def _own_fields(event: type[Event]) -> list[Field]:
    """Return the fields in the body of `event`."""
    own: Mapping[str, Any] = vars(event)
    wires = own.get("_wires", {})
    return [
        Field(name, wires.get(name, name), own)
        for name, hint in event.__annotations__.items()
        if not _is_of_the_class(hint)
    ]


def _is_of_the_class(hint: Any) -> bool:
    if type(hint) is str:
        return hint.partition("[")[0].rpartition(".")[2] == "ClassVar"
    return hint is ClassVar or get_origin(hint) is ClassVar
