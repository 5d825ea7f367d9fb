"""`gateway.cli.client_install`: routes in the files of clients."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from gateway.cli.main import main
from tests.unit.gateway.cli.test_client import configure, route

CURSOR = Path("home/.cursor/mcp.json")


@pytest.fixture(autouse=True)
def _home(workdir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (workdir / "home").mkdir()
    monkeypatch.setenv("XDG_STATE_HOME", str(workdir / "state"))
    for name in ("CODEX_HOME", "CLAUDE_CONFIG_DIR"):
        monkeypatch.delenv(name, raising=False)
    configure(workdir, route())


def run(command: str, client: str, *more: str) -> int:
    return main(["client", command, "planner", "--client", client, *more])


def test_a_route_comes_and_goes(workdir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    CURSOR.parent.mkdir()
    CURSOR.write_text('{"mcpServers": {"x": {"url": "u"}}}')
    assert run("install", "cursor") == 0
    said = capsys.readouterr()
    assert said.out == f"put mcpServers.planner into {workdir}/{CURSOR}\n"
    assert said.err == "Cursor: switch the server on under Settings, MCP\n"
    entry = {"type": "http", "url": "http://127.0.0.1:8701/mcp"}
    assert json.loads(CURSOR.read_text()) == {"mcpServers": {"x": {"url": "u"}, "planner": entry}}
    assert run("install", "cursor") == 0
    assert capsys.readouterr().out == f"{workdir}/{CURSOR} has it already\n"
    configure(workdir, route("other"))
    assert run("remove", "cursor") == 0
    assert CURSOR.read_text() == '{"mcpServers": {"x": {"url": "u"}}}'
    assert run("remove", "cursor") == 0
    assert "has no mcpServers.planner" in capsys.readouterr().out


def test_a_dry_run_shows_and_changes_nothing(
    workdir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("install", "cursor", "--dry-run", "--token", "ide") == 0
    said = capsys.readouterr().out
    assert said.startswith(f"--- /dev/null\n+++ {workdir}/{CURSOR}\n")
    assert '+        "X-Devwiz-Gw-Token": "<a new token>"\n' in said
    assert not CURSOR.exists()
    assert not (workdir / "state").exists()
    assert run("install", "cursor") == 0
    assert run("remove", "cursor", "--dry-run") == 0
    assert CURSOR.exists()
    capsys.readouterr()
    assert run("install", "cursor", "--dry-run") == 0
    assert capsys.readouterr() == ("", f"nothing would change in {workdir}/{CURSOR}\n")


def test_a_client_that_starts_commands_is_given_one(workdir: Path) -> None:
    assert run("install", "claude-desktop") == 0
    file = Path("home/.config/Claude/claude_desktop_config.json")
    entry = json.loads(file.read_text())["mcpServers"]["planner"]
    words = [entry["command"], *entry["args"]]
    assert Path(words[0]).is_absolute()
    assert Path(words[0]).parent == Path(sys.executable).parent
    assert words[-4:] == ["stdio", "planner", "--config", str(workdir / "devwiz-gw.toml")]


def test_a_socket_is_reached_by_a_command(
    workdir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    configure(workdir, route(listen="unix:planner.sock"))
    assert run("install", "zed", "--via", "http") == 1
    assert "Unix socket only" in capsys.readouterr().err
    assert run("install", "zed", "--path", "/x", "--name", "mine") == 0
    entry = json.loads(Path("home/.config/zed/settings.json").read_text())["context_servers"]
    assert entry["mine"]["args"][-2:] == ["--path", "/x"]


def test_a_project_has_files_of_its_own() -> None:
    assert run("install", "codex", "--scope", "project") == 0
    text = Path(".codex/config.toml").read_text()
    assert text == '[mcp_servers.planner]\nurl = "http://127.0.0.1:8701/mcp"\n'
    assert run("remove", "codex", "--scope", "project") == 0
    assert not Path(".codex").exists()


def test_the_name_that_is_there_is_taken() -> None:
    Path("opencode.jsonc").write_text("// mine\n{}\n")
    assert run("install", "opencode", "--scope", "project") == 0
    assert Path("opencode.jsonc").read_text().startswith("// mine\n{\n")
    assert not Path("opencode.json").exists()


@pytest.mark.parametrize(
    ("client", "more", "code", "message"),
    [
        ("jetbrains", (), 2, "paste it under Settings"),
        ("windsurf", ("--scope", "project"), 2, "has no file for a project"),
        ("claude-desktop", ("--via", "http"), 1, "only starts commands"),
        ("cursor", ("--rotate",), 2, "--rotate says nothing"),
        ("cursor", ("--token", "ide"), 2, "memory store"),
        ("cursor", ("--file", "devwiz-gw.toml"), 1, "gw.toml: this is no JSON that can"),
        ("fax", (), 2, "invalid choice"),
    ],
)
def test_what_can_not_be_done(
    client: str,
    more: tuple[str, ...],
    code: int,
    message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run("install", client, *more) == code
    assert message in capsys.readouterr().err
    assert not CURSOR.exists()


def test_an_entry_of_somebody_s_own_is_kept(capsys: pytest.CaptureFixture[str]) -> None:
    Path("mine.json").write_text('{"mcpServers": {"planner": {"url": "mine"}}}')
    assert run("install", "cursor", "--file", "mine.json") == 1
    assert "--force replaces it" in capsys.readouterr().err
    assert run("remove", "cursor", "--file", "mine.json") == 1
    assert "mine" in Path("mine.json").read_text()


def test_the_first_of_the_printed_forms_that_are_files(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["client", "print", "planner", "--client", "vscode"]) == 0
    entry = {"type": "http", "url": "http://127.0.0.1:8701/mcp"}
    assert json.loads(capsys.readouterr().out) == {"servers": {"planner": entry}}
    assert main(["client", "print", "planner", "--client", "curl", "--via", "http"]) == 2
