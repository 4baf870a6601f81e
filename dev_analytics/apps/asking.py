"""When the user of a shell is asked, where, and what the commands that answer do.

The words of the questions are loaded when one is asked: most sessions ask none.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from dev_analytics.analytics import Analytics
from dev_analytics.callbacks import quiet
from dev_analytics.consent.asking.output import Output, fitted
from dev_analytics.consent.asking.presence import Presence, is_user_cell, presence
from dev_analytics.consent.decision import Switch
from dev_analytics.consent.store import ConsentStoreError
from dev_analytics.process.messages import say
from dev_analytics.process.request import handles_click, request

if TYPE_CHECKING:
    from dev_analytics.consent.asking.notebook import NotebookQuestion
    from dev_analytics.consent.asking.question import Answer, Question
    from dev_analytics.consent.asking.transient import TransientText

_ON: Final = Switch(True, "%dev_analytics on", explicit=True)


class Asking:
    """Asks the user of one shell.

    `agreed` is called after each answer, and when a user who agreed switches a session on.
    """

    def __init__(self, shell: Any, analytics: Analytics, agreed: Callable[[], None]) -> None:
        self.drops = analytics.drops
        self._analytics = analytics
        self._gate = analytics.gate
        self._shell = shell
        self._agreed = agreed
        self._open: NotebookQuestion | None = None
        self._transient: TransientText | None = None
        self._asked_in: object = None
        # IPython unregisters by comparison, so one bound method is kept.
        self._callback = self._follow

    def start(self) -> None:
        """Ask at a terminal, if the rules say so.

        Where a user switched on with the command that began the session, and it stays off, the
        reason is shown.
        """
        switch, present = self._gate.switch, presence(self._shell)
        if switch is not None and switch.on and switch.explicit:
            decision = self._gate.decision(can_answer=present == "terminal")
            if decision.ask or not decision.collecting:
                # Where nobody reads it, the standard output is somebody's data.
                say(self._ask_at_once(), sys.stderr if present == "nobody" else sys.stdout)
        elif present == "terminal" and self._claim():
            say(self._prompt())

    def stop(self) -> None:
        """Stop asking, and withdraw a question that is open."""
        self._leave_cells()
        if self._open is not None:
            self._open.withdraw()
        if self._transient is not None:
            self._transient.end()

    @property
    def is_open(self) -> bool:
        """Whether a dialog waits for an answer."""
        return self._open is not None and not self._open.ended

    def on(self) -> str:
        """Switch the session on, ask if somebody can answer, and return what then holds, in words.

        The text is empty where a dialog is shown, which says it itself.
        """
        self._gate.switch_in_session(_ON)
        return self._ask_at_once()

    def _ask_at_once(self) -> str:
        from dev_analytics.consent.asking.answering import holds
        from dev_analytics.tools.installed import offers

        present = presence(self._shell)
        can_answer = present != "nobody"
        for offer in offers(self._gate.store.read()):
            self._gate.wanted[offer.key] = offer.scope
        decision = self._gate.decision(can_answer=can_answer)
        if decision.collecting:
            self._agreed()
        if decision.ask:
            try:
                if self._gate.claim_question():
                    if present == "notebook" and self._show(request(self._shell)):
                        return ""
                    self._asked_in = _message(request(self._shell))
                    return self._prompt()
            except ConsentStoreError as error:
                if not decision.collecting:
                    return f"Analytics stay off: the consent store cannot be used: {error}."
            decision = self._gate.decision(can_answer=can_answer)
        return holds(decision)

    def off(self) -> str:
        """Switch the session off, and return a sentence that says so."""
        self._gate.switch_in_session(Switch(False, "%dev_analytics off", explicit=True))
        text = "Analytics are off for this session. %dev_analytics on switches them on again."
        self._close(text)
        return text

    def disable(self) -> str:
        """Opt out for ever, and return what then holds, in words.

        The identifier is shown once, to a person. In a notebook it disappears when the next cell
        has run, so that it is not saved. That is so for every kernel, as not all notebooks name
        their cells.
        """
        from dev_analytics.consent.asking.answering import farewell, take
        from dev_analytics.consent.asking.question import Answer

        before = self._gate.store.read()
        text = take(self._gate, Answer.NO)
        self._close(text)
        last = farewell(before) if self._gate.store.read().opted_out else ""
        present = presence(self._shell)
        if not last or present == "nobody":
            return text
        if present == "terminal":
            return f"{text}\n{last}"
        from dev_analytics.consent.asking.transient import TransientText

        self._transient = TransientText(self._shell, self.drops, f"{text}\n{last}", text)
        return ""

    def after_cell(self, present: Presence, running: Any) -> None:
        """Ask at the end of the cell that `running`, a kernel's request, ran.

        Where no dialog can be shown below it, one line of text says how to answer.
        """
        asked = self._asked_in is not None and self._asked_in == _message(running)
        if self.is_open or asked or not self._claim():
            return
        if present == "terminal":
            say(self._prompt())
        elif present == "notebook":
            if not self._show(running):
                Output(self._shell, running).show({"text/plain": self._question().notice})
        else:
            # The publisher first sends what the cell has printed: its reply has not done that yet.
            notice = fitted(self._question().notice, running)
            self._shell.display_pub.publish({"text/plain": notice})

    @quiet
    def _follow(self, result: Any) -> None:
        """Let an open dialog follow the user, whose cell has ended.

        It does not follow code that belongs to no cell of a notebook, such as that of a console or
        a script on the same kernel.
        """
        if self._open is None or self._open.ended:
            self._leave_cells()
        elif is_user_cell(result) and presence(self._shell) == "notebook":
            self._open.after_cell(request(self._shell))

    def _show(self, running: Any) -> bool:
        """Show the question below the cell of `running`; return False if widgets are not shown."""
        if self._open is not None and self._open.is_unseen:
            return False  # otherwise each `on` would show one more dialog that nobody sees
        from dev_analytics.consent.asking.dialog import Dialog
        from dev_analytics.consent.asking.notebook import NotebookQuestion

        question = self._question()
        if self._open is not None:
            self._open.withdraw()
        try:
            self._open = NotebookQuestion(
                self._shell,
                self._gate,
                self.drops,
                make=lambda: Dialog(
                    question,
                    partial(self._take, question),
                    partial(self._records, as_html=True),
                    self.drops,
                    by_page=lambda widget: handles_click(self._shell, widget),
                ),
                unanswered=question.unanswered,
            )
        except ImportError:
            return False
        self._open.open(running)
        self._shell.events.register("post_run_cell", self._callback)
        return True

    def _question(self) -> Question:
        from dev_analytics.catalogue.meanings import added_since
        from dev_analytics.consent.asking.question import first, newer
        from dev_analytics.tools.installed import offers

        consent = self._gate.store.read()
        others, recipient = offers(consent), self._gate.recipient
        if consent.user_id is None:
            return first(others, recipient)
        news = added_since(consent.notice)
        return newer(news, consent.answered_on, others, recipient, consent.recipients)

    def _records(self, *, as_html: bool) -> str:
        from dev_analytics.views.kinds import kinds_html, kinds_text

        self._analytics.recording  # noqa: B018, a rehearsal begins
        return (kinds_html if as_html else kinds_text)(self._analytics)

    def _claim(self) -> bool:
        try:
            return self._gate.claim_question()
        except ConsentStoreError:
            return False

    def _prompt(self) -> str:
        from dev_analytics.consent.asking.prompt import ask
        from dev_analytics.consent.asking.question import Answer
        from dev_analytics.consent.asking.terminal import line_of

        question = self._question()
        records = partial(self._records, as_html=False)
        answer = ask(question, line_of(self._shell), show=records)
        if answer is Answer.NONE:
            return question.unanswered
        return self._take(question, answer)

    def _take(self, question: Question, answer: Answer) -> str:
        from dev_analytics.consent.asking.answering import take

        text = take(self._gate, answer, question.offers, question.recipients)
        self._agreed()
        return text

    def _close(self, text: str) -> None:
        if self._open is not None:
            self._open.close(text)

    def _leave_cells(self) -> None:
        if self._callback in self._shell.events.callbacks["post_run_cell"]:
            self._shell.events.unregister("post_run_cell", self._callback)


def _message(running: Any) -> object:
    """Return the identifier of a kernel's request; None if there is none."""
    return running.get("header", {}).get("msg_id")
