from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from gateway.config.model import ConfiguConfig
from gateway.rotation.book import Book, BookFailed
from gateway.rotation.engine import RotationRefused
from identity.configu.sync_state import token_ref
from identity.errors import TokenDenied
from identity.secret_stores.base import Secret, SecretRef
from tests.fakes.configu_server import ORG, QUEUE, ConfiguServer
from tests.fakes.configu_server import TOKEN as CONFIGU_TOKEN
from tests.fakes.key_server import TOKEN, LangSmithKeyServer, SupabaseManagement
from tests.unit.gateway.rotation.conftest import Office

MakeOffice = Callable[..., Office]


@pytest.fixture
def langsmith() -> Iterator[LangSmithKeyServer]:
    with LangSmithKeyServer() as made:
        yield made


@pytest.fixture
def configu() -> Iterator[ConfiguServer]:
    with ConfiguServer() as made:
        yield made


def langsmith_table(server: LangSmithKeyServer, **more: object) -> dict[str, object]:
    return {"provider": "langsmith", "endpoint": server.url, "grace": "10m", **more}


def configu_table(server: ConfiguServer) -> dict[str, object]:
    return {
        "org": ORG,
        "token_secret": "configu-token",
        "set": "prod",
        "key": "DB_PASSWORD",
        "endpoint": server.url,
    }


async def test_a_key_is_replaced_and_the_old_one_refused_after_the_grace(
    office: MakeOffice, langsmith: LangSmithKeyServer
) -> None:
    made = office(key=langsmith_table(langsmith))
    await made.keep("key", langsmith.first)
    rotation = await made.desk.start("key", typed=None)
    assert (rotation.phase, rotation.error) == ("grace", "")
    new = await made.value("key")
    assert new != langsmith.first
    [view] = await asyncio.to_thread(made.desk.views)
    assert view.age is not None
    assert view.age.is_begin, "though nobody had looked before"
    assert sorted(langsmith.values()) == sorted([langsmith.first, new])
    assert made.told == ["key"]
    assert (await made.desk.resume("key")).phase == "grace"
    made.wait(minutes=10)
    assert (await made.desk.resume("key", asked=False)).phase == "done"
    assert langsmith.values() == [new]
    assert await made.store.names("acme") == ["key"]
    steps = [action for action, outcome in made.actions() if outcome == "ok"]
    assert [step.removeprefix("rotation.") for step in steps] == [
        *("plan", "create", "store", "verify", "publish", "switch", "tell", "revoke", "clean")
    ]
    assert langsmith.first.encode() not in made.files()
    assert new.encode() not in made.files()


async def test_what_was_made_before_an_answer_got_lost_is_ended(
    office: MakeOffice, langsmith: LangSmithKeyServer
) -> None:
    made = office(key=langsmith_table(langsmith))
    await made.keep("key", langsmith.first)
    langsmith.faults["POST"] = ["lost"]
    rotation = await made.desk.start("key", typed=None)
    assert (rotation.phase, rotation.stuck) == ("planned", False)
    assert "502" in rotation.error
    assert len(langsmith.keys) == 2
    rotation = await made.desk.resume("key")
    assert rotation.phase == "grace"
    assert len(langsmith.keys) == 2
    assert len(langsmith.ended) == 1
    assert len({item["description"] for item in langsmith.keys.values()}) == 2


async def test_a_server_that_has_no_time_is_asked_again_later(
    office: MakeOffice, langsmith: LangSmithKeyServer
) -> None:
    made = office(key=langsmith_table(langsmith, grace="0s"))
    await made.keep("key", langsmith.first)
    langsmith.faults = {"POST": [429], "DELETE": [503]}
    assert (await made.desk.start("key", typed=None)).phase == "planned"
    assert (await made.desk.resume("key")).phase == "grace"
    assert (await made.desk.resume("key")).phase == "done"


