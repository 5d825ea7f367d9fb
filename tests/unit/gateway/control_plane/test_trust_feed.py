"""Trust files: read at the start, and every way of replacing them is noticed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway.config.model import Config, Route
from gateway.control_plane.trust_feed import INTERVAL_S, TrustFeed
from gateway.control_plane.views import TrustView
from gateway.errors import ConfigInvalid
from tests.fakes import configs
from tests.fakes.authority import Authority
from tests.fakes.clock import FakeClock

ONE, TWO = Authority("one"), Authority("two")
HOUR = timedelta(hours=1)


class Bench:
    """A feed over a folder with a bundle and a list, and what it told."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.bundle, self.crl = folder / "ca.pem", folder / "crl.pem"
        self.bundle.write_text(ONE.pem)
        self.crl.write_text(ONE.crl())
        self.clock = FakeClock(datetime.now(UTC))
        self.published: list[tuple[str, str]] = []
        self.told: list[Path] = []
        self.feed = TrustFeed(self._changed, self.told.append, clock=self.clock)

    def _changed(self) -> None:
        self.published.append((self.feed.bundles["planner"], self.feed.crls.get("planner", "")))

    def config(self, *routes: Route, crl: Path | None = None) -> Config:
        config = configs.config(self.folder, *routes)
        return replace(config, identity=replace(config.identity, crl=crl))

    @property
    def route(self) -> Route:
        return configs.route(trust_bundle=self.bundle, crl=self.crl)

    async def looks(self, times: int = 3) -> None:
        """Let the feed look so often; a look is taken in a thread, so it takes its time."""
        for _ in range(times):
            await self.clock.advance(INTERVAL_S)
            async with asyncio.timeout(20):
                while self.clock.longest_sleep_s == 0:
                    await asyncio.sleep(0.001)

    def view(self) -> TrustView:
        return self.feed.views(self.clock.now())["planner"]


@asynccontextmanager
async def running(bench: Bench, config: Config | None = None) -> AsyncIterator[Bench]:
    bench.feed.use(await bench.feed.prepare(config or bench.config(bench.route)))
    task = asyncio.create_task(bench.feed.run())
    try:
        yield bench
        assert not task.done(), "the task must live on"
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    folder = tmp_path / "trust"
    folder.mkdir()
    return Bench(folder)


# What each route goes by


async def test_only_routes_that_name_files_have_any(bench: Bench) -> None:
    async with running(bench, bench.config(bench.route, configs.route("plain"))):
        assert bench.feed.bundles == {"planner": ONE.pem}
        assert bench.feed.crls == {"planner": bench.crl.read_text()}
        assert bench.feed.views(bench.clock.now()).keys() == {"planner"}


async def test_the_identitys_lists_are_for_routes_that_go_by_its_authorities(bench: Bench) -> None:
    own = bench.folder / "own.pem"
    own.write_text(TWO.crl())
    config = bench.config(
        configs.route("by-the-identity"),
        configs.route("by-its-own", crl=own),
        configs.route("others", trust_bundle=bench.bundle),
        crl=bench.crl,
    )
    async with running(bench, config):
        ones, twos = bench.crl.read_text(), own.read_text()
        assert bench.feed.crls == {"by-the-identity": ones, "by-its-own": twos}


async def test_files_that_cant_be_used_are_all_named_by_their_keys(bench: Bench) -> None:
    bench.bundle.write_text("nothing here")
    config = bench.config(
        bench.route,
        configs.route("gone", trust_bundle=bench.folder / "gone.pem", crl=bench.bundle),
        crl=bench.folder / "none.pem",
    )
    with pytest.raises(ConfigInvalid) as caught:
        await bench.feed.prepare(config)
    shown = {problem.key: problem.message for problem in caught.value.problems}
    assert shown == {
        "identity.crl": f"{bench.folder}/none.pem doesn't exist",
        "routes.planner.trust_bundle": f"{bench.bundle}: the trust bundle is not readable PEM",
        "routes.gone.trust_bundle": f"{bench.folder}/gone.pem doesn't exist",
        "routes.gone.crl": f"{bench.bundle}: there is no revocation list in PEM",
    }
    assert all(problem.hint for problem in caught.value.problems)


async def test_what_is_prepared_is_not_in_use(bench: Bench) -> None:
    async with running(bench):
        bench.bundle.write_text(TWO.pem)
        await bench.feed.prepare(bench.config(bench.route))
        assert bench.feed.bundles == {"planner": ONE.pem}


async def test_a_servers_own_certificate_may_be_trusted(bench: Bench) -> None:
    bench.bundle.write_text(ONE.issue("localhost").chain_pem)
    async with running(bench):
        assert bench.view().problems == ()


# Following


def in_place(path: Path, text: str) -> None:
    path.write_text(text)


def by_rename(path: Path, text: str) -> None:
    fresh = path.with_suffix(".new")
    fresh.write_text(text)
    fresh.replace(path)


