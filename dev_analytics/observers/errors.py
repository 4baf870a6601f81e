"""What an error says of itself without its message: public class, public package, own frames.

Everything is read through the slots of ``BaseException`` and ``type``, which no class of the user
can replace.
"""

from __future__ import annotations

import sys
from types import FrameType, ModuleType, TracebackType
from typing import Final

from dev_analytics.catalogue.events import EXCEPTIONS, PACKAGES
from dev_analytics.catalogue.source import OPEN
from dev_analytics.catalogue.vocabulary import OTHER
from dev_analytics.observers.installed import package_of

_TRACEBACK: Final = BaseException.__dict__["__traceback__"].__get__
_MRO: Final = type.__dict__["__mro__"].__get__
_MODULE: Final = type.__dict__["__module__"].__get__
_QUALNAME: Final = type.__dict__["__qualname__"].__get__
_CLASS_DICT: Final = type.__dict__["__dict__"].__get__
_MODULE_DICT: Final = vars(ModuleType)["__dict__"].__get__

MAX_FRAMES_READ: Final = 3000
"""How much of a traceback is followed; a recursion error's is longer than anyone reads."""


def describe(error: BaseException) -> dict[str, object]:
    """Return the properties of ``error_raised`` that `error` tells, but for its phase."""
    name, exact = public_class(type(error))
    innermost, frames = _follow(_TRACEBACK(error))
    return {
        "exception": name,
        "exact": exact,
        "package": _package(innermost),
        "frames": frames or None,
    }


def public_class(error: type[BaseException]) -> tuple[str, bool]:
    """Return the vocabulary's name for `error`, or for its nearest public ancestor.

    Returns
    -------
    name, exact
        Whether the name is the class's own.
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
    """Return whether `cls` is what an installed module has under that name.

    A class can claim any name, and a user's own module can have any.
    """
    found: object = sys.modules.get(module)
    # Not isinstance, here and below: it would ask the object's __class__.
    if not issubclass(type(found), ModuleType):
        return False
    top = module.partition(".")[0]
    file = _MODULE_DICT(found).get("__file__")
    if module not in sys.builtin_module_names and package_of(file) != top:
        return False
    for part in qualname.split("."):
        if issubclass(type(found), ModuleType):
            found = _MODULE_DICT(found).get(part)
        elif issubclass(type(found), type):
            found = _CLASS_DICT(found).get(part)
        else:
            return False
    return found is cls


def _follow(traceback: TracebackType | None) -> tuple[FrameType | None, list[object]]:
    """Return the innermost frame, and the claimed places in open packages, outermost first."""
    innermost: FrameType | None = None
    frames: list[object] = []
    for _ in range(MAX_FRAMES_READ):
        if traceback is None:
            break
        innermost = traceback.tb_frame
        module = _module_of(innermost)
        if module is not None and module.partition(".")[0] in OPEN:
            frames.append((module, innermost.f_code.co_qualname, traceback.tb_lineno))
        traceback = traceback.tb_next
    return innermost, frames


def _package(frame: FrameType | None) -> str:
    package = None if frame is None else package_of(frame.f_code.co_filename)
    return PACKAGES.find(package) or "user code"


def _module_of(frame: FrameType) -> str | None:
    name = dict.get(frame.f_globals, "__name__")
    return name if type(name) is str else None
