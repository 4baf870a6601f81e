"""A question as a dialog below a cell: the only module that imports ipywidgets.

The kernel never waits for it. As soon as it is answered or withdrawn, a line of text replaces it,
so that no widget stays in the notebook. While it is open, the module `saving` keeps its output and
its widgets, which are all children of one box, out of the file. After a restart of the kernel its
buttons would be dead, so the style hides it. An answer that fails removes it too: a dialog on the
screen can always be answered.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final

from dev_analytics.callbacks import quiet
from dev_analytics.consent.asking.output import MARK, Output
from dev_analytics.consent.asking.question import MORE_INFO, UNSURE, Answer, Question
from dev_analytics.drops import DropLedger
from dev_analytics.process.native import RLock

CLASS: Final = "dev-analytics-question"
"""The CSS class of the dialog, which its saved state has too."""

WIDGET_VIEW: Final = "application/vnd.jupyter.widget-view+json"
SEE: Final = "See what would be sent"
HIDE: Final = "Hide what would be sent"

_NO_RECORDS: Final = (
    "<p>Something failed, so they cannot be shown here. %dev_analytics preview shows the records "
    "of this session.</p>"
)
_STYLE: Final = """\
<style>
.dev-analytics-question.jupyter-widgets-disconnected { display: none !important; }
.dev-analytics-question {
  border-left: 3px solid var(--jp-border-color1, currentColor);
  margin: 4px 0; padding: 4px 0 4px 12px; overflow: visible;
}
.dev-analytics-question .widget-html-content {
  color: inherit; font-size: var(--jp-content-font-size1, 14px); line-height: 1.5;
  max-width: 46em; white-space: normal;
}
.dev-analytics-question .widget-html-content p { margin: 0 0 4px; }
.dev-analytics-question .widget-html-content ul { margin: 0 0 4px; padding-left: 1.5em; }
.dev-analytics-question .widget-html-content a { text-decoration: underline; }
.dev-analytics-question .widget-hbox { flex-wrap: wrap; overflow: visible; }
.dev-analytics-question .jupyter-button {
  flex: none; height: auto; line-height: 1.5; min-width: max-content; overflow: visible;
  padding: 3px 14px;
}
.dev-analytics-question .jupyter-button:focus-visible {
  outline: 2px solid currentColor; outline-offset: 1px;
}
</style>"""


class Dialog:
    """One question in one notebook, until it is answered or withdrawn.

    Parameters
    ----------
    question
        What is asked.
    answered
        Takes the answer, and returns the line that replaces the dialog. It is called on any thread,
        and at most once.
    records
        Returns what would be sent, as HTML.
    drops
        Counts failures.
    by_page
        Returns whether the kernel is handling a page's click on the widget of this name.
    """

    def __init__(
        self,
        question: Question,
        answered: Callable[[Answer], str],
        records: Callable[[], str],
        drops: DropLedger,
        by_page: Callable[[str], bool],
    ) -> None:
        self.drops = drops
        self._by_page = by_page
        self.notice = question.notice
        self._answered = answered
        self._records = records
        self._output: Output | None = None
        self._ending = RLock()
        self._ended = False
        self._make(question)

    def _make(self, question: Question) -> None:
        from ipywidgets import HTML, Button, HBox, VBox

        def button(label: str, width: str, pressed: Callable[[Any], None]) -> Any:
            made = Button(description=label, layout={"width": width, "margin": "2px 6px 2px 0"})
            made.on_click(pressed)
            return made

        def answer_button(label: str, answer: Answer) -> Any:
            if answer is not Answer.YES:
                return button(label, width, partial(self._press, answer))
            made = button(label, width, lambda _: None)
            # Unlike `on_click`, this is not called by code that clicks every button it finds.
            made.on_msg(self._agree)
            return made

        width = f"{max(len(label) for label, _ in question.buttons) + 6}ch"
        answers = [answer_button(label, answer) for label, answer in question.buttons]
        self._see = button(SEE, "auto", self._toggle)
        self._shown = HTML("", layout={"display": "none"})
        self._box = VBox([HTML(_html(question)), HBox([*answers, self._see]), self._shown])
        self._box.add_class(CLASS)
        # A front end counts the views of a widget only if it has a count already.
        self._box._view_count = 0

    @property
    def ended(self) -> bool:
        """Whether the question was answered or withdrawn."""
        return self._ended

    @property
    def views(self) -> int:
        """How many views of it front ends show."""
        return int(self._box._view_count or 0)

    def show(self, output: Output, viewed: Callable[[], None]) -> None:
        """Show it as `output`, and call `viewed` while a page reports that it made a view."""
        self._output = output
        self._box.observe(lambda change: viewed(), "_view_count")
        view = {"version_major": 2, "version_minor": 0, "model_id": self._box.model_id}
        output.show({"text/plain": self.notice, WIDGET_VIEW: view}, {MARK: True})

    def end(self, text: str) -> bool:
        """Replace it by `text`; return False if it had ended before."""
        ends = self._end()
        if ends:
            self._leave(text)
        return ends

    def _end(self) -> bool:
        with self._ending:
            ended, self._ended = self._ended, True
            return not ended

    @quiet
    def _agree(self, button: Any, content: Any, _: Any) -> None:
        """Accept a yes from a page that shows the question, and from nothing else."""
        if content.get("event") == "click" and self.views > 0 and self._by_page(button.model_id):
            self._press(Answer.YES, button)

    @quiet
    def _press(self, answer: Answer, _: Any) -> None:
        if self._end():
            text = UNSURE
            try:
                text = self._answered(answer)
            finally:
                self._leave(text)

    def _leave(self, text: str) -> None:
        # Otherwise a page reports the end of its view to a subshell that it ends at the same time,
        # and ipykernel prints a warning about the lost message into the user's next cell.
        self._box.unobserve_all("_view_count")
        self._box._view_count = None
        if self._output is not None:
            self._output.replace({"text/plain": text})
        for widget in (self._box, *self._box.children, *self._box.children[1].children):
            for part in (getattr(widget, "style", None), widget.layout, widget):
                if part is not None:
                    part.close()

    @quiet
    def _toggle(self, _: Any) -> None:
        if self._shown.value:
            self._see.description, self._shown.value = SEE, ""
            self._shown.layout.display = "none"
            return
        html = _NO_RECORDS
        try:
            html = self._records()
        finally:
            self._see.description, self._shown.value = HIDE, html
            self._shown.layout.display = None


def _html(question: Question) -> str:
    from html import escape

    link = f'<a href="{MORE_INFO}" target="_blank" rel="noopener noreferrer">{MORE_INFO}</a>'
    receives = f"<p>{escape(question.receives)}</p>" if question.receives else ""
    introduction = escape(" ".join(question.introduction)).replace(MORE_INFO, link)
    news = "".join(f"<li>{escape(line)}</li>" for line in question.news)
    return (
        f"{_STYLE}{receives}<p>{introduction}</p>{f'<ul>{news}</ul>' if news else ''}"
        f"<p><strong>{escape(question.words)}</strong></p>"
    )
