"""The questions of `init`: each is answered by an option, on the terminal, or by its default."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

from gateway.cli import output
from gateway.cli.parsers import UsageError
from gateway.errors import ConfigProblem, GatewayError

Check = Callable[[str], ConfigProblem | None]
_NO_ANSWER = ConfigProblem("", "an answer is needed", "type one, or stop with Ctrl-C")


class Questions:
    """Asks a person where `asks`, else takes the options and the defaults."""

    def __init__(self, *, asks: bool) -> None:
        self.asks = asks

    def text(
        self,
        option: str,
        given: str | None,
        prompt: str,
        *,
        check: Check,
        default: str | None = None,
    ) -> str:
        """One answer that `check` accepts; `default` None means that there has to be one.

        Raises:
            UsageError: what was given won't do, or nothing was and nobody can be asked.
            GatewayError: the terminal's input ends.
        """
        if given is not None:
            return _accepted(option, given, check)
        if not self.asks:
            if default is None:
                hint = "without a terminal, or with --yes, nothing is asked"
                raise UsageError(f"{option} is needed: {prompt}", hint=hint)
            return _accepted(option, default, check) if default else default
        while True:
            answer = self._answer(f"{prompt} [{default}]: " if default else f"{prompt}: ")
            answer = answer or default or ""
            if not answer and default is not None:
                return answer
            problem = check(answer) if answer else _NO_ANSWER
            if problem is None:
                return answer
            self.say(problem.message)
            self.say(problem.hint)

    def choice(
        self,
        option: str,
        given: str | None,
        prompt: str,
        options: Sequence[tuple[str, str]],
        *,
        default: str | None = None,
    ) -> str:
        """One of several words, each with what it means; its number will do. Raises as `text`."""
        words = [word for word, _ in options]
        if self.asks and given is None:
            self.say(prompt)
            for number, (word, meaning) in enumerate(options, start=1):
                output.note(f"  {number}  {word:<{max(map(len, words))}}  {meaning}")

        def known(answer: str) -> ConfigProblem | None:
            if answer in words or answer in numbers:
                return None
            return ConfigProblem(
                "", f"{answer!r} is not one of {', '.join(words)}", "or its number"
            )

        numbers = {str(number): word for number, word in enumerate(words, start=1)}
        answer = self.text(
            option, given, "which" if self.asks else prompt, check=known, default=default
        )
        return numbers.get(answer, answer)

    def agreed(self, prompt: str, *, default: bool = False) -> bool:
        """Whether a person says yes; False where nobody is asked."""
        if not self.asks:
            return False
        while True:
            answer = self._answer(f"{prompt} [{'Y/n' if default else 'y/N'}]: ").lower()
            if answer in {"", "y", "yes", "n", "no"}:
                return default if not answer else answer.startswith("y")

    def say(self, text: str) -> None:
        """A remark, if there is one."""
        if text:
            output.note(output.printable(text))

    def _answer(self, prompt: str) -> str:
        output.question(prompt)
        try:
            line = sys.stdin.readline()
        except UnicodeDecodeError:
            return ""
        if not line:
            output.note("")
            raise GatewayError(
                "the answers end before the questions do", hint="what was not written stays so"
            )
        return line.strip()


def _accepted(option: str, answer: str, check: Check) -> str:
    problem = check(answer)
    if problem is not None:
        raise UsageError(f"{option}: {problem.message}", hint=problem.hint)
    return answer
