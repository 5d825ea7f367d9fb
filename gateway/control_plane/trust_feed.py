"""The trust bundles and revocation lists that a configuration names: read when it is, watched from
then on, never opened by a worker.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final, Literal

from certs.bundle import read_anchors
from certs.clock import Clock
from certs.errors import CertsError
from certs.revocation import RevocationLists, ends_at, gap, read_lists
from certs.watched_files import MIB, WatchedFiles
from gateway.config.identities import table_of
from gateway.config.model import Config, Route
from gateway.control_plane.views import TrustView
from gateway.errors import ConfigInvalid, ConfigProblem

_LOG: Final = logging.getLogger(__name__)

#: How often the files are looked at.
INTERVAL_S: Final = 2.0
#: A bundle and its lists may be swapped together, while one was read already: then look again.
_PASSES: Final = 3

Key = Literal["trust_bundle", "crl"]
_WHAT: Final[dict[Key, str]] = {
    "trust_bundle": "name a PEM file with the authorities that the other side is checked by",
    "crl": "name a PEM file with a revocation list of each of the authorities",
}


class TrustFile:
    """One file: the last version of it that was good, and what is wrong with a newer one.

    Attributes:
        text: of the last good version.
        problem: why the present version is not in use, or "".
    """

    def __init__(self, key: Key, path: Path) -> None:
        self.path = path
        self.text = ""
        self.problem = ""
        self._key = key
        self._lists: RevocationLists = ()
        self._told_gap = ""
        self._watched = WatchedFiles(path, most_bytes=4 * MIB)

    @property
    def crl_ends_at(self) -> datetime | None:
        """When an authority is left without a revocation list in force."""
        return ends_at(self._lists)

    def gap(self, now: datetime) -> str:
        """For which authority there is no revocation list in force, or ""."""
        return gap(self._lists, now)

    async def read(self) -> bool:
        """Take the present version in; whether it says something else than the last.

        Raises:
            CertsError: it can't be read or is not good; the message names the file.
        """
        (data,) = await self._watched.read()
        try:
            if self._key == "crl":
                self._lists = read_lists(data)
            else:
                read_anchors(data)
        except CertsError as error:
            raise type(error)(f"{self.path}: {error}", hint=error.hint) from error
        before, self.text = self.text, data.decode("ascii", "replace")
        return self.text != before

    async def follow(self) -> bool:
        """Take a new version in if there is one and it is good; whether there was."""
        try:
            if not self.problem and not await self._watched.have_changed():
                return False
            is_new = await self.read()
        except CertsError as error:
            if str(error) != self.problem:
                _LOG.warning("%s; the last good version stays in use", error, extra=_hint(error))
            self.problem = str(error)
            return False
        if self.problem:
            _LOG.info("%s is good again", self.path)
        self.problem = ""
        return is_new

    def warn_of_gap(self, now: datetime) -> None:
        """Log once that a list has run out."""
        found = self.gap(now)
        if found and found != self._told_gap:
            _LOG.warning("%s: %s, and what it issued is not accepted", self.path, found)
        self._told_gap = found


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustFiles:
    """All files of one configuration, and by route name those that it goes by."""

    files: Mapping[tuple[Key, Path], TrustFile] = field(default_factory=dict)
    bundles: Mapping[str, TrustFile] = field(default_factory=dict)
    crls: Mapping[str, TrustFile] = field(default_factory=dict)


class TrustFeed:
    """Keeps what the routes trust fresh. A version that can't be used leaves the last good one.

    Args:
        changed: called when a route's trust is another.
        told: called with each file that was taken in anew.
    """

    def __init__(
        self, changed: Callable[[], None], told: Callable[[Path], None], *, clock: Clock
    ) -> None:
        self._changed = changed
        self._told = told
        self._clock = clock
        self._used = TrustFiles()

    @property
    def bundles(self) -> Mapping[str, str]:
        """The text of each route's own trust bundle, by route name."""
        return {name: file.text for name, file in self._used.bundles.items()}

    @property
    def crls(self) -> Mapping[str, str]:
        """The text of the revocation lists that each route goes by, by route name."""
        return {name: file.text for name, file in self._used.crls.items()}

    def views(self, now: datetime) -> dict[str, TrustView]:
        """How it stands with each route's files."""
        names = self._used.bundles.keys() | self._used.crls.keys()
        return {name: self._view(name, now) for name in names}

    def _view(self, name: str, now: datetime) -> TrustView:
        found = (self._used.bundles.get(name), self._used.crls.get(name))
        files = [file for file in found if file is not None]
        return TrustView(
            problems=(
                *(
                    f"{file.problem}; the last good version is used"
                    for file in files
                    if file.problem
                ),
                *(text for file in files if (text := file.gap(now))),
            ),
            crl_ends_at=next((end for file in files if (end := file.crl_ends_at)), None),
        )

    async def prepare(self, config: Config) -> TrustFiles:
        """Read what a configuration names; nothing of it is in use yet.

        Raises:
            ConfigInvalid: a file can't be used; all of them are named.
        """
        files: dict[tuple[Key, Path], TrustFile] = {}
        problems: list[ConfigProblem] = []
        for place, key, path in _named(config):
            if (key, path) in files:
                continue
            file = files[key, path] = TrustFile(key, path)
            try:
                await file.read()
            except CertsError as error:
                problems.append(ConfigProblem(place, str(error), error.own_hint or _WHAT[key]))
        if problems:
            raise ConfigInvalid(str(config.path), problems)
        bundles = {
            route.name: files["trust_bundle", route.trust_bundle]
            for route in config.routes
            if route.trust_bundle is not None
        }
        crls = {
            route.name: files["crl", crl]
            for route in config.routes
            if (crl := _crl_of(route, config)) is not None
        }
        return TrustFiles(files=files, bundles=bundles, crls=crls)

    def use(self, files: TrustFiles) -> None:
        """Go by what was prepared from now on."""
        self._used = files

    async def run(self) -> None:
        """Follow the files for ever; cancelled at the end."""
        while True:
            now = self._clock.now()
            for file in self._used.files.values():
                file.warn_of_gap(now)
            await self._clock.sleep(INTERVAL_S)
            if await self._look():
                self._changed()

    async def _look(self) -> bool:
        is_new = False
        for _ in range(_PASSES):
            news = [file for file in self._used.files.values() if await file.follow()]
            if not news:
                break
            is_new = True
            for file in news:
                self._told(file.path)
        return is_new


def _crl_of(route: Route, config: Config) -> Path | None:
    """The identity's lists are of the identity's authorities: no use with others."""
    if route.crl is not None or route.trust_bundle is not None:
        return route.crl
    return table_of(route, config).crl


def _named(config: Config) -> Iterator[tuple[str, Key, Path]]:
    """Each file with the key of the configuration that names it."""
    if config.identity.crl is not None:
        yield "identity.crl", "crl", config.identity.crl
    for name, table in config.identities.items():
        if table.crl is not None:
            yield f"identities.{name}.crl", "crl", table.crl
    for route in config.routes:
        if route.trust_bundle is not None:
            yield f"routes.{route.name}.trust_bundle", "trust_bundle", route.trust_bundle
        if route.crl is not None:
            yield f"routes.{route.name}.crl", "crl", route.crl


def _hint(error: CertsError) -> dict[str, str]:
    return {"event": "trust_problem", "hint": error.hint}
