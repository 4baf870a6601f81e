"""Write the sample of the public page, with invented users.

Run it with ``make sample`` or ``python notebooks/public_page.py [DIR]``. The generated population
is the same each time.
"""

from __future__ import annotations

import sys
from datetime import timedelta
from pathlib import Path

from population import BEGINS, WEEKS, Population

from dev_analytics.maintainer.page import page
from dev_analytics.maintainer.publish import Weeks
from dev_analytics.maintainer.published import as_json

FOLDER = Path(__file__).parent.parent / "docs" / "public-page"
USERS = 2_000
NOTE = "Sample page: the users are invented, and their numbers generated."


def main(folder: Path = FOLDER) -> None:
    """Write the page and its JSON into a folder."""
    weeks = Weeks(BEGINS + timedelta(weeks=WEEKS))
    for line in Population(USERS).lines():
        weeks.add(line)
    published = weeks.published()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "index.html").write_text(page(published.weeks, NOTE), "utf-8")
    (folder / "analytics.json").write_text(as_json(published, NOTE), "utf-8")
    print(f"{folder}: {len(published.weeks)} weeks of {USERS:,} invented users.")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:2]))
