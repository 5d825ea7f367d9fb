"""`[[identity.export]]` to checked values."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gateway.config.identity_export import check_folders, read_exports
from gateway.config.model import ExportConfig, IdentityConfig
from gateway.config.table import Table
from gateway.errors import ConfigProblem

BASE = Path("/etc/acme")


def outcome(*entries: Any) -> tuple[tuple[ExportConfig, ...], list[str]]:
    problems: list[ConfigProblem] = []
    exports = read_exports(Table({"export": list(entries)}, "identity", problems), base=BASE)
    return exports, [item.key for item in problems]


def test_a_folder_and_what_is_told_after_each_change() -> None:
    whole = {
        "dir": "tls",
        "combined": True,
        "exec": ["/usr/sbin/nginx", "-s", "reload"],
        "signal": "USR1",
        "pid_file": "/run/app.pid",
    }
    assert outcome(whole, {"dir": "/srv/tls"}) == (
        (
            ExportConfig(
                folder=BASE / "tls",
                combined=True,
                command=("/usr/sbin/nginx", "-s", "reload"),
                signal="USR1",
                pid_file=Path("/run/app.pid"),
            ),
            ExportConfig(folder=Path("/srv/tls")),
        ),
        [],
    )


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"dir": ""}, "dir"),
        ({"dir": "~/tls"}, "dir"),
        ({"exec": ["nginx"]}, "exec[0]"),
        ({"exec": "/usr/sbin/nginx"}, "exec"),
        ({"signal": "HUP"}, "signal"),
        ({"signal": "KILL", "pid_file": "x"}, "signal"),
        ({"pid_file": "x"}, "pid_file"),
        ({"mode": "0644"}, "mode"),
    ],
)
def test_what_is_wrong_is_named(changes: dict[str, Any], key: str) -> None:
    assert outcome({"dir": "tls"} | changes)[1] == [f"identity.export[0].{key}"]


def test_the_folder_is_needed_and_no_other_has_it() -> None:
    assert outcome({})[1] == ["identity.export[0].dir"]
    assert outcome({"dir": "tls"}, {"dir": "/etc/acme/tls"})[1] == ["identity.export[1].dir"]


def test_two_identities_dont_share_a_folder() -> None:
    exports = (ExportConfig(folder=BASE / "tls"), ExportConfig(folder=BASE / "other"))
    one = IdentityConfig(sources=(), exports=exports)
    two = IdentityConfig(sources=(), exports=exports[:1])
    (problem,) = check_folders({"default": one, "billing": two})
    assert problem.key == "identities.billing.export"
    assert "is the identity default's" in problem.message
