"""docs/configuration.md has every key that the parser takes, with its default, and no other."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from gateway.config.identity_source import _READERS as SOURCES
from gateway.config.parse import parse
from gateway.config.rotate import _READERS as PROVIDERS
from gateway.config.table import Table
from gateway.config.tokens import _READERS as TOKENS
from gateway.errors import ConfigInvalid

PAGE = (Path(__file__).parents[4] / "docs" / "configuration.md").read_text(encoding="utf-8")

#: The tables of a file by their place: the headings of the page below which their keys are, the
#: table's own last, and files in which the parser meets everything that it takes there.
PLACES: dict[str, tuple[tuple[str, ...], list[dict[str, Any]]]] = {
    "identity": (("`[identity]`",), [{"identity": {"source": "issuer", "derive": "route"}}]),
    "identity.export[0]": (("`[[identity.export]]`",), [{"identity": {"export": [{}]}}]),
    "admin": (("`[admin]`",), [{}]),
    "workload_api": (("`[workload_api]`",), [{"workload_api": {}}]),
    "workload_api.allow[0]": (
        ("`[[workload_api.allow]]`",),
        [{"workload_api": {"allow": [{}]}}],
    ),
    "secrets": (("`[secrets]`",), [{"secrets": {"store": "vault"}}, {}]),
    "run": (("`[run]`",), [{"run": {}}]),
    "mfa": (("`[mfa]`",), [{"mfa": {}}]),
    "audit": (("`[audit]`",), [{}]),
    "audit.forward.x": (
        ("`[audit.forward.NAME]`",),
        [{"audit": {"forward": {"x": {"kind": k}}}} for k in ("langsmith", "otlp", "syslog")],
    ),
    "configu": (("`[configu]`",), [{"configu": {"set": "x"}}]),
    "log": (("`[log]`",), [{}]),
    "telemetry": (("`[telemetry]`",), [{"telemetry": {"otlp_headers": {}}}]),
    "limits": (("`[limits]`",), [{}]),
    "rotate.x": (
        ("`[rotate.NAME]`",),
        [
            {"rotate": {"x": {"provider": name, "configu": {}, "verify": ["/v"], "expires": "1d"}}}
            for name in PROVIDERS
        ],
    ),
    "rotate.x.configu": (
        ("`[rotate.NAME]`",),
        [{"rotate": {"x": {"provider": "prompt", "configu": {}}}}],
    ),
    "": ((("Top level"),), [{}]),
    "routes.http": (("`[[routes]]`",), [{"routes": [{"name": "http"}]}]),
    "routes.tcp": (
        ("`[[routes]]`", '`kind = "tcp"`'),
        [{"routes": [{"name": "tcp", "kind": "tcp"}]}],
    ),
    "routes.ingress": (
        ("`[[routes]]`", '`kind = "ingress"`'),
        [
            {"routes": [{"name": "ingress", "kind": "ingress", "protocol": protocol}]}
            for protocol in ("http", "tcp")
        ],
    ),
    **{
        f"tokens.{name}": (
            ('`source = "client-credentials"`', "`[tokens.NAME]`", f'`source = "{name}"`'),
            [{"tokens": {name: {"source": name}}}],
        )
        for name in TOKENS
    },
    "routes.x.allow[0]": (
        ("`[[routes.allow]]`",),
        [{"routes": [{"name": "x", "allow": [{"uid": 0}]}]}],
    ),
    **{
        f"identity.{name}": (
            (f"`[identity.{name}]`",),
            [
                {"identity": {"source": name, name: {"auth": auth}}}
                for auth in ("token", "approle", "jwt", "")
            ],
        )
        for name in SOURCES
    },
}


class Recorder:
    """What a parser asks each table for: the keys, and the defaults that it names for them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.keys: dict[str, set[str]] = {}
        self.defaults: dict[tuple[str, str], set[Any]] = {}
        take, know = Table._take, Table.know

        def taken(table: Table, name: str, kind: type) -> Any:
            self.keys.setdefault(table.key, set()).add(name)
            return take(table, name, kind)

        def known(table: Table, *names: str) -> None:
            self.keys.setdefault(table.key, set()).update(names)
            know(table, *names)

        monkeypatch.setattr(Table, "_take", taken)
        monkeypatch.setattr(Table, "know", known)
        for method in ("flag", "whole", "seconds", "choice", "text"):
            monkeypatch.setattr(Table, method, self._noting(getattr(Table, method)))

    def _noting(self, method: Any) -> Any:
        def noting(table: Table, name: str, *given: Any, **more: Any) -> Any:
            default = more.get("default", given[-1] if given else None)
            if type(default) in {bool, int, float, str} and default != "":
                self.defaults.setdefault((table.key, name), set()).add(default)
            return method(table, name, *given, **more)

        return noting

    def read(self, raw: dict[str, Any]) -> None:
        """Parse a file that need not be whole."""
        with suppress(ConfigInvalid):
            parse(raw, path=Path("/etc/devwiz-gw.toml"), max_socket_path=107)


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    return Recorder(monkeypatch)


