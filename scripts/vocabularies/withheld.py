"""Which public models the vocabulary leaves out: their names would say something of a person.

A model that a private person published names that person, and one that is made for role play or
that is "uncensored" says what somebody looks for. Neither helps to support a model: ``"other"`` is
enough. The rule is applied whenever the vocabulary is refreshed, and a test holds the shipped list
to it.
"""

from __future__ import annotations

import re
from typing import Final

AUTHORS: Final = frozenset(
    """
    aetherwiing alfredpros alpindale anthracite-org arliai austism cognitivecomputations
    eva-unit-01 garage-baind gryphe infermatic jondurbin koboldai latitudegames lizpreciatior
    mancer neversleep nothingiisreal pygmalionai raifle sao10k sophosympatheia steelskull teknium
    thedrummer undi95
    """.split()
)
"""Publishers who use a name of their own, or publish for role play."""

THEMES: Final = frozenset(
    """
    abliterated companion decensored decentered erotic erotica girlfriend heretic her horny lewd
    nsfw roleplay rp rpr sex sexy smut uncensored unhinged unslop waifu
    """.split()
)
"""Words that say what a model is for, or lacks."""

TITLES: Final = frozenset(
    """
    airoboros anubis celeste chronos cydonia dobby dolphin dolphin3 electra euryale eva fimbulvetr
    goliath hanami inferor lumimaid lunaris lzlv magnum mythalion mythomax noromaid openhermes
    platypus2 remm rocinante rose skyfall solidity sorcererlm starcannon stheno toppy unslopnemo
    valkyrie wayfarer weaver
    """.split()
)
"""Names of such models, which other lists give without their author."""

_WORD: Final = re.compile(r"[a-z0-9]+")


def is_about_a_person(model: str) -> bool:
    """Return whether the name of a public model names a private person or a sexual theme."""
    name = model.lower()
    return not (
        AUTHORS.isdisjoint(name.split("/")) and (THEMES | TITLES).isdisjoint(_WORD.findall(name))
    )


def is_template(model: str) -> bool:
    """Return whether an id is the beginning of the names of fine-tuned models, and no model."""
    return model.startswith("ft:") or ".ft-" in model
