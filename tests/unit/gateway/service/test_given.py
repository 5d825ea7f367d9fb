from __future__ import annotations

from gateway.service.given import Service


def test_nothing_is_given_where_the_environment_says_nothing() -> None:
    service = Service.taken_from({}, pid=7)
    assert not service.manager.is_there
    assert not service.passed
    service.close()


def test_everything_is_taken_out_of_the_environment() -> None:
    env = {"NOTIFY_SOCKET": "@x", "LISTEN_PID": "8", "LISTEN_FDS": "1", "HOME": "/"}
    assert Service.taken_from(env, pid=7).manager.is_there
    assert env == {"HOME": "/"}
