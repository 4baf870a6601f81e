"""``python -m dev_analytics``: the same as ``jupyter dev-analytics``."""

from __future__ import annotations

import sys

from dev_analytics.process import why_unserved


def main() -> int:
    """Run the command, and return its exit code."""
    if why_unserved():
        from dev_analytics.apps import unserved

        return unserved.main()
    from dev_analytics.apps import jupyter

    return jupyter.main()


if __name__ == "__main__":
    sys.exit(main())