async def test_an_undone_rotation_leaves_all_as_it_was(
    office: MakeOffice, langsmith: LangSmithKeyServer
) -> None:
    made = office(key=langsmith_table(langsmith))
    await made.keep("key", langsmith.first)
    await made.desk.start("key", typed=None)
    rotation = await made.desk.roll_back("key")
    assert (rotation.phase, rotation.version) == ("rolled-back", 2)
    assert await made.value("key") == langsmith.first
    assert langsmith.values() == [langsmith.first]
    assert made.told == ["key", "key"]
    assert await made.store.names("acme") == ["key"]
    with pytest.raises(RotationRefused, match="under way"):
        await made.desk.roll_back("key")


async def test_there_is_one_rotation_at_a_time_and_one_a_minute(
    office: MakeOffice, langsmith: LangSmithKeyServer
) -> None:
    made = office(key=langsmith_table(langsmith, grace="0s"))
    await made.keep("key", langsmith.first)
    langsmith.faults["POST"] = [503]
    await made.desk.start("key", typed=None)
    with pytest.raises(RotationRefused, match="is under way"):
        await made.desk.start("key", typed=None)
    assert (await made.desk.resume("key")).phase == "done"
    with pytest.raises(RotationRefused, match="less than 60 s ago"):
        await made.desk.start("key", typed=None)
    made.wait(minutes=2)
    assert (await made.desk.start("key", typed=None)).phase == "done"
    assert len(langsmith.keys) == 1


async def test_a_value_that_somebody_changed_meanwhile_stays(
    office: MakeOffice, langsmith: LangSmithKeyServer
) -> None:
    made = office(key=langsmith_table(langsmith))
    await made.keep("key", langsmith.first)
    langsmith.faults["GET"] = [0, 0, 503]
    rotation = await made.desk.start("key", typed=None)
    assert rotation.phase == "stored"
    other = langsmith.make("by somebody")["key"]
    await made.keep("key", other)
    rotation = await made.desk.resume("key")
    assert rotation.stuck
    assert "changed by somebody else" in rotation.error
    assert (await made.desk.roll_back("key")).phase == "rolled-back"
    assert await made.value("key") == other
    assert sorted(langsmith.values()) == sorted([langsmith.first, other])


async def test_a_key_that_is_not_known_for_sure_is_not_replaced(
    office: MakeOffice, langsmith: LangSmithKeyServer
) -> None:
    made = office(key=langsmith_table(langsmith))
    await made.keep("key", langsmith.first)
    twin = langsmith.make("twin")["id"]
    for item in langsmith.keys.values():
        item["short_key"] = "lsv2_sk_...0000"
    with pytest.raises(TokenDenied, match="lists 0 keys"):
        await made.desk.start("key", typed=None)
    assert not (made.folder / "rotations" / "key.json").exists()
    first = next(key for key in langsmith.keys if key != twin)
    assert (await made.desk.start("key", typed=None, old_key=first)).old_key == first


async def test_an_organization_s_longest_life_of_keys_is_kept(
    office: MakeOffice, langsmith: LangSmithKeyServer
) -> None:
    langsmith.most_days = 30
    made = office(key=langsmith_table(langsmith, keys="organization"))
    await made.keep("key", langsmith.first)
    rotation = await made.desk.start("key", typed=None)
    assert rotation.phase == "grace", rotation.error
    ends_at = datetime.fromisoformat(langsmith.keys[rotation.new_key]["expires_at"])
    assert ends_at.tzinfo is not None


async def test_an_api_key_of_supabase_is_replaced(office: MakeOffice) -> None:
    with SupabaseManagement() as server:
        made = office(
            service={
                "provider": "supabase-api-key",
                "ref": server.ref,
                "url": server.url,
                "management_url": server.url,
                "access_token_secret": "pat",
                "grace": "0s",
            }
        )
        await made.keep("service", server.first)
        await made.keep("pat", TOKEN)
        server.faults["POST"] = ["lost"]
        assert (await made.desk.start("service", typed=None)).phase == "planned"
        rotation = await made.desk.resume("service")
        assert rotation.phase == "done", rotation.error
        assert [item["api_key"] for item in server.api_keys.values()] == [
            await made.value("service")
        ]
        assert TOKEN.encode() not in made.files()
        assert ("secret.use", "ok") in made.actions()


