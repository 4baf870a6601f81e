"""The HTML of the views: with the notebook's own fonts and colours, no script, nothing external.

All values go through `escape`. Without its style sheet, which some viewers of saved notebooks
remove, a view is still a readable table.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from dev_analytics.views.reading import Reading

_BORDER: Final = (
    "border-top: 1px solid var(--jp-border-color2, var(--vscode-panel-border, currentColor))"
)
# Repeating the class three times overrides Lab's rules for tables: stripes, hover, alignment to the
# right.
_V: Final = ".dev-analytics-view" * 3
_STYLE: Final = f"""\
{_V} {{ line-height: 1.5; max-width: 60em; text-align: left; white-space: normal }}
{_V} p {{ margin: 0.3em 0 }}
{_V} table {{ border-collapse: collapse; font: inherit; margin: 0; table-layout: auto }}
{_V} caption {{ caption-side: top; padding: 0.3em 0; text-align: left }}
{_V} tr {{ background: none; padding: 0; text-align: left }}
{_V} th, {_V} td {{ background: none; border: 0; line-height: inherit; max-width: none;
  {_BORDER}; padding: 0.2em 1.5em 0.2em 0;
  text-align: left; vertical-align: top; white-space: normal }}
{_V} th {{ font-weight: 600; white-space: nowrap }}
{_V} tr > :last-child {{ overflow-wrap: anywhere; padding-right: 0 }}
{_V} details {{ margin: 0; padding: 0 }}
{_V} summary {{ cursor: pointer }}
{_V} pre {{ background: none; border: 0; color: inherit; font-size: 0.9em; margin: 0.3em 0;
  overflow-wrap: anywhere; padding: 0; white-space: pre-wrap }}
{_V} .dev-analytics-many {{ container-type: inline-size; max-height: 32em; overflow: auto }}
{_V} .dev-analytics-records {{ width: 100% }}
{_V} .dev-analytics-records tr > :last-child {{ width: 100% }}
{_V} .dev-analytics-records td {{ white-space: nowrap }}
{_V} .dev-analytics-records details {{ white-space: normal }}
{_V} .dev-analytics-kind {{ margin: 0.3em 0 }}
{_V} .dev-analytics-kind > :not(summary) {{ margin-left: 1.2em }}
@container (max-width: 40em) {{
  {_V} .dev-analytics-records tr {{ display: block; padding: 0.3em 0; {_BORDER} }}
  {_V} .dev-analytics-records tr > * {{ border: 0; display: inline-block;
    padding: 0 1em 0 0 }}
  {_V} .dev-analytics-records tr > :last-child {{ display: block }}
}}
"""


def view(parts: Iterable[str]) -> str:
    """Return the HTML of a view with these parts."""
    # The two other classes keep MathJax from taking "$session_id ... $lib" for a formula.
    classes = "dev-analytics-view mathjax_ignore tex2jax_ignore"
    return "".join([f'<div class="{classes}"><style>\n{_STYLE}</style>\n', *parts, "</div>"])


def head(begins: str, title: str, style: str) -> str:
    """Return the head of a whole page, which may load nothing and run no script."""
    return "\n".join(
        [
            f'{begins}<head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width">',
            '<meta http-equiv="Content-Security-Policy" '
            "content=\"default-src 'none'; style-src 'unsafe-inline'\">",
            f"<title>{escape(title)}</title><style>\n{style}</style></head>",
        ]
    )


def many(label: str, parts: Iterable[str]) -> str:
    """Return long content in a box that scrolls, so that the notebook stays in sight."""
    opening = f'<div class="dev-analytics-many" role="region" tabindex="0" aria-label="{label}">'
    return "".join([opening, *parts, "</div>"])


def escape(text: str) -> str:
    """Return `text` as HTML that shows it."""
    from html import escape as escaped  # loaded only in a kernel that shows a view

    return escaped(text)


def table(label: str, heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table of texts, each row with its name in front; without `heads` it has no head."""
    head = "".join(f'<th scope="col">{each}</th>' for each in heads)
    made = [
        f'<table aria-label="{escape(label)}">',
        f"<thead><tr>{head}</tr></thead>" * bool(heads),
    ]
    made.append("<tbody>\n")
    for name, *texts in rows:
        cells = "".join(f"<td>{escape(text)}</td>" for text in texts)
        made.append(f'<tr><th scope="row">{escape(name)}</th>{cells}</tr>\n')
    return "".join([*made, "</tbody></table>"])


def exact(title: str, *readings: Reading) -> str:
    """Return a title, which is HTML, that opens to the exact bytes of records."""
    texts = "".join(f"<pre>{escape(reading.record.decode())}</pre>" for reading in readings)
    return f"<details><summary>{title}</summary>{texts}</details>"
