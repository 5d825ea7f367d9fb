"""What is started by entering a context, and leaves nothing behind, even where its start fails."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Self


class Started(ABC):
    """Runs from entering the context to leaving it."""

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    @abstractmethod
    def _start(self) -> None:
        """Return when it can be used."""

    @abstractmethod
    def _stop(self) -> None:
        """End it, however far it came."""
