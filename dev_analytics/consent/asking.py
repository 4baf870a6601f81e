"""When the user of a shell is asked, how, and what they are told then."""

from __future__ import annotations

import sys
from typing import Any, Final

from dev_analytics.consent.decision import Decision, Rule, Switch
from dev_analytics.consent.gate import Gate
from dev_analytics.consent.presence import Presence, presence
from dev_analytics.consent.prompt import ask
from dev_analytics.consent.question import DISABLED, NO_ANSWER, NOTICE, ON, Answer
from dev_analytics.consent.store import ConsentStoreError

_ON: Final = Switch(True, "%dev_analytics on", explicit=True)


class Asking:
    """Asks the user of one shell.

    Parameters
    ----------
    gate
        Where the answer goes.
    shell
        The InteractiveShell.
    """

    def __init__(self, gate: Gate, shell: Any) -> None:
        self._gate = gate
        self._shell = shell

    def at_load(self) -> None:
        """Ask at a terminal, if the rules say so; a kernel's user is asked after a cell.

        Who switched on with the command that began the session is told why where it does not work.
        """
        switch, present = self._gate.switch, presence(self._shell)
        if switch is not None and switch.on and switch.explicit:
            if not self._gate.now()[0].collecting:
                # Where nobody is, the output is somebody's data.
                file = sys.stderr if present is Presence.NOBODY else sys.stdout
                print(self.on(switch), file=file)
        elif present is Presence.TERMINAL and self._claim():
            print(self._ask())

    def after_cell(self) -> bool:
        """Show a notebook's user how to answer, if the rules say so.

        Returns
        -------
        bool
            This was settled: the notice is shown, or will not be for this session.
        """
        if presence(self._shell) is not Presence.KERNEL:
            return False
        if self._claim():
            self._shell.display_pub.publish({"text/plain": NOTICE})
        return True

    def on(self, switch: Switch = _ON) -> str:
        """Switch the session on, ask if nobody answered yet, and give what then holds, in words."""
        self._gate.switch = switch
        present = presence(self._shell) is not Presence.NOBODY
        decision = self._gate.decision(can_answer=present)
        if decision.ask and not decision.collecting:
            try:
                if self._gate.claim_question():
                    return self._ask()
            except ConsentStoreError as error:
                return f"Analytics stay off: the consent store cannot be used: {error}."
            decision = self._gate.decision(can_answer=present)
        return ON if decision.collecting else stays_off(decision)

    def off(self) -> str:
        """Switch the session off, and say so."""
        self._gate.switch = Switch(False, "%dev_analytics off", explicit=True)
        return "Analytics are off for this session. %dev_analytics on switches them on again."

    def disable(self) -> str:
        """Opt out for ever, and give what then holds, in words."""
        return self._store(Answer.NO)

    def _claim(self) -> bool:
        try:
            return self._gate.claim_question()
        except ConsentStoreError:
            return False

    def _ask(self) -> str:
        # input() is looked up now: a kernel puts its own in place of the built-in one.
        return self._store(ask(input, print))

    def _store(self, answer: Answer) -> str:
        try:
            self._gate.answer(answer)
        except ConsentStoreError as error:
            self._gate.switch = Switch(False, "an answer that could not be stored")
            return (
                f"Your answer could not be stored: {error}. Analytics are off for this session; "
                "set DO_NOT_TRACK=1 to keep them off everywhere."
                if answer is Answer.NO
                else f"Analytics stay off: your answer could not be stored: {error}."
            )
        if answer is Answer.NONE:
            return NO_ANSWER
        if answer is Answer.NO:
            return DISABLED
        decision, _ = self._gate.now()
        return ON if decision.collecting else stays_off(decision)


def stays_off(decision: Decision) -> str:
    """Say why analytics stay off, and what would change it."""
    way_back = {
        Rule.OPTED_OUT: " Only %dev_analytics reset leads back.",
        Rule.UNREADABLE: " %dev_analytics reset makes a new one.",
    }.get(decision.rule, "")
    return f"Analytics stay off: {decision.reason}.{way_back}"
