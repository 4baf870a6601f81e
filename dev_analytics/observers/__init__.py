"""Observers: they see what the session does, and turn it into events of closed vocabularies.

No callback here raises, prints, blocks, or touches an object of the user: ``type(x)`` is safe,
an attribute, ``str`` and ``repr`` may be the user's code. A failure is counted as a drop.
"""
