"""The sources of identities, and what there is of each: from the running gateway where one runs,
and else from the sources, so far as that costs nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from certs.errors import CertsError
from certs.sources.base import IdentitySource, PublicSource
from gateway.config.identities import identities_of
from gateway.config.model import (
    DEFAULT_IDENTITY,
    Config,
    FilesSourceConfig,
    GoogleWifSourceConfig,
    IdentityConfig,
    SourceConfig,
    SpiffeSourceConfig,
)
from gateway.doctor.case import Held, Means, Running
from gateway.doctor.credentials import credentials_of, is_spent_by_joining, missing
from gateway.doctor.finding import Finding, skipped
from gateway.identity_sources import open_source
from identity.fault import Fault
from identity.secret_stores.base import SecretStore

#: Of several steps of one source: trust, challenge, join.
_STEPS: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Sourced:
    """What came of an identity's sources; `skews` has the clocks of those that told the time."""

    held: Held
    findings: list[Finding]
    skews: Mapping[str, float | None]


async def ask_gateway(name: str, status: Mapping[str, Any], running: Running) -> Sourced:
    """What the running gateway has, and how it stands with its source."""
    told = next((item for item in status.get("identities", ()) if item["name"] == name), None)
    if told is None:
        why = "the running gateway has no such identity: devwiz-gw reload"
        return Sourced(held=Held(why_not=why), findings=[skipped("issuer", why)], skews={})
    held = Held(why_not=str(told.get("reason") or "there is no certificate yet"))
    try:
        found = await running.certificates(name)
        held = Held(chain_pem=found["chain"].encode(), bundle_pem=found["bundle"].encode())
    except Fault:
        pass  # `held` says what the gateway gives as the reason
    whose = f"the issuer of {name}" if name != DEFAULT_IDENTITY else "the issuer"
    return Sourced(
        held=held, findings=[_as_gateway_sees_it(told)], skews={whose: told.get("clock_skew_s")}
    )


def _as_gateway_sees_it(told: Mapping[str, Any]) -> Finding:
    about = told["name"]
    error = told.get("last_error")
    if not error:
        detail = f"the gateway gets its certificates from {told['source']}"
        return Finding(rung="issuer", about=about, result="pass", detail=detail)
    return Finding(
        rung="issuer",
        about=about,
        result="warn" if told["state"] in {"valid", "renewing", "degraded"} else "fail",
        detail=f"the gateway can't renew from {told['source']}: {error}",
        remedy=told.get("last_error_hint") or "devwiz-gw identity show tells more",
    )


async def ask_sources(name: str, config: Config, store: SecretStore, means: Means) -> Sourced:
    """What the identity's sources say. A certificate is asked for where that costs nothing, or
    where it may cost something; of several sources the first that gives one.
    """
    table = identities_of(config)[name]
    held, findings, skews = Held(), [], dict[str, float | None]()
    for wanted in table.sources:
        alone = _alone(config, table, wanted)
        try:
            source = open_source(alone, store, means.env)
        except Fault as fault:
            findings.append(_failure(name, wanted, fault))
            continue
        try:
            answer = await _ask(name, wanted, source, means)
        finally:
            await source.close()
        findings += answer.findings
        skews[f"the {wanted.name} of {name}"] = source.clock_skew_s
        if not held.chain_pem:
            held = answer.held if answer.held.chain_pem or not held.bundle_pem else held
    return Sourced(held=held, findings=findings, skews=skews)


def _alone(config: Config, table: IdentityConfig, wanted: SourceConfig) -> Config:
    return replace(config, identity=replace(table, sources=(wanted,), derive=False), identities={})


async def _ask(name: str, wanted: SourceConfig, source: IdentitySource, means: Means) -> Sourced:
    cost = is_spent_by_joining(wanted)
    if not cost or means.join:
        return await _obtained(name, wanted, source, means)
    held = Held(
        why_not=f"asking for a certificate {cost}, which is not done unasked: start the gateway, "
        "or pass --join"
    )
    findings = list(_unspent(name, wanted, means))
    try:
        async with asyncio.timeout(means.deadline_s * _STEPS):
            if isinstance(source, PublicSource):
                held = replace(held, bundle_pem=await source.authorities())
            elif isinstance(wanted, GoogleWifSourceConfig):
                # Only a source that calls by HTTPS is worth loading an HTTP library.
                from gateway.doctor.google_reach import reach_service

                await reach_service(wanted, means)
        detail = f"{wanted.name} answers, and is the one that is meant"
        findings.insert(0, _good(name, detail))
    except (CertsError, TimeoutError) as error:
        findings.insert(0, _failure(name, wanted, error))
    return Sourced(held=held, findings=findings, skews={})


async def _obtained(
    name: str, wanted: SourceConfig, source: IdentitySource, means: Means
) -> Sourced:
    try:
        async with asyncio.timeout(means.deadline_s * _STEPS):
            identity = await source.obtain(None)
    except (Fault, TimeoutError) as error:
        finding = _failure(name, wanted, error)
        why = f"{wanted.name} gave no certificate"
        return Sourced(held=Held(why_not=why), findings=[finding], skews={})
    held = Held(
        chain_pem=identity.chain_pem, key_pem=identity.key_pem, bundle_pem=identity.bundle_pem
    )
    return Sourced(held=held, findings=[_good(name, f"{wanted.name} gave a certificate")], skews={})


def _good(name: str, detail: str) -> Finding:
    return Finding(rung="issuer", about=name, result="pass", detail=detail)


def _failure(name: str, wanted: SourceConfig, error: Exception) -> Finding:
    if isinstance(error, Fault):
        detail, remedy = f"{wanted.name}: {error}", error.own_hint or _look_at(wanted)
    else:
        detail, remedy = f"{wanted.name} did not answer in time", _look_at(wanted)
    return Finding(rung="issuer", about=name, result="fail", detail=detail, remedy=remedy)


def _look_at(wanted: SourceConfig) -> str:
    if isinstance(wanted, FilesSourceConfig):
        return "mend the files, or their modes"
    if isinstance(wanted, SpiffeSourceConfig):
        return "is the agent of the Workload API running, and does it know this workload?"
    return "is it running, and is its url right?"


def _unspent(name: str, wanted: SourceConfig, means: Means) -> Iterator[Finding]:
    """What is missing of the credentials that are not used here."""
    problems = [why for ref in credentials_of(wanted) if (why := missing(ref, means.env))]
    if problems:
        yield Finding(
            rung="issuer",
            about=name,
            result="warn",
            detail=f"the next start can't join: {'; '.join(problems)}",
            remedy="a token that was used up may be gone; make another one for the next start",
        )


def names_of(config: Config, routes: Iterable[str]) -> list[str]:
    """The identities that these routes show."""
    from gateway.config.identities import identity_of

    wanted = set(routes)
    shown = {identity_of(item, config) for item in config.routes if item.name in wanted}
    return [name for name in identities_of(config) if name in shown]
