"""The version of the package, which the build and the records read."""

__version__ = "1.0.0"
