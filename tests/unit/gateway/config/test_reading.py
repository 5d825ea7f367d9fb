"""Reading a configuration file from disk, before it is understood."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gateway.config.reading import read
from gateway.errors import ConfigInvalid, ConfigProblem


def written(folder: Path, text: str | bytes, *, mode: int = 0o600) -> Path:
    path = folder / "devwiz-gw.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    path.chmod(mode)
    return path


def problems_of(path: Path) -> tuple[ConfigProblem, ...]:
    with pytest.raises(ConfigInvalid) as caught:
        read(path)
    assert caught.value.path == str(path)
    return caught.value.problems


def test_its_tables(tmp_path: Path) -> None:
    path = written(tmp_path, "a = 1\n[b]\nc = 0.0\n")
    reading = read(path)
    assert (reading.path, reading.raw) == (path, {"a": 1, "b": {"c": 0.0}})
    assert reading.problems == ()


@pytest.mark.parametrize(
    ("mode", "who"), [(0o660, "its group"), (0o606, "everybody"), (0o666, "everybody")]
)
def test_a_file_that_others_may_write(mode: int, who: str, tmp_path: Path) -> None:
    path = written(tmp_path, "a = 1", mode=mode)
    assert read(path).problems == (
        ConfigProblem("", f"the file is writable by {who}", f"run: chmod go-w {path}"),
    )


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


@pytest.mark.parametrize(
    ("text", "key", "message"),
    [
        ("a = nan", "a", "is not a finite number"),
        ("a = -nan", "a", "is not a finite number"),
        ("[configu]\nmax_offline_s = inf", "configu.max_offline_s", "is not a finite number"),
        ("[a.b]\nc = [1.0, -inf]", "a.b.c[1]", "is not a finite number"),
        ("a = 1e999", "a", "is not a finite number"),
        ("a = -0.0", "a", "is minus zero"),
        ("a = -1e-999", "a", "is minus zero"),
        ("[[a]]\nb = 1\n[[a]]\nb = {c = nan}", "a[1].b.c", "is not a finite number"),
    ],
)
def test_a_number_that_is_none(text: str, key: str, message: str, tmp_path: Path) -> None:
    (problem,) = problems_of(written(tmp_path, text))
    assert (problem.key, problem.message) == (key, message)


def test_each_of_them_is_told(tmp_path: Path) -> None:
    found = problems_of(written(tmp_path, "a = nan\nb = inf\nc = 1.5", mode=0o660))
    assert [problem.key for problem in found] == ["", "a", "b"]


def test_the_place_is_the_folder_that_was_read_from_and_the_files_own_name(tmp_path: Path) -> None:
    home = tmp_path / "home"
    (home / "acme").mkdir(parents=True)
    config = home / "acme" / "devwiz-gw.toml"
    config.write_text("a = 1")
    config.chmod(0o600)
    (home / "linked").symlink_to("acme")
    (home / "other.toml").symlink_to(config)
    for same in (config, home / "linked" / config.name):
        assert read(same).place == config
    assert read(home / "other.toml").place == home / "other.toml"


def test_a_link_that_is_exchanged_meanwhile_gives_no_file_another_ones_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("mine", "theirs"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "devwiz-gw.toml").write_text(f'whose = "{name}"')
        (tmp_path / name / "devwiz-gw.toml").chmod(0o600)
    link = tmp_path / "link"
    link.symlink_to("theirs")

    def exchanged(fd: int) -> os.stat_result:
        link.unlink()
        link.symlink_to("mine")
        return status(fd)

    status = os.fstat
    monkeypatch.setattr(os, "fstat", exchanged)
    found = read(link / "devwiz-gw.toml")
    assert found.raw == {"whose": "theirs"}
    assert found.place == tmp_path / "theirs" / "devwiz-gw.toml"