async def test_a_signing_key_waits_until_everybody_knows_it_and_until_nobody_needs_the_old_one(
    office: MakeOffice,
) -> None:
    holder: list[Office] = []

    def now() -> float:
        return holder[0].at.timestamp() if holder else 0.0

    with SupabaseManagement(now, settle_s=20 * 60) as server:
        table = {
            "provider": "supabase-signing-key",
            "ref": server.ref,
            "management_url": server.url,
            "access_token_secret": "pat",
            "grace": "1s",
        }
        holder.append(office(signing=table))
        made = holder[0]
        await made.keep("pat", TOKEN)
        rotation = await made.desk.start("signing", typed=None)
        assert (rotation.phase, server.statuses()) == ("published", ["in_use", "standby"])
        made.wait(minutes=19)
        assert (await made.desk.resume("signing")).phase == "published"
        made.wait(minutes=1)
        assert (await made.desk.resume("signing", asked=False)).phase == "grace"
        assert server.statuses() == ["previously_used", "in_use"]
        made.wait(minutes=74)
        assert (await made.desk.resume("signing")).phase == "grace"
        made.wait(minutes=1)
        assert (await made.desk.resume("signing", asked=False)).phase == "done"
        assert server.statuses() == ["revoked", "in_use"]


async def test_a_new_value_counts_when_it_is_approved(
    office: MakeOffice, configu: ConfiguServer
) -> None:
    made = office(db={"provider": "configu", "configu": configu_table(configu), "grace": "0s"})
    await made.keep("db", "canary-old")
    await made.keep("configu-token", CONFIGU_TOKEN)
    configu.protected.add("prod")
    rotation = await made.desk.start("db", typed=None)
    assert (rotation.phase, rotation.pending) == ("verified", True)
    assert QUEUE in rotation.waiting
    assert await made.value("db") == "canary-old"
    made.wait(minutes=1)
    rotation = await made.desk.resume("db", asked=False)
    assert rotation.pending
    assert len(configu.waiting) == 1
    (change,) = configu.waiting
    configu.configs["prod", "DB_PASSWORD"] = change["value"]
    made.wait(minutes=1)
    rotation = await made.desk.resume("db", asked=False)
    assert (rotation.phase, rotation.pending) == ("done", False)
    assert await made.value("db") == change["value"]


async def test_undoing_publishes_the_old_value_again(
    office: MakeOffice, configu: ConfiguServer
) -> None:
    made = office(db={"provider": "configu", "configu": configu_table(configu)})
    await made.keep("db", "canary-old")
    await made.keep("configu-token", CONFIGU_TOKEN)
    assert (await made.desk.start("db", typed=None)).phase == "grace"
    assert configu.configs["prod", "DB_PASSWORD"] == await made.value("db") != "canary-old"
    configu.protected.add("prod")
    rotation = await made.desk.roll_back("db")
    assert (rotation.phase, rotation.pending) == ("rolling-back", True)
    assert await made.value("db") == "canary-old"
    configu.configs["prod", "DB_PASSWORD"] = "canary-old"
    made.wait(minutes=1)
    assert (await made.desk.resume("db", asked=False)).phase == "rolled-back"


async def test_what_nothing_is_said_of_is_not_rotated(office: MakeOffice) -> None:
    with pytest.raises(RotationRefused, match="nothing says how other is rotated"):
        await office().desk.start("other", typed=None)


async def test_a_value_is_written_back_to_the_project_s_own_configu(
    office: MakeOffice, configu: ConfiguServer, tmp_path: Path
) -> None:
    made = office(db={"provider": "configu", "secret": "DB", "write_back": True, "grace": "0s"})
    schema = tmp_path / "app.cfgu.json"
    schema.write_text(json.dumps({"DB": {}}))
    place = ConfiguConfig(
        url=configu.url, org=ORG, set="prod", schemas=(schema,), tag="",
        interval_s=60.0, max_offline_s=86_400.0, ca_file=None,
    )  # fmt: skip
    made.desk = replace(made.desk, config=replace(made.desk.config, configu=place))
    await made.keep("DB", "canary-old")
    await made.store.set(token_ref("acme"), Secret(CONFIGU_TOKEN))
    configu.protected.add("prod")
    rotation = await made.desk.start("db", typed=None)
    assert (rotation.phase, rotation.pending) == ("verified", True), rotation.error
    (change,) = configu.waiting
    configu.configs["prod", "DB"] = change["value"]
    made.wait(minutes=1)
    rotation = await made.desk.resume("db", asked=False)
    assert rotation.phase == "done", rotation.error
    assert await made.value("DB") == change["value"]


