"""Observers of what happens in a session; they turn it into events with closed vocabularies.

No callback here raises, prints, blocks, or touches an object of the user: ``type(x)`` is safe, but
an attribute, ``str`` or ``repr`` may run the user's code. A failure is counted as a drop.
"""
