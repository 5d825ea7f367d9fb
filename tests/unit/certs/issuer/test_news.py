"""Waiting for the next version."""

from __future__ import annotations

import asyncio

import pytest

from certs.issuer.news import News

LONG_S = 60.0


async def waiting(news: News, known: int, count: int = 1) -> list[asyncio.Task[None]]:
    tasks = [asyncio.create_task(news.wait(known, LONG_S)) for _ in range(count)]
    await asyncio.sleep(0)
    return tasks


async def test_everybody_hears_of_a_new_version() -> None:
    news = News()
    news.publish(1)
    tasks = await waiting(news, 1, count=3)
    news.publish(1)
    await asyncio.sleep(0)
    assert not any(task.done() for task in tasks)
    news.publish(2)
    await asyncio.gather(*tasks)


@pytest.mark.parametrize("known", [0, 5], ids=["behind", "restored from a backup"])
async def test_who_knows_another_version_doesnt_wait(known: int) -> None:
    news = News()
    news.publish(3)
    await news.wait(known, LONG_S)


async def test_nobody_is_answered_before_the_version_is_known() -> None:
    news = News()
    (task,) = await waiting(news, 1)
    news.publish(1)
    await asyncio.sleep(0)
    assert not task.done()
    news.publish(2)
    await task


async def test_a_wait_ends() -> None:
    news = News()
    news.publish(1)
    await news.wait(1, 0.01)


async def test_more_than_the_most_dont_wait() -> None:
    news = News(most=2)
    news.publish(1)
    tasks = await waiting(news, 1, count=2)
    await news.wait(1, LONG_S)
    tasks[0].cancel()
    await asyncio.gather(tasks[0], return_exceptions=True)
    tasks += await waiting(news, 1)
    assert not tasks[2].done(), "whoever goes makes room"
    news.publish(2)
    await asyncio.gather(*tasks[1:])


async def test_the_end_lets_everybody_go() -> None:
    news = News()
    news.publish(1)
    tasks = await waiting(news, 1, count=2)
    news.close()
    await asyncio.gather(*tasks)
    await news.wait(1, LONG_S)
