"""Reading a configuration file from disk."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.config.load import checked, load, load_again
from gateway.config.model import FilesSourceConfig
from gateway.config.reading import read
from gateway.errors import ConfigInvalid, ConfigProblem

GOOD = """
project = "acme"
[identity]
source = "files"
[identity.files]
certificate = "client.crt"
private_key = "keys/client.key"
trust_bundle = "/etc/acme/ca.pem"
[[routes]]
name = "planner"
listen = "127.0.0.1:8701"
upstream = "https://planner.example.com"
"""


def written(folder: Path, text: str | bytes = GOOD, *, mode: int = 0o600) -> Path:
    path = folder / "devwiz-gw.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    path.chmod(mode)
    return path


def problems_of(path: Path) -> tuple[ConfigProblem, ...]:
    with pytest.raises(ConfigInvalid) as caught:
        load(path)
    assert caught.value.path == str(path)
    return caught.value.problems


def test_a_good_file(tmp_path: Path) -> None:
    path = written(tmp_path)
    config = load(path)
    assert config.path == path
    assert config.admin.socket == tmp_path / "devwiz-gw.sock"
    assert config.identity.sources[0] == FilesSourceConfig(
        certificate=tmp_path / "client.crt",
        private_key=tmp_path / "keys/client.key",
        trust_bundle=Path("/etc/acme/ca.pem"),
    )


def test_a_reload_is_not_of_the_file_that_a_link_leads_to_meanwhile(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        written(tmp_path / name)
    link = tmp_path / "link"
    link.symlink_to("one")
    config = load(link / "devwiz-gw.toml")
    assert config.path == link / "devwiz-gw.toml"
    assert load_again(config) == config
    link.unlink()
    link.symlink_to("two")
    with pytest.raises(ConfigInvalid) as caught:
        load_again(config)
    (problem,) = caught.value.problems
    assert problem.message.startswith("it is another file now: ")


def test_a_relative_path_becomes_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(tmp_path)
    (tmp_path / "below").mkdir()
    monkeypatch.chdir(tmp_path / "below")
    assert load(Path("../devwiz-gw.toml")).path == tmp_path / "devwiz-gw.toml"


def test_files_are_beside_a_link_not_beside_its_target(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    written(tmp_path / "data")
    link = tmp_path / "devwiz-gw.toml"
    link.symlink_to("data/devwiz-gw.toml")
    assert load(link).admin.socket == tmp_path / "devwiz-gw.sock"


def test_the_mode_is_reported_along_with_all_else(tmp_path: Path) -> None:
    path = written(tmp_path, GOOD.replace('project = "acme"', ""), mode=0o664)
    assert [problem.key for problem in problems_of(path)] == ["", "project"]


def test_what_was_read_stays_as_it_was(tmp_path: Path) -> None:
    path = written(tmp_path)
    reading = read(path)
    written(tmp_path, GOOD.replace("acme", "other"))
    assert checked(reading).project == "acme"
    assert load(path).project == "other"
