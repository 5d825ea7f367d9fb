"""What a machine suggests."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from gateway.first_run import surroundings
from gateway.first_run.surroundings import (
    clients_here,
    free_port,
    has_workload_api,
    project_name,
    route_name,
    unignored,
    workload_socket,
)


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("acme", "acme"),
        ("Acme App (2)", "acme-app-2"),
        ("__x", "x"),
        ("日本", ""),
        ("a" * 70, "a" * 63),
        ("a" * 62 + "-b", "a" * 62),
    ],
)
def test_a_project_is_called_like_its_folder(folder: str, name: str) -> None:
    assert project_name(Path("/work", folder)) == name


@pytest.mark.parametrize(
    ("upstream", "taken", "name"),
    [
        ("https://planner.example.com:8443", [], "planner"),
        ("https://planner.example.com", ["planner", "planner-2"], "planner-3"),
        ("https://127.0.0.1:8443", [], "remote"),
        ("https://[::1]:8443", [], "remote"),
        ("https://[", [], "remote"),
        ("https://" + "a" * 63 + ".example", ["a" * 63], "a" * 59 + "-2"),
    ],
)
def test_a_route_is_called_like_its_host(upstream: str, taken: list[str], name: str) -> None:
    assert route_name(upstream, taken) == name


@pytest.mark.may_block("opens ports")
def test_a_port_that_nobody_has() -> None:
    first = free_port()
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", first))
        sock.listen()
        second = free_port()
        assert second > first
        assert free_port([second]) > second


def test_the_agent_of_the_workload_api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "agent.sock"
    monkeypatch.setattr(surroundings, "_AGENTS", (str(tmp_path / "none"), str(path)))
    path.touch()
    assert workload_socket({}) == ""
    assert not has_workload_api({})
    path.unlink()
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(path))
        assert workload_socket({}) == f"unix://{path}"
        assert has_workload_api({})
        env = {"SPIFFE_ENDPOINT_SOCKET": "unix:///other"}
        assert workload_socket(env) == ""  # the gateway looks there itself
        assert has_workload_api(env)


def test_clients_that_are_in_use(tmp_path: Path) -> None:
    project, home = tmp_path / "project", tmp_path / "home"
    for folder in (project / ".cursor", home / ".codex", home / ".cursor"):
        folder.mkdir(parents=True)
    (home / ".claude.json").write_text("{}")
    found = {client.name: scope for client, scope in clients_here(project, {"HOME": str(home)})}
    assert found == {"cursor": "project", "codex": "user", "claude-code": "user"}


def test_files_that_git_would_take(tmp_path: Path) -> None:
    folder = tmp_path / "app"
    folder.mkdir()
    names = ["join-token", "keys/k.pem", str(folder / "full"), "/elsewhere", "../../up"]
    assert unignored(folder, names) == []
    (tmp_path / ".git").mkdir()
    assert unignored(folder, names) == ["app/join-token", "app/keys/k.pem", "app/full"]
    (folder / ".gitignore").write_text("/join-token\n")
    (tmp_path / ".gitignore").write_text("k.pem\n")
    assert unignored(folder, names) == ["app/full"]
