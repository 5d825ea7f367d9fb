"""Values checked against their declarations, in a time that is bounded."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from types import TracebackType
from typing import Final, Self

from identity.configu.schema import Cfgu
from identity.errors import CheckTooSlow
from identity.secret_stores.base import MAX_VALUE_BYTES
from identity.secret_stores.keychain_helper import HelperEnded, HelperTimedOut, KeychainHelper

#: Isolated: neither the working folder nor PYTHON… variables add code to it.
COMMAND: Final = (sys.executable, "-I", "-m", "identity.configu.check_process")
#: Declarations whose time may run out before no further ones are tried.
_MOST_SLOW: Final = 3
_HINT: Final = "simplify its pattern: repetitions inside of repetitions go back and forth for ever"


class BoundedCheck:
    """Says what is wrong with a value, as `Cfgu.problem` does; a check of a declaration with
    expressions is killed at its deadline. Calls wait: make them in a thread. Close it at the end.
    """

    def __init__(self, *, command: Sequence[str] = COMMAND, timeout_s: float = 5.0) -> None:
        self._helper = KeychainHelper({}, command=command, timeout_s=timeout_s)
        self._slow = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None
    ) -> None:
        self._helper.stop()

    def __call__(self, cfgu: Cfgu, value: str) -> str:
        """What is wrong with the value, or ""; nothing of the value is in it.

        Raises:
            CheckTooSlow: it took too long, or other checks did so before.
        """
        if not cfgu.has_expressions:
            return cfgu.problem(value)
        if len(value) > MAX_VALUE_BYTES:
            return "it is too long to be checked"
        if self._slow >= _MOST_SLOW:
            raise CheckTooSlow(f"{cfgu.key} is not checked: others took too long", hint=_HINT)
        request = {"key": cfgu.key, "declared": cfgu.declared, "value": value}
        try:
            return str(self._helper.call(request)["problem"])
        except HelperTimedOut as error:
            self._slow += 1
            raise CheckTooSlow(
                f"the check of {cfgu.key} took longer than {error.timeout_s:g} s", hint=_HINT
            ) from None
        except HelperEnded as error:
            self._slow += 1
            raise CheckTooSlow(f"the check of {cfgu.key} failed: {error}", hint=_HINT) from None
