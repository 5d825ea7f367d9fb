"""When one epoch goes on and when another begins."""

from __future__ import annotations

from dataclasses import replace

from gateway.data_plane.epoch import PLAINTEXT, Epoch, next_epoch


def test_the_same_credentials_towards_the_same_far_side_go_on() -> None:
    epoch = Epoch(PLAINTEXT)
    assert next_epoch(epoch, PLAINTEXT, same=True) is epoch


def test_another_far_side_or_other_credentials_begin_one() -> None:
    epoch = Epoch(PLAINTEXT)
    assert next_epoch(epoch, PLAINTEXT, same=False) is not epoch
    others = replace(PLAINTEXT, generation=2)
    begun = next_epoch(epoch, others, same=True)
    assert begun is not None
    assert begun.credentials is others


def test_without_credentials_there_is_none() -> None:
    assert next_epoch(Epoch(PLAINTEXT), None, same=True) is None
    assert next_epoch(None, PLAINTEXT, same=True) is not None
