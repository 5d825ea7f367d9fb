"""A client's file on the disk: read, compared, and replaced whole."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from dataclasses import dataclass
from difflib import unified_diff
from hashlib import sha256
from pathlib import Path
from typing import Final, Self

from gateway.clients.files.base import NotEditable, Spot
from gateway.clients.receipt import Change, Kept, decoded
from gateway.errors import GatewayError
from identity.atomic_file import write_atomic
from identity.private_folder import make_private

_PRIVATE: Final = 0o600
_BOM: Final = "\ufeff"
#: No client's settings are as large.
_MOST_BYTES: Final = 16 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientFile:
    """What was found at a path; a link is followed to `path`.

    Attributes:
        text: with newlines only, None where there is no file.
        mode: what the file has, or is made with.
        shown: the path as it was asked for.
    """

    shown: Path
    path: Path
    text: str | None
    mode: int
    raw: bytes | None

    @classmethod
    def read(cls, shown: Path) -> Self:
        """Raises `NotEditable` for what is no file of text, or somebody else's."""
        path = Path(os.path.realpath(shown))
        try:
            known = path.stat()
            if not stat.S_ISREG(known.st_mode) or known.st_size > _MOST_BYTES:
                raise NotEditable(f"{shown} is no file of settings")
            _check_owner(shown, known.st_uid)
            raw = path.read_bytes()
            text = raw.decode()
        except (FileNotFoundError, NotADirectoryError):
            return cls(shown=shown, path=path, text=None, mode=_PRIVATE, raw=None)
        except UnicodeDecodeError:
            raise NotEditable(f"{shown} is not in UTF-8") from None
        except OSError as error:
            raise _failed("read", shown, error) from error
        mode = stat.S_IMODE(known.st_mode)
        return cls(shown=shown, path=path, text=_plain(text), mode=mode, raw=raw)

    @property
    def is_shared(self) -> bool:
        """Whether other users may read it."""
        return bool(self.mode & 0o077)

    def encoded(self, text: str) -> bytes:
        """`text` as this file has it: with its mark of UTF-8 and its ends of lines."""
        found = (self.raw or b"").decode()
        if _ends_in_crlf(found):
            text = text.replace("\n", "\r\n")
        return ((_BOM if found.startswith(_BOM) else "") + text).encode()

    def difference(self, after: str | None) -> list[str]:
        """What a change would do, for people."""
        old, new = ((text or "").splitlines() for text in (self.text, after))
        names = (
            (str(self.shown) if self.text is not None else os.devnull),
            (str(self.shown) if after is not None else os.devnull),
        )
        return list(unified_diff(old, new, *names, lineterm=""))

    @property
    def missing_folders(self) -> int:
        """How many folders there have to be made for it."""
        return sum(not folder.exists() for folder in self.path.parents)

    def replace(self, after: str | None, *, folders: int = 0) -> None:
        """Write it, or remove it and as many empty folders above. Raises `GatewayError`, also
        where somebody else wrote it meanwhile.
        """
        try:
            now = self.path.read_bytes() if self.path.exists() else None
            if now != self.raw:
                raise GatewayError(f"{self.shown} was changed meanwhile", hint="do it once more")
            if after is None:
                self.path.unlink(missing_ok=True)
                with suppress(OSError):  # there is more in one
                    for folder in list(self.path.parents)[:folders]:
                        folder.rmdir()
                return
            make_private(self.path.parent)
            write_atomic(self.path, self.encoded(after), self.mode)
        except OSError as error:
            raise _failed("write", self.shown, error) from error


class Receipts:
    """The receipts of a project's installations, in a folder of its state."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def find(self, file: ClientFile, spot: Spot) -> Kept | None:
        """What is remembered of an entry."""
        try:
            receipt = decoded(self._path(file, spot, "json").read_bytes())
            if receipt is None:
                return None
            if not receipt.found:
                return Kept(receipt=receipt, original=None)
            original = self._path(file, spot, "bak").read_bytes().decode()
            return Kept(receipt=receipt, original=original)
        except (FileNotFoundError, UnicodeDecodeError):
            return None
        except OSError as error:
            raise _failed("read", self._folder, error) from error

    def apply(self, file: ClientFile, spot: Spot, change: Change) -> None:
        """Make a change, the copy of the file being there before. Raises `GatewayError`."""
        if change.kept is not None:
            self._remember(file, spot, change.kept)
        if change.after != file.text:
            file.replace(change.after, folders=change.folders)
        if change.kept is None:
            for kind in ("json", "bak"):
                self._path(file, spot, kind).unlink(missing_ok=True)
            with suppress(OSError):  # there are others, or no folder at all
                self._folder.rmdir()

    def _remember(self, file: ClientFile, spot: Spot, kept: Kept) -> None:
        try:
            make_private(self._folder)
            if kept.original is not None:
                # The copy may hold what other servers' entries hold.
                data = kept.original.encode()
                write_atomic(self._path(file, spot, "bak"), data, _PRIVATE)
            write_atomic(self._path(file, spot, "json"), kept.receipt.encoded(), _PRIVATE)
        except OSError as error:
            raise _failed("write", self._folder, error) from error

    def _path(self, file: ClientFile, spot: Spot, kind: str) -> Path:
        where = f"{file.path}\0{spot.container}\0{spot.name}"
        return self._folder / f"{sha256(where.encode()).hexdigest()[:24]}.{kind}"


def _plain(text: str) -> str:
    text = text.removeprefix(_BOM)
    return text.replace("\r\n", "\n") if _ends_in_crlf(text) else text


def _ends_in_crlf(text: str) -> bool:
    """Whether each of the text's lines does, so that it can be undone."""
    return "\r\n" in text and text.replace("\r\n", "").count("\n") == 0


def _check_owner(path: Path, owner: int) -> None:
    if hasattr(os, "geteuid") and owner != os.geteuid():
        raise NotEditable(
            f"{path} belongs to another user (uid {owner})", hint="run the command as that user"
        )


def _failed(what: str, path: Path, error: OSError) -> GatewayError:
    why = (error.strerror or str(error)).lower()
    return GatewayError(f"can't {what} {path}: {why}", hint="nothing was changed in it")
