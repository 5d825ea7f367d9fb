"""The unlocked vault: secrets by project and name, checked for wholeness and age at each call."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Final, NamedTuple

from identity.errors import (
    SecretDamaged,
    StoreUnavailable,
    VaultDamaged,
    VaultRolledBack,
)
from identity.secret_stores.base import (
    Secret,
    SecretRef,
    check_project,
    check_value,
    not_set,
    not_there,
)
from identity.secret_stores.binding import Asker, Binding, Rebinding, admitted, rebound
from identity.secret_stores.vault import database
from identity.secret_stores.vault.contents import Contents, Mark, is_older, is_sealed, read_mark
from identity.secret_stores.vault.database import Change
from identity.secret_stores.vault.keys import NONCE_BYTES, BoxDamaged, Keys
from identity.secret_stores.vault.marks import MarkFile, MarkKeeper
from identity.secret_stores.vault.place import RESTORE, Place, check_private, locked
from identity.secret_stores.vault.records import (
    UnknownPolicy,
    decode_binding,
    decode_names,
    decode_value,
    encode_binding,
    encode_record,
    find_record,
)

_ACCEPT: Final = (
    "if you restored a backup or moved the vault here yourself: devwiz-gw vault check --accept; "
    "otherwise somebody put an older file in its place"
)

#: More changes than a vault has seen since the file that is accepted was copied.
_UNKNOWN_CHANGES: Final = 1 << 20


class Checked(NamedTuple):
    """A vault that is whole and the newest, and why which further keepers were not asked."""

    contents: Contents
    unasked: tuple[str, ...]

    def facts(self) -> dict[str, Any]:
        """How much there is, and nothing of what it is."""
        return {
            "secrets": len(self.contents.records),
            "projects": len({row.project for row in self.contents.records}),
            "slots": len(self.contents.slots),
            "epoch": self.contents.epoch,
            "unasked": list(self.unasked),
        }


class Vault:
    """All projects' secrets, by keys that `keys` gives whenever they are needed.

    Each call opens the file, checks that it is private, whole and not older than its mark, nor
    than what was `seen` before, and closes it: what others do to it in between is seen. `far` are
    further keepers of the mark, told of each change as far as they can be reached.
    """

    def __init__(
        self,
        place: Place,
        keys: Callable[[], Keys],
        *,
        far: Sequence[MarkKeeper] = (),
        seen: Mark | None = None,
    ) -> None:
        self._place = place
        self._keys = keys
        self._far = tuple(far)
        # Out of reach of who puts back the file together with its mark; without it, the next change
        # would tell the far keepers that the older state is the newest.
        self._seen = seen

    def get(self, ref: SecretRef, asker: Asker | None = None) -> Secret:
        """The current value. `asker` is who wants it; None where the vault's owner looks by itself.

        Raises:
            SecretNotFound, SecretDamaged, ProjectElsewhere, StateElsewhere, StoreUnavailable.
        """
        with self._checked(ref.project, asker) as (contents, keys):
            row = find_record(keys, ref, contents.records)
            if row is None:
                raise not_set(ref)
            try:
                return Secret(decode_value(keys, ref, row))
            except BoxDamaged:
                raise _damaged_secret(ref) from None
            except UnknownPolicy:
                raise StoreUnavailable(
                    f"secret {ref} is kept under a policy that this version doesn't know",
                    hint="use the version that set it",
                ) from None

    def set(self, ref: SecretRef, value: Secret, asker: Asker | None = None) -> None:
        """Create or replace. Raises as `get` does, and `InvalidSecretValue`."""
        check_value(value)
        with self._used(ref.project, asker) as (contents, keys, change):
            row = encode_record(keys, ref, value.reveal(), version=contents.epoch + 1, nonce=_nonce)
            change.put_record(row)

    def delete(self, ref: SecretRef, asker: Asker | None = None) -> None:
        """Remove the value. Raises as `get` does."""
        with self._used(ref.project, asker) as (contents, keys, change):
            row = find_record(keys, ref, contents.records)
            if row is None:
                raise not_there(ref)
            change.remove_record(row)

    def names(self, project: str, asker: Asker | None = None) -> list[str]:
        """The names kept for a project, sorted."""
        check_project(project)
        with self._checked(project, asker) as (contents, keys):
            try:
                return decode_names(keys, project, contents.records)
            except BoxDamaged:
                raise VaultDamaged(
                    f"the names of project {project} can't be read", hint=RESTORE
                ) from None

    def binding(self, project: str) -> Binding | None:
        """See `Bindable.binding`."""
        check_project(project)
        contents, keys = self._fresh()
        return _binding(keys, contents, project)

    def rebind(self, project: str, how: Rebinding, asker: Asker, file: str = "") -> Binding:
        """See `Bindable.rebind`."""
        check_project(project)
        with self._changing() as (contents, keys, change):
            before = _binding(keys, contents, project)
            after = rebound(before, project, how, asker, file)
            if after != before:
                self._write_binding(keys, change, project, after)
        return after

    def check(self) -> Checked:
        """See that the file is whole and not older than any mark that can be read.

        A mark that lags behind, because a change was cut short, is put right.

        Raises:
            VaultDamaged, VaultRolledBack, StoreUnavailable.
        """
        far, unasked = self._far_marks()
        contents, keys = self._fresh()
        _check_age(contents, filter(None, (read_mark(text, keys) for text in far)))
        with locked(self._place):
            contents, keys = self._fresh()
            self._mark_everywhere(contents.mark().text(keys))
        return Checked(contents, unasked)

    def accept(self) -> None:
        """Take the file, if it is whole, for the newest, and mark it as that everywhere.

        It becomes newer than any mark that can be read, by far, so that who has seen a later state,
        like the process that holds the key, takes it as well.
        """
        far, _ = self._far_marks()
        with locked(self._place):
            contents, keys = self._read()
            texts = [self._mark_file().read() or "", *far]
            marks = [contents.mark(), *filter(None, (read_mark(text, keys) for text in texts))]
            newest = max(mark.epoch for mark in marks)
            with database.changing(self._place.database) as (contents, change):
                keys = self._sealed(contents)
                self._finish(keys, change, newest + _UNKNOWN_CHANGES)

    @contextmanager
    def changing_slots(self) -> Iterator[tuple[Contents, Change]]:
        """A change to the slots; it is made when the block ends without an error."""
        with self._changing() as (contents, _, change):
            yield contents, change

    @contextmanager
    def _checked(self, project: str, asker: Asker | None) -> Iterator[tuple[Contents, Keys]]:
        contents, keys = self._fresh()
        if asker is not None and _wanted(keys, contents, project, asker) is not None:
            with self._used(project, asker) as (contents, keys, _):
                pass
        yield contents, keys

    def _fresh(self) -> tuple[Contents, Keys]:
        # The mark first: a change that comes in between can only make the file newer than it.
        mark, seen = self._mark_file().read() or "", self._seen
        contents, keys = self._read()
        _check_age(contents, [read_mark(mark, keys), *([] if seen is None else [seen])])
        self._seen = contents.mark()
        return contents, keys

    def _read(self) -> tuple[Contents, Keys]:
        check_private(self._place)
        contents = database.read(self._place.database)
        return contents, self._sealed(contents)

    def _sealed(self, contents: Contents) -> Keys:
        keys = self._keys()
        if contents.vault_id != keys.vault_id or not is_sealed(contents, keys):
            raise VaultDamaged(
                f"the vault's file {self._place.database} was changed by something else",
                hint=f"its rows don't fit its seal: {RESTORE}",
            )
        return keys

    @contextmanager
    def _changing(self) -> Iterator[tuple[Contents, Keys, Change]]:
        with locked(self._place):
            self._fresh()
            with database.changing(self._place.database) as (contents, change):
                keys = self._sealed(contents)
                yield contents, keys, change
                self._finish(keys, change, contents.epoch + 1)

    def _finish(self, keys: Keys, change: Change, epoch: int) -> None:
        after = Mark(epoch, change.contents().root())
        change.finish(after.epoch, after.seal(keys))
        self._seen = after
        # After the file: a crash in between leaves a file that is newer than its mark.
        self._mark_everywhere(after.text(keys))

    @contextmanager
    def _used(self, project: str, asker: Asker | None) -> Iterator[tuple[Contents, Keys, Change]]:
        """A change that lets the first who uses a project be the one that it belongs to."""
        with self._changing() as (contents, keys, change):
            wanted = None if asker is None else _wanted(keys, contents, project, asker)
            if wanted is not None:
                self._write_binding(keys, change, project, wanted)
            yield contents, keys, change
        if asker is not None and wanted is not None:
            asker.on_bound(project)

    def _write_binding(self, keys: Keys, change: Change, project: str, binding: Binding) -> None:
        change.put_project(encode_binding(keys, project, binding, nonce=_nonce()))

    def _mark_file(self) -> MarkFile:
        return MarkFile(self._place.mark(self._keys().vault_id))

    def _mark_everywhere(self, text: str) -> None:
        self._mark_file().write(text)
        for keeper in self._far:
            # One that can't be reached now knows an older state, which refuses still older ones.
            with suppress(StoreUnavailable):
                keeper.write(text)

    def _far_marks(self) -> tuple[list[str], tuple[str, ...]]:
        marks, unasked = [], []
        for keeper in self._far:
            try:
                marks.append(keeper.read() or "")
            except StoreUnavailable as error:
                unasked.append(str(error))
        return marks, tuple(unasked)


def _wanted(keys: Keys, contents: Contents, project: str, asker: Asker) -> Binding | None:
    """What has to be written before `asker` uses a project, or None. Raises as `admitted` does."""
    before = _binding(keys, contents, project)
    tag = keys.project(project).tag
    after = admitted(
        before, project, asker, is_kept=lambda: any(row.project == tag for row in contents.records)
    )
    return after if after != before else None


def _binding(keys: Keys, contents: Contents, project: str) -> Binding | None:
    try:
        return decode_binding(keys, project, contents.projects)
    except (BoxDamaged, ValueError):
        raise VaultDamaged(f"the row of project {project} can't be read", hint=RESTORE) from None


def _check_age(contents: Contents, marks: Iterable[Mark | None]) -> None:
    for mark in marks:
        if mark is None:
            raise VaultRolledBack(
                "the mark of the vault's last state is missing, or is not this vault's",
                hint=_ACCEPT,
            )
        if is_older(contents, mark):
            raise VaultRolledBack(
                f"the vault's file is older than its last state ({contents.epoch} < {mark.epoch})"
                if contents.epoch < mark.epoch
                else "the vault's file is another one than its last state",
                hint=_ACCEPT,
            )


def _damaged_secret(ref: SecretRef) -> SecretDamaged:
    return SecretDamaged(
        f"secret {ref} in the vault is damaged, or was put there from elsewhere",
        hint="set the secret again",
    )


def _nonce() -> bytes:
    return os.urandom(NONCE_BYTES)
