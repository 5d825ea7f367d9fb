"""What is passed on for a bug report has nothing secret in it, in whatever form it was seeded."""

from __future__ import annotations

import json
import stat
import zipfile
from pathlib import Path

from gateway.injection.value_forms import forms_of
from tests.fakes.gateway_process import GatewayProcess
from tests.fakes.scripted_upstream import ScriptedUpstream, fixed, response

_LITERAL = "canary-literal-in-a-header"
_IN_ENVIRONMENT = "canary-of-the-environment"
_IN_PATH = "canary-in-a-path"
_MORE = f"""
[routes.headers]
Authorization = "Bearer {{secret:planner-token}}"
X-Team = "{_LITERAL}"
[secrets]
store = "folder"
folder = "secrets"
"""


def _seed(gateway: GatewayProcess, upstream: ScriptedUpstream) -> None:
    folder = gateway.folder / "secrets"
    folder.mkdir(mode=0o700)
    file = folder / "planner-token"
    file.touch(0o600)
    file.write_text("canary-token-0123456789")
    gateway.configure(more=_MORE)
    gateway.env |= {"MY_API_KEY": _IN_ENVIRONMENT}

    upstream.script = fixed(response(b"no", status="500 Internal Server Error"))
    gateway.start()
    gateway.until_ready()
    gateway.request("GET", f"/{_IN_PATH}?token={_IN_PATH}")
    # As if something had slipped into a line of the log, in each of its forms.
    with (gateway.folder / "gw.log").open("a", encoding="utf-8") as log:
        for value in ("canary-token-0123456789", _IN_ENVIRONMENT):
            for form in forms_of(value):
                line = {"level": "info", "message": f"it was {form.decode()} then", "x": value}
                log.write(json.dumps(line) + "\n")


def _texts(path: Path) -> dict[str, str]:
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name).decode() for name in archive.namelist()}


def test_values_are_in_none_of_its_files(
    gateway: GatewayProcess, upstream: ScriptedUpstream, tmp_path: Path
) -> None:
    _seed(gateway, upstream)
    target = tmp_path / "report.zip"
    done = gateway.command("doctor", "--bundle", str(target))
    assert target.exists(), done.stderr
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    texts = _texts(target)
    assert set(texts) == {
        "report.json",
        "configuration.json",
        "platform.json",
        "status.json",
        "requests.json",
        "log.jsonl",
        "journal.jsonl",
    }
    key = (gateway.folder / "client.key").read_text().splitlines()[1]
    for name, text in texts.items():
        for value in ("canary-token-0123456789", _IN_ENVIRONMENT, _LITERAL, _IN_PATH, key):
            for form, kind in forms_of(value).items():
                assert form.decode() not in text, (name, kind)
    # And what helps is in it.
    assert json.loads(texts["status.json"])["project"] == "acme"
    assert "[redacted]" in texts["log.jsonl"]
    routes = json.loads(texts["configuration.json"])["routes"]
    assert routes[0]["headers"]["Authorization"] == "{secret:planner-token}"
    assert json.loads(texts["requests.json"])[0]["status"] == 500


def test_names_are_masked_where_that_is_asked(
    gateway: GatewayProcess, upstream: ScriptedUpstream, tmp_path: Path
) -> None:
    _seed(gateway, upstream)
    target = tmp_path / "report.zip"
    gateway.command("doctor", "--bundle", str(target), "--mask-names")
    together = "".join(_texts(target).values())
    assert "acme" not in together.replace(str(tmp_path), "")
    assert "planner" not in together.replace("planner-token", "")
    assert "route-1" in together


def test_a_file_that_is_there_is_replaced_and_a_link_not_followed(
    gateway: GatewayProcess, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    other.write_text("mine")
    target = tmp_path / "report.zip"
    target.symlink_to(other)
    done = gateway.command("doctor", "--bundle", str(target))
    assert done.returncode == 0, done.stderr
    assert other.read_text() == "mine"
    assert not target.is_symlink()


def test_a_folder_that_is_not_there(gateway: GatewayProcess, tmp_path: Path) -> None:
    done = gateway.command("doctor", "--bundle", str(tmp_path / "none" / "report.zip"))
    assert done.returncode == 1
    assert "can't be written" in done.stderr