@pytest.mark.parametrize("change", [{"secret": "other"}, {"provider": "configu"}])
async def test_a_record_that_leads_to_another_secret_is_not_followed(
    office: MakeOffice, langsmith: LangSmithKeyServer, change: dict[str, str]
) -> None:
    made = office(key=langsmith_table(langsmith))
    await made.keep("key", langsmith.first)
    await made.keep("other", "stays")
    await made.desk.start("key", typed=None)
    path = Book(made.desk.state).path("key")
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    for ask in (made.desk.resume, made.desk.roll_back):
        with pytest.raises(RotationRefused, match=r"\[rotate.key\] no longer says"):
            await ask("key")
    (view,) = await asyncio.to_thread(made.desk.views)
    assert view.last is None
    assert "is one of" in view.problem
    assert await made.value("other") == "stays"


async def test_a_record_under_another_name_is_damaged(
    office: MakeOffice, langsmith: LangSmithKeyServer
) -> None:
    made = office(key=langsmith_table(langsmith))
    await made.keep("key", langsmith.first)
    await made.desk.start("key", typed=None)
    path = Book(made.desk.state).path("key")
    path.write_text(json.dumps(json.loads(path.read_text()) | {"name": "../../outside"}))
    with pytest.raises(BookFailed, match="another rotation's"):
        await made.desk.resume("key")


async def test_what_somebody_else_wrote_to_configu_stays(
    office: MakeOffice, configu: ConfiguServer
) -> None:
    made = office(db={"provider": "configu", "configu": configu_table(configu)})
    await made.keep("db", "canary-old")
    await made.keep("configu-token", CONFIGU_TOKEN)
    configu.configs["prod", "DB_PASSWORD"] = "canary-somebody-else-s"
    rotation = await made.desk.start("db", typed=None)
    assert (rotation.phase, rotation.stuck) == ("planned", True)
    assert "Configu has another value for db" in rotation.error
    assert configu.configs["prod", "DB_PASSWORD"] == "canary-somebody-else-s"
    assert (await made.desk.roll_back("db")).phase == "rolled-back"
    assert configu.configs["prod", "DB_PASSWORD"] == "canary-somebody-else-s"
    assert await made.value("db") == "canary-old"


async def test_what_somebody_wrote_to_configu_after_the_rotation_began_stays(
    office: MakeOffice, configu: ConfiguServer
) -> None:
    made = office(db={"provider": "configu", "configu": configu_table(configu)})
    await made.keep("db", "canary-old")
    await made.keep("configu-token", CONFIGU_TOKEN)
    await made.desk.start("db", typed=None)
    book = Book(made.desk.state)
    begun = await asyncio.to_thread(book.read, "db")
    assert begun is not None
    await made.keep("db", "canary-old")
    verified = replace(begun, phase="verified", publishing=False, switching=False, due_at=None)
    await asyncio.to_thread(book.write, verified)
    configu.configs["prod", "DB_PASSWORD"] = "canary-somebody-else-s"
    rotation = await made.desk.resume("db")
    assert (rotation.phase, rotation.stuck) == ("verified", True)
    assert configu.configs["prod", "DB_PASSWORD"] == "canary-somebody-else-s"


def typed_table(**more: object) -> dict[str, object]:
    """A value that a person types, tried by a program that takes one value only."""
    check = ["/bin/sh", "-c", "grep -q canary-good"]
    return {"provider": "prompt", "verify": check, "allow": True, "grace": "0s", **more}


async def test_another_value_can_be_typed_for_one_that_was_refused(office: MakeOffice) -> None:
    made = office(db=typed_table())
    await made.keep("db", "canary-old")
    rotation = await made.desk.start("db", typed=Secret("canary-mistyped"))
    assert (rotation.phase, rotation.attempts) == ("stored", 1)
    rotation = await made.desk.resume("db", typed=Secret("canary-good"))
    assert (rotation.phase, rotation.error) == ("done", "")
    assert await made.value("db") == "canary-good"
    assert await made.store.names("acme") == ["db"]