def section(*headings: str) -> str:
    """The page below headings, each as far as the next one."""
    parts = re.split(r"(?m)^#{2,4} (.+)$", re.sub(r"(?ms)^```.*?^```", "", PAGE))
    found = dict(zip(parts[1::2], parts[2::2], strict=True))
    return "\n".join(found[heading] for heading in headings)


def rows(text: str) -> Iterator[tuple[list[str], str]]:
    """The keys of each row in the tables of keys, and the default that it names."""
    is_of_keys = False
    previous = ""
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("|---"):
            is_of_keys = previous.startswith("| key |")
        elif line.startswith("| `") and is_of_keys:
            yield re.findall(r"`([\w-]+…?)`", cells[0]), cells[2] if len(cells) > 2 else ""
        previous = line


def is_a_heading(place: str, key: str) -> bool:
    """Whether a key is a table of its own, which has a heading or is told of in one."""
    name = re.sub(r"\bx\b", "NAME", f"{place}.{key}".removeprefix("."))
    name = re.sub(r"^routes\.\w+", "routes", name).replace("[0]", "")
    return f"[{name}]" in PAGE or f"[{name}." in PAGE


@pytest.mark.parametrize("place", PLACES)
def test_each_key_that_is_taken_is_on_the_page(place: str, recorder: Recorder) -> None:
    headings, files = PLACES[place]
    for raw in files:
        recorder.read(raw)
    text = section(*headings)
    keys = recorder.keys[place]
    told = [*re.findall(r"`([\w-]+…?)(?: = [^`]+)?`", text)]
    unknown = [key for key in keys if not any(fits(name, key) for name in told)]
    assert [key for key in unknown if not is_a_heading(place, key)] == []


@pytest.mark.parametrize("place", [name for name in PLACES if name != "rotate.x.configu"])
def test_each_key_on_the_page_is_taken(place: str, recorder: Recorder) -> None:
    headings, files = PLACES[place]
    for raw in files:
        recorder.read(raw)
    taken = recorder.keys[place] | recorder.keys.get("routes[0]", set())  # before it has a name
    taken |= recorder.keys.get(f"{place}.configu", set())  # it has no heading of its own
    told = [key for keys, _ in rows(section(headings[-1])) for key in keys]
    assert told
    assert [key for key in told if not any(fits(key, name) for name in taken)] == []


def fits(told: str, name: str) -> bool:
    """Whether a key of the page is this one; `client_secret_…` is several."""
    return name.startswith(told[:-1]) if told.endswith("…") else name == told


def literal(default: str | bool) -> str:
    return f'"{default}"' if isinstance(default, str) else str(default).lower()


@pytest.mark.parametrize("place", PLACES)
def test_each_default_is_as_the_page_says(place: str, recorder: Recorder) -> None:
    headings, files = PLACES[place]
    for raw in files:
        recorder.read(raw)
    for keys, told in rows(section(*headings)):
        for key in keys:
            defaults = recorder.defaults.get((place, key), set())
            said = re.fullmatch(r"`([^`]+)`", told)
            if said and len(defaults) == 1:
                (default,) = defaults
                if isinstance(default, (int, float)) and not isinstance(default, bool):
                    same = float(said[1]) == default
                else:
                    same = said[1] == ("NAME" if default == "x" else literal(default))
                assert same, (key, default, told)
