"""``python -m dev_analytics``: the same as ``jupyter dev-analytics``."""

import sys

from dev_analytics.commands.jupyter import main

if __name__ == "__main__":
    sys.exit(main())
