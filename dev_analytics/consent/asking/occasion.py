"""When the user of a shell is asked, and how.

The words of the questions are loaded when one is asked: most sessions ask none.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

from dev_analytics.callbacks import after_reply, quiet
from dev_analytics.consent.asking.presence import of_user, presence
from dev_analytics.consent.decision import Switch
from dev_analytics.consent.gate import Gate
from dev_analytics.consent.store import ConsentStoreError
from dev_analytics.drops import DropLedger
from dev_analytics.process.messages import say
from dev_analytics.process.request import handles_click, request

if TYPE_CHECKING:
    from dev_analytics.consent.asking.notebook import NotebookQuestion
    from dev_analytics.consent.asking.passing import Passing
    from dev_analytics.consent.asking.question import Answer, Offer, Question
    from dev_analytics.consent.decision import Consent

_ON: Final = Switch(True, "%dev_analytics on", explicit=True)


class Asking:
    """Asks the user of one shell.

    Parameters
    ----------
    gate
        Where the answer goes.
    shell
        The InteractiveShell.
    drops
        Where failures are counted.
    news
        Returns what the catalogue adds to an older notice, a line each.
    records
        Returns what would be sent, as HTML.
    records_text
        Returns the same as text, for a question that is asked on a line.
    offers
        Returns what other tools would record beyond a consent.
    agreed
        Called after each answer, and when a user who agreed switches a session on.
    """

    def __init__(
        self,
        gate: Gate,
        shell: Any,
        drops: DropLedger,
        *,
        news: Callable[[int], Sequence[str]],
        records: Callable[[], str],
        records_text: Callable[[], str],
        offers: Callable[[Consent], Sequence[Offer]] = lambda consent: (),
        agreed: Callable[[], None] = lambda: None,
    ) -> None:
        self.drops = drops
        self._gate = gate
        self._shell = shell
        self._news = news
        self._records = records
        self._records_text = records_text
        self._offers = offers
        self._agreed = agreed
        self._open: NotebookQuestion | None = None
        self._passing: Passing | None = None
        self._unanswered = ""
        self._shows_widgets = True
        # IPython unregisters by comparison, so one bound method is kept.
        self._callback = self.after_cell

    def start(self) -> None:
        """Ask at a terminal, if the rules say so.

        A user who switched on with the command that began the session is told why it does not work,
        if it does not.
        """
        switch, present = self._gate.switch, presence(self._shell)
        if switch is not None and switch.on and switch.explicit:
            decision = self._gate.decision(can_answer=present == "terminal")
            if decision.ask or not decision.collecting:
                # Where nobody reads it, the standard output is somebody's data.
                say(self.on(switch), sys.stderr if present == "nobody" else sys.stdout)
        elif present == "terminal" and self._claim():
            say(self._prompt())

    def stop(self) -> None:
        """Stop asking, and withdraw a question that is open."""
        self._leave_cells()
        if self._open is not None:
            self._close(self._unanswered)
        if self._passing is not None:
            self._passing.end()

    @property
    def is_open(self) -> bool:
        """Whether a dialog waits for an answer."""
        return self._open is not None and not self._open.ended

    def on(self, switch: Switch | None = None) -> str:
        """Switch the session on, ask if somebody can answer, and return what then holds, in words.

        The text is empty where a dialog is shown, which says it itself.

        Parameters
        ----------
        switch
            The switch of the command that began the session; None for the magic.
        """
        if switch is None:
            self._gate.switch_in_session(_ON)
        present = presence(self._shell)
        can_answer = present != "nobody"
        for offer in self._offers(self._gate.store.read()):
            self._gate.wanted[offer.key] = offer.scope
        decision = self._gate.decision(can_answer=can_answer)
        if decision.collecting:
            self._agreed()
        if decision.ask:
            try:
                if self._gate.claim_question():
                    if present == "notebook" and self._show(request(self._shell)):
                        return ""
                    return self._prompt()
            except ConsentStoreError as error:
                if not decision.collecting:
                    return f"Analytics stay off: the consent store cannot be used: {error}."
            decision = self._gate.decision(can_answer=can_answer)
        from dev_analytics.consent.asking.answering import holds

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
        from dev_analytics.consent.asking.passing import Passing

        self._passing = Passing(self._shell, self.drops, f"{text}\n{last}", text)
        return ""

    @quiet
    def after_cell(self, result: Any) -> None:
        """Ask at the end of a cell, and let the dialog follow the later ones.

        The dialog does not follow code that belongs to no cell of a notebook, such as that of a
        console or a script on the same kernel.
        """
        if not of_user(result):
            return
        if self._open is None:
            self._ask_after()
        elif self._open.ended:
            self._leave_cells()
        elif presence(self._shell) == "notebook":
            self._open.after_cell(request(self._shell))

    def _ask_after(self) -> None:
        present = presence(self._shell)
        if present == "nobody":
            return
        self._leave_cells()
        if present == "notebook":
            running = request(self._shell)
            with contextlib.suppress(RuntimeError):
                after_reply(lambda: self.below(running))
                return
            self.below(running)
        elif self._claim():
            if present == "terminal":
                say(self._prompt())
            else:
                from dev_analytics.consent.asking.output import fitted

                notice = fitted(self._question().notice, request(self._shell))
                self._shell.display_pub.publish({"text/plain": notice})

    def wanted(self) -> None:
        """Ask at the end of the cell in which a tool recorded something that is not agreed to."""
        if self._open is not None and self._open.ended:
            self._open = None
        self._follow_cells()

    @quiet
    def below(self, running: Any) -> None:
        """Ask below the cell that `running`, a kernel's request, ran; its reply was sent."""
        if self._claim() and not self._show(running):
            from dev_analytics.consent.asking.output import Output

            Output(self._shell, running).show({"text/plain": self._question().notice})

    def _show(self, running: Any) -> bool:
        """Show the question below the cell of `running`; return False if widgets are not shown."""
        if not self._shows_widgets:
            return False
        from dev_analytics.consent.asking.answering import holds, take
        from dev_analytics.consent.asking.dialog import Dialog
        from dev_analytics.consent.asking.notebook import NotebookQuestion

        question = self._question()
        self._close(question.unanswered)
        self._unanswered = question.unanswered

        def taken(answer: Answer) -> str:
            text = take(self._gate, answer, question.offers, question.recipients)
            self._agreed()
            return text

        try:
            self._open = NotebookQuestion(
                self._shell,
                self._gate,
                self.drops,
                make=lambda: Dialog(
                    question,
                    taken,
                    self._records,
                    self.drops,
                    by_page=lambda widget: handles_click(self._shell, widget),
                ),
                unanswered=question.unanswered,
                holds=lambda: holds(self._gate.now()[0]),
                unseen=self._unseen,
            )
        except ImportError:
            return False
        self._open.open(running)
        self._follow_cells()
        return True

    def _unseen(self) -> None:
        # Otherwise each `on` would show one more dialog that nobody sees.
        self._shows_widgets = False

    def _question(self) -> Question:
        from dev_analytics.consent.asking.question import first, newer

        consent = self._gate.store.read()
        offers = self._offers(consent)
        if consent.user_id is None:
            return first(offers, self._gate.recipient)
        news = self._news(consent.notice)
        return newer(news, consent.answered_on, offers, self._gate.recipient, consent.recipients)

    def _claim(self) -> bool:
        try:
            return self._gate.claim_question()
        except ConsentStoreError:
            return False

    def _prompt(self) -> str:
        from dev_analytics.consent.asking.answering import take
        from dev_analytics.consent.asking.prompt import ask
        from dev_analytics.consent.asking.question import Answer
        from dev_analytics.consent.asking.terminal import line_of

        question = self._question()
        answer = ask(question, line_of(self._shell), show=self._records_text)
        if answer is Answer.NONE:
            return question.unanswered
        text = take(self._gate, answer, question.offers, question.recipients)
        self._agreed()
        return text

    def _close(self, text: str) -> None:
        if self._open is not None:
            self._open.close(text)

    def _follow_cells(self) -> None:
        if self._callback not in self._shell.events.callbacks["post_run_cell"]:
            self._shell.events.register("post_run_cell", self._callback)

    def _leave_cells(self) -> None:
        if self._callback in self._shell.events.callbacks["post_run_cell"]:
            self._shell.events.unregister("post_run_cell", self._callback)
