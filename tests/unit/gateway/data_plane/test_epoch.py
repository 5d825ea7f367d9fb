"""When one epoch goes on and when another begins."""

from __future__ import annotations

from dataclasses import replace

from gateway.data_plane.epoch import PLAINTEXT, Epoch, next_epoch


def test_the_same_credentials_towards_the_same_far_side_go_on() -> None:
    epoch = Epoch(PLAINTEXT, "agent.example")
    assert next_epoch(epoch, PLAINTEXT, "agent.example", same_trust=True) is epoch


def test_another_far_side_trust_or_other_credentials_begin_one() -> None:
    epoch = Epoch(PLAINTEXT)
    assert next_epoch(epoch, PLAINTEXT, same_trust=False) is not epoch
    moved = next_epoch(epoch, PLAINTEXT, "agent.example", same_trust=True)
    assert moved is not epoch
    assert moved is not None
    assert moved.authority == "agent.example"
    others = replace(PLAINTEXT, generation=2)
    begun = next_epoch(epoch, others, same_trust=True)
    assert begun is not None
    assert begun.credentials is others


def test_without_credentials_there_is_none() -> None:
    assert next_epoch(Epoch(PLAINTEXT), None, same_trust=True) is None
    assert next_epoch(None, PLAINTEXT, same_trust=True) is not None
