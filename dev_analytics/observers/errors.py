"""Describes an error without its message: its public class, its public package, our own frames.

Everything is read through the slots of ``BaseException`` and ``type``, which no class can override.
"""

from __future__ import annotations

import sys
import threading
from inspect import CO_ASYNC_GENERATOR, CO_COROUTINE, CO_GENERATOR
from types import FrameType, ModuleType, TracebackType
from typing import Final

from dev_analytics.catalogue.events import EXCEPTIONS, PACKAGES
from dev_analytics.catalogue.source import OPEN
from dev_analytics.catalogue.vocabulary import OTHER
from dev_analytics.observers.installed import package_of
from dev_analytics.observers.plain import module_of, plain
from dev_analytics.process.handlers import traceback_of

_MRO: Final = type.__dict__["__mro__"].__get__
_MODULE: Final = type.__dict__["__module__"].__get__
_QUALNAME: Final = type.__dict__["__qualname__"].__get__
_MODULE_DICT: Final = vars(ModuleType)["__dict__"].__get__

_RESUMED: Final = CO_GENERATOR | CO_COROUTINE | CO_ASYNC_GENERATOR

MAX_FRAMES_READ: Final = 3000
"""How many frames of a traceback are read; that of a recursion error may be much longer."""


def describe(error: BaseException) -> dict[str, object]:
    """Return the properties of ``error_raised`` for `error`, except its phase."""
    name, exact = public_class(type(error))
    innermost, frames = _follow(traceback_of(error))
    return {
        "exception": name,
        "exact": exact,
        "package": _package(innermost),
        "frames": frames or None,
    }


def public_class(error: type[BaseException]) -> tuple[str, bool]:
    """Return the vocabulary's name for `error`, or for its nearest public ancestor.

    The second value says whether the name is the class's own.
    """
    for ancestor in _MRO(error):
        name = _public_name(ancestor)
        if name is not None:
            return name, ancestor is error
    return OTHER, False


def _public_name(cls: type) -> str | None:
    try:
        module, qualname = _MODULE(cls), _QUALNAME(cls)
    except AttributeError:
        return None
    if type(module) is not str or type(qualname) is not str:
        return None
    name = qualname if module == "builtins" else f"{module}.{qualname}"
    member = EXCEPTIONS.find(name)
    return member if member is not None and _is_found_at(cls, module, qualname) else None


def _is_found_at(cls: type, module: str, qualname: str) -> bool:
    """Return whether `cls` is the object that an installed module has under that name.

    A class can claim any name, and so can a module of the user.
    """
    found: object = sys.modules.get(module)
    # Not isinstance: it would read the object's __class__.
    if not issubclass(type(found), ModuleType):
        return False
    top = module.partition(".")[0]
    names = plain(_MODULE_DICT(found))
    file = names.get("__file__")
    if module not in sys.builtin_module_names and package_of(file) != top:
        return False
    return names.get(qualname) is cls


def _follow(traceback: TracebackType | None) -> tuple[FrameType | None, list[object]]:
    """Return the innermost frame, and the claimed places in open packages, outermost first.

    An error that an earlier statement raised, and that is raised again, still has its old
    traceback. Those frames are left out, as they may be from a time without consent.
    """
    innermost: FrameType | None = None
    frames: list[object] = []
    first, followed = traceback, set[int]()
    for _ in range(MAX_FRAMES_READ):
        if traceback is None or first is None:
            break
        frame = traceback.tb_frame
        if traceback is not first and _is_earlier(frame, first.tb_frame, followed):
            break
        innermost = frame
        followed.add(id(frame))
        module = module_of(frame)
        if module is not None and module.partition(".")[0] in OPEN:
            frames.append((module, frame.f_code.co_qualname, traceback.tb_lineno))
        traceback = traceback.tb_next
    return innermost, frames


def _is_earlier(frame: FrameType, first: FrameType, followed: set[int]) -> bool:
    """Return whether none of the frames that were followed called this one, directly or not.

    A frame whose caller is unknown counts as called: one of another thread, of compiled code, of a
    coroutine or a generator, unless that is IPython's and ran an earlier cell.
    """
    if frame.f_code.co_flags & _RESUMED:
        return frame.f_code is first.f_code and frame is not first
    if frame.f_back is None:
        return False
    between: list[int] = []
    caller: FrameType | None = frame
    while caller is not None and id(caller) not in followed:
        between.append(id(caller))
        frame, caller = caller, caller.f_back
    if caller is None:
        return frame.f_globals is not vars(threading)
    followed.update(between)
    return False


def _package(frame: FrameType | None) -> str:
    package = None if frame is None else package_of(frame.f_code.co_filename)
    return PACKAGES.find(package) or "user code"