async def test_no_other_value_can_be_typed_for_one_that_may_be_out(
    office: MakeOffice, configu: ConfiguServer
) -> None:
    made = office(db=typed_table(configu=configu_table(configu)))
    await made.keep("db", "canary-old")
    await made.keep("configu-token", CONFIGU_TOKEN)
    configu.protected.add("prod")
    assert (await made.desk.start("db", typed=Secret("canary-good"))).pending
    with pytest.raises(RotationRefused, match="can't be replaced any more"):
        await made.desk.resume("db", typed=Secret("canary-good-2"))
    assert len(configu.waiting) == 1


async def test_a_value_that_nobody_asked_for_is_refused(
    office: MakeOffice, langsmith: LangSmithKeyServer
) -> None:
    made = office(key=langsmith_table(langsmith))
    await made.keep("key", langsmith.first)
    with pytest.raises(RotationRefused, match="comes from langsmith"):
        await made.desk.start("key", typed=Secret("canary-typed"))
    assert len(langsmith.keys) == 1


async def test_a_key_that_came_to_be_late_is_ended_too(
    office: MakeOffice, langsmith: LangSmithKeyServer
) -> None:
    """A request of a process that was killed may arrive after the next one had looked."""
    made = office(key=langsmith_table(langsmith))
    await made.keep("key", langsmith.first)
    rotation = await made.desk.start("key", typed=None)
    langsmith.make(rotation.tag)
    made.wait(minutes=10)
    assert (await made.desk.resume("key")).phase == "done"
    assert list(langsmith.keys) == [rotation.new_key]


async def test_a_new_value_that_a_sync_brought_early_is_taken_back(
    office: MakeOffice, configu: ConfiguServer
) -> None:
    made = office(db={"provider": "configu", "configu": configu_table(configu)})
    await made.keep("db", "canary-old")
    await made.keep("configu-token", CONFIGU_TOKEN)
    configu.protected.add("prod")
    assert (await made.desk.start("db", typed=None)).pending
    (change,) = configu.waiting
    configu.configs["prod", "DB_PASSWORD"] = change["value"]
    configu.protected.clear()
    await made.keep("db", change["value"])  # what a sync does
    assert (await made.desk.roll_back("db")).phase == "rolled-back"
    assert await made.value("db") == "canary-old"
    assert configu.configs["prod", "DB_PASSWORD"] == "canary-old"
    assert made.told == ["db"]


async def test_a_new_key_is_not_ended_while_it_is_all_that_there_is(
    office: MakeOffice, langsmith: LangSmithKeyServer
) -> None:
    made = office(key=langsmith_table(langsmith))
    await made.keep("key", langsmith.first)
    rotation = await made.desk.start("key", typed=None)
    new = await made.value("key")
    await made.store.delete(SecretRef("acme", f"devwiz-gw.rotation.{rotation.id}.old"))
    rotation = await made.desk.roll_back("key")
    assert (rotation.phase, rotation.stuck) == ("rolling-back", True)
    assert "lost the old value" in rotation.error
    assert new in langsmith.values()
    await made.keep("key", langsmith.first)
    assert (await made.desk.resume("key")).phase == "rolled-back"
    assert langsmith.values() == [langsmith.first]


async def test_a_clock_that_is_set_back_cuts_no_grace_short_and_makes_none_endless(
    office: MakeOffice, langsmith: LangSmithKeyServer
) -> None:
    made = office(key=langsmith_table(langsmith))
    await made.keep("key", langsmith.first)
    assert (await made.desk.start("key", typed=None)).phase == "grace"
    made.wait(days=-400)
    assert (await made.desk.resume("key", asked=False)).phase == "grace"
    made.wait(minutes=9)
    assert (await made.desk.resume("key", asked=False)).phase == "grace"
    made.wait(minutes=1)
    assert (await made.desk.resume("key", asked=False)).phase == "done"


async def test_a_plan_says_that_a_value_is_written_back(office: MakeOffice) -> None:
    made = office(db={"provider": "prompt", "write_back": True})
    await made.keep("db", "canary-old")
    assert "publish" in (await made.desk.plan("db"))["steps"]
