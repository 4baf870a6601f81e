"""The SDKs whose calls are recorded, one module each.

Each has ``hook(module)``, called with each of the SDK's ``MODULES`` after its import, and
``COVERS``: what the SDK is installed as, the oldest and the newest version that were tried, and
which calls are seen; None if it is no SDK. ``make documents`` keeps what others need of it.
"""
