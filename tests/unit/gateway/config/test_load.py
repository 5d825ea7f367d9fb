"""Reading a configuration file from disk."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.config.load import load
from gateway.config.model import FilesSourceConfig
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


@pytest.mark.parametrize(
    ("mode", "who"), [(0o660, "its group"), (0o606, "everybody"), (0o666, "everybody")]
)
def test_a_file_that_others_may_write_is_refused(mode: int, who: str, tmp_path: Path) -> None:
    path = written(tmp_path, mode=mode)
    assert problems_of(path) == (
        ConfigProblem("", f"the file is writable by {who}", f"run: chmod go-w {path}"),
    )


def test_the_mode_is_reported_along_with_all_else(tmp_path: Path) -> None:
    path = written(tmp_path, GOOD.replace('project = "acme"', ""), mode=0o664)
    assert [problem.key for problem in problems_of(path)] == ["", "project"]


def test_a_missing_file(tmp_path: Path) -> None:
    (problem,) = problems_of(tmp_path / "absent.toml")
    assert problem.message == "can't be read: no such file or directory"


def test_a_folder(tmp_path: Path) -> None:
    (problem,) = problems_of(tmp_path)
    assert problem.message == "can't be read: is a directory"


def test_not_utf8(tmp_path: Path) -> None:
    (problem,) = problems_of(written(tmp_path, b'project = "\xff"'))
    assert problem.message == "byte 11 is not UTF-8"


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("a = 1\nb = ?\n", "line 2, column 5"),
        ('a = "x', "end of document"),
        ("\ufeffa = 1", "line 1, column 1"),
        ("a = 1\na = 2\n", "line 2, column 6"),
    ],
)
def test_not_toml(text: str, key: str, tmp_path: Path) -> None:
    (problem,) = problems_of(written(tmp_path, text))
    assert problem.key == key
    assert problem.message.startswith("not TOML: ")


def test_nested_without_end(tmp_path: Path) -> None:
    (problem,) = problems_of(written(tmp_path, "a = " + "[" * 10_000))
    assert problem.message == "is nested too deeply"


def test_a_number_of_thousands_of_digits(tmp_path: Path) -> None:
    (problem,) = problems_of(written(tmp_path, "a = " + "1" * 5000))
    assert problem.message == "holds a number that is too long"


def test_too_large(tmp_path: Path) -> None:
    (problem,) = problems_of(written(tmp_path, b"#" * (1024 * 1024 + 1)))
    assert problem.message == "is larger than 1 MiB"
