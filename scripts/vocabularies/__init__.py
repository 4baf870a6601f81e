"""The public sources of the shipped vocabularies.

Nothing here is part of the package, and what each source needs is imported only when that source is
read. ``scripts/refresh_vocabularies.py`` is the command.

A file in ``dev_analytics/catalogue/vocabularies/`` has up to three parts, in this order:

1. a heading of comment lines: what it is, where its members come from, how to refresh it;
2. a section that begins with ``# from <source>``: rewritten each time;
3. a section that begins with ``# kept by hand``: preserved as it stands.

Each section holds one member a line, sorted. No member occurs twice in a file: what is kept by hand
is left out of the rewritten section.
"""