@pytest.mark.parametrize("write", [in_place, by_rename])
async def test_a_new_version_is_taken_in(bench: Bench, write: Callable[[Path, str], None]) -> None:
    async with running(bench):
        await bench.looks()
        assert bench.published == []
        write(bench.bundle, ONE.pem + TWO.pem)
        await bench.looks(1)
        assert bench.published == [(ONE.pem + TWO.pem, bench.crl.read_text())]
        assert bench.told == [bench.bundle]
        lists = ONE.crl(7) + TWO.crl()
        write(bench.crl, lists)
        await bench.looks(1)
        assert bench.published[1:] == [(ONE.pem + TWO.pem, lists)]
        await bench.looks()
        assert len(bench.published) == 2


async def test_files_that_are_swapped_by_a_link_are_published_together(bench: Bench) -> None:
    """The layout of a Kubernetes volume: name → ..data/name, ..data → ..<time>/."""
    volume = bench.folder / "volume"
    lists = {"..one": ONE.crl(), "..two": TWO.crl()}
    for release, authority in (("..one", ONE), ("..two", TWO)):
        (volume / release).mkdir(parents=True)
        (volume / release / "ca.pem").write_text(authority.pem)
        (volume / release / "crl.pem").write_text(lists[release])
    (volume / "..data").symlink_to("..one")
    for name in ("ca.pem", "crl.pem"):
        (volume / name).symlink_to(f"..data/{name}")
    route = configs.route(trust_bundle=volume / "ca.pem", crl=volume / "crl.pem")
    async with running(bench, bench.config(route)):
        (volume / "..tmp").symlink_to("..two")
        (volume / "..tmp").replace(volume / "..data")
        await bench.looks()
    assert bench.published == [(TWO.pem, lists["..two"])]


@pytest.mark.parametrize(
    ("break_it", "why"),
    [
        (lambda path: path.write_text(""), "not readable PEM"),
        (lambda path: path.write_text(ONE.pem + TWO.pem[:-30]), "cut off"),
        (lambda path: path.unlink(), "doesn't exist"),
        (lambda path: path.chmod(0o646), "everybody may write to"),
        (lambda path: path.write_bytes(bytes(5 << 20)), "larger than 4 MiB"),
    ],
)
async def test_a_version_that_cant_be_used_leaves_the_last_good_one_and_says_why(
    bench: Bench,
    caplog: pytest.LogCaptureFixture,
    break_it: Callable[[Path], None],
    why: str,
) -> None:
    async with running(bench):
        break_it(bench.bundle)
        await bench.looks()
        (problem,) = bench.view().problems
        assert why in problem
        assert problem.startswith(str(bench.bundle)) or "everybody" in problem
        assert problem.endswith("; the last good version is used")
        assert bench.feed.bundles == {"planner": ONE.pem}
        assert bench.published == []
        warnings = [record for record in caplog.records if record.levelno == logging.WARNING]
        assert len(warnings) == 1, "said once"
        by_rename(bench.bundle, TWO.pem)
        await bench.looks(1)
        assert bench.view().problems == ()
        assert bench.feed.bundles == {"planner": TWO.pem}
        assert len(bench.published) == 1


async def test_a_version_that_is_taken_back_is_no_news(bench: Bench) -> None:
    async with running(bench):
        bench.crl.write_text("half")
        await bench.looks(1)
        assert bench.view().problems
        bench.crl.write_text(bench.feed.crls["planner"])
        await bench.looks()
        assert bench.view().problems == ()
        assert bench.published == []


async def test_a_list_that_runs_out_is_told(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    bench.crl.write_text(ONE.crl(ends=HOUR))
    async with running(bench):
        ends = bench.view().crl_ends_at
        assert ends is not None
        assert bench.view().problems == ()
        await bench.clock.jump((ends - bench.clock.now()).total_seconds())
        await bench.looks()
        told = f"the revocation list of CN=one has expired at {ends.isoformat()}"
        assert bench.view().problems == (told,)
        assert [told in message for message in caplog.messages] == [True]
        bench.crl.write_text(ONE.crl(ends=3 * HOUR))
        await bench.looks(1)
        assert bench.view().problems == ()


async def test_a_list_that_has_run_out_already_is_no_mistake_of_the_configuration(
    bench: Bench,
) -> None:
    """The gateway starts: nothing is accepted until a newer one comes, and `status` says so."""
    bench.crl.write_text(ONE.crl(starts=-2 * HOUR, ends=-HOUR))
    async with running(bench):
        assert "has expired" in bench.view().problems[0]
        await bench.looks(1)
        in_place(bench.crl, ONE.crl())
        await bench.looks(1)
        assert len(bench.published) == 1


async def test_routes_with_the_same_file_read_it_once(bench: Bench) -> None:
    twin = replace(bench.route, name="twin")
    async with running(bench, bench.config(bench.route, twin)):
        bench.bundle.write_text(TWO.pem)
        await bench.looks()
        assert bench.told == [bench.bundle]
        assert bench.feed.bundles == {"planner": TWO.pem, "twin": TWO.pem}
