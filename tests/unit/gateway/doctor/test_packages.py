"""What stands in place of our packages, or beside them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from gateway.doctor.packages import NAMES, Installed, judge, look

_HERE = Path("/opt/venv")
_GOOD = Installed(
    files={name: _HERE / name / "__init__.py" for name in NAMES},
    owners=dict.fromkeys(NAMES, ("devwiz-gw",)),
    others=dict.fromkeys(NAMES, ()),
)


def test_all_is_ours() -> None:
    assert judge(_GOOD).result == "pass"
    # Of a source tree no distribution says that it brought the packages.
    assert judge(replace(_GOOD, owners=dict.fromkeys(NAMES, ()))).result == "pass"
    assert judge(look()).result in {"pass", "warn"}


def test_another_distribution() -> None:
    found = judge(replace(_GOOD, owners={**_GOOD.owners, "identity": ("devwiz-gw", "identity")}))
    assert found.result == "fail"
    assert found.detail == "the package identity is also that of identity"


def test_what_was_left_by_one_that_is_gone() -> None:
    found = judge(replace(_GOOD, files={**_GOOD.files, "identity": None}))
    assert found.result == "fail"
    assert "has lost its __init__.py" in found.detail


def test_several_places() -> None:
    other = Path("/home/ada/certs/__init__.py")
    found = judge(replace(_GOOD, files={**_GOOD.files, "certs": other}))
    assert found.result == "fail"
    assert "from 2 places: /home/ada, /opt/venv" in found.detail


def test_a_folder_of_the_same_name() -> None:
    found = judge(replace(_GOOD, others={**_GOOD.others, "gateway": (Path("/w/gateway"),)}))
    assert found.result == "warn"
    assert "/w/gateway has the name of the package gateway" in found.detail
