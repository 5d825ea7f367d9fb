"""Which file is meant when none is named, and where its gateway listens."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gateway.config.find import find_config, locate_admin_socket, user_files
from gateway.errors import ConfigInvalid, ConfigMissing


def made(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


def test_the_one_named_wins(tmp_path: Path) -> None:
    made(tmp_path / "devwiz-gw.toml")
    named = made(tmp_path / "other.toml")
    assert find_config(Path("other.toml"), cwd=tmp_path, env={}) == named
    assert find_config(Path("x/../other.toml"), cwd=tmp_path, env={}) == named
    assert find_config(named, cwd=Path("/"), env={}) == named


def test_the_one_named_has_to_exist(tmp_path: Path) -> None:
    made(tmp_path / "devwiz-gw.toml")
    with pytest.raises(ConfigInvalid) as caught:
        find_config(Path("absent.toml"), cwd=tmp_path, env={})
    assert caught.value.path == str(tmp_path / "absent.toml")
    assert isinstance(caught.value, ConfigMissing)
    assert str(caught.value) == f"there is no file {tmp_path / 'absent.toml'}"


def test_here_before_above_before_the_users(tmp_path: Path) -> None:
    here = tmp_path / "a" / "b"
    here.mkdir(parents=True)
    env = {"XDG_CONFIG_HOME": str(tmp_path / "xdg")}
    users = made(tmp_path / "xdg" / "devwiz-gw" / "devwiz-gw.toml")
    assert find_config(None, cwd=here, env=env) == users
    above = made(tmp_path / "devwiz-gw.toml")
    assert find_config(None, cwd=here, env=env) == above
    nearest = made(here / "devwiz-gw.toml")
    assert find_config(None, cwd=here, env=env) == nearest


def test_none_at_all_says_where_it_looked(tmp_path: Path) -> None:
    with pytest.raises(ConfigInvalid) as caught:
        find_config(None, cwd=tmp_path, env={"XDG_CONFIG_HOME": "/nowhere"})
    message = str(caught.value)
    assert message == caught.value.problems[0].message
    assert message.startswith("there is no configuration: no devwiz-gw.toml in ")
    assert "devwiz-gw init" in caught.value.hint
    assert str(tmp_path) in message
    assert "/nowhere/devwiz-gw/devwiz-gw.toml" in message


def test_a_file_that_another_user_laid_in_the_way(tmp_path: Path) -> None:
    path = made(tmp_path / "devwiz-gw.toml")
    asking = os.geteuid()
    if asking == 0:
        os.chown(path, 12345, -1)
    else:
        asking += 1
    with pytest.raises(ConfigInvalid) as caught:
        find_config(None, cwd=tmp_path, env={}, uid=asking)
    assert "belongs to another user" in caught.value.problems[0].message
    assert find_config(path, cwd=tmp_path, env={}, uid=asking) == path


@pytest.mark.parametrize(
    ("platform", "env", "folders"),
    [
        ("linux", {"HOME": "/home/me"}, ["/home/me/.config"]),
        ("linux", {"HOME": "/home/me", "XDG_CONFIG_HOME": "/x"}, ["/x", "/home/me/.config"]),
        ("linux", {"HOME": "/home/me", "XDG_CONFIG_HOME": "rel"}, ["/home/me/.config"]),
        ("linux", {}, []),
        (
            "darwin",
            {"HOME": "/Users/me"},
            ["/Users/me/Library/Application Support", "/Users/me/.config"],
        ),
        ("win32", {"APPDATA": "/C/Roaming", "HOME": "/C/me"}, ["/C/Roaming"]),
    ],
)
def test_the_users_folder(platform: str, env: dict[str, str], folders: list[str]) -> None:
    expected = tuple(Path(folder) / "devwiz-gw" / "devwiz-gw.toml" for folder in folders)
    assert user_files(env, platform=platform) == expected


@pytest.mark.parametrize(
    ("text", "socket"),
    [
        ('[admin]\nsocket = "unix:run/a.sock"', "run/a.sock"),
        ('[admin]\nsocket = "unix:/run/a.sock"', "/run/a.sock"),
        ('[admin]\nsocket = "unix:"', "acme.sock"),
        ('[admin]\nsocket = "tcp:1"', "acme.sock"),
        ("[admin]\nsocket = 1", "acme.sock"),
        ("admin = 1", "acme.sock"),
        ("", "acme.sock"),
        ("not toml", "acme.sock"),
        ('a = ?\n [ admin ]\n# \n socket = "unix:run/a.sock" # it\n[b]\n', "run/a.sock"),
        ('[admin]\nx = ?\nsocket = "unix:run/a.sock"', "run/a.sock"),
        ('[admin]\nsocket = "unix:run/a.sock', "acme.sock"),
        ('a = ?\n[admin]\n[b]\nsocket = "unix:run/b.sock"', "acme.sock"),
    ],
)
def test_the_admin_socket_of_a_file(text: str, socket: str, tmp_path: Path) -> None:
    path = tmp_path / "acme.toml"
    path.write_text(text)
    assert locate_admin_socket(path) == tmp_path / socket


def test_a_link_that_somebody_else_laid_is_not_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It leads to a file of this user's, which names files beside it: these would be beside the
    link, where that other user puts them.
    """
    mine = made(tmp_path / "mine" / "devwiz-gw.toml")
    laid = tmp_path / "shared" / "devwiz-gw.toml"
    laid.parent.mkdir()
    laid.symlink_to(mine)
    assert find_config(None, cwd=laid.parent, env={}) == laid
    facts = laid.lstat()
    other = os.stat_result((*facts[:4], os.geteuid() + 7, *facts[5:]))
    monkeypatch.setattr(Path, "lstat", lambda _: other)
    with pytest.raises(ConfigInvalid) as caught:
        find_config(None, cwd=laid.parent, env={})
    assert "another user" in caught.value.problems[0].message
