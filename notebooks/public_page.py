"""Make the sample of the public page, of users whom nobody is.

``python notebooks/public_page.py [DIR]``, ``make sample``: the population is made anew, the same
each time.
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
NOTE = "Made-up users: these are numbers of a generated population, of nobody."


def main(folder: Path = FOLDER) -> None:
    """Write the page and its JSON into a folder."""
    weeks = Weeks(BEGINS + timedelta(weeks=WEEKS))
    for line in Population(USERS).lines():
        weeks.add(line)
    told = weeks.published()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "index.html").write_text(page(told.weeks, NOTE), "utf-8")
    (folder / "analytics.json").write_text(as_json(told, NOTE), "utf-8")
    print(f"{folder}: {len(told.weeks)} weeks of {USERS:,} users whom nobody is.")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:2]))
