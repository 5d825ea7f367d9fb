"""What `devwiz-gw identity rehearse` goes through for a configuration. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

from certs.issuer.holders import RENEWABLE_AFTER_END
from certs.rehearsal.embedded import Offer
from certs.rehearsal.plan import AuthorityChange, FirstIdentity, OutageOf, Renewals, SleepOf, Step
from certs.rehearsal.stage import Scene, StandIn
from gateway.config.model import (
    FilesSourceConfig,
    GoogleWifSourceConfig,
    IdentityConfig,
    IssuerSourceConfig,
    SourceConfig,
    SpiffeSourceConfig,
    StepCaSourceConfig,
    VaultSourceConfig,
)
from gateway.data_plane.refusals import RENEWAL_WAIT_S
from identity.spiffe import SpiffeId

#: The life that is rehearsed with where no issuer was asked.
USUAL_LIFE: Final = timedelta(hours=1)
#: Lives that the embedded issuer gives.
SHORTEST: Final = timedelta(seconds=10)
LONGEST: Final = timedelta(hours=24)

_UNNAMED_DOMAIN: Final = "rehearsal.example"
_A_NIGHT: Final = timedelta(hours=9)
_ONWARD: Final = ("init", "update_clients", "update_servers", "standby")
_AND_BACK: Final = ("init", "update_clients", "update_servers", "rollback", "standby")
_AWAY_SHARE: Final = 0.25
_NAP_SHARE: Final = 0.3


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What the command line asks for; empty tuples and None leave it to the plan.

    Attributes:
        joins: how many joins a one-time credential is good for.
    """

    renewals: int = 100
    real_renewals: int = 3
    joins: int = 1
    life: timedelta | None = None
    outages: tuple[timedelta, ...] = ()
    sleeps: tuple[timedelta, ...] = ()


def asked_for(source: SourceConfig, life: timedelta | None) -> SourceConfig:
    """The source, asking for certificates of that life where it can ask."""
    if life is None:
        return source
    seconds = int(life.total_seconds())
    match source:
        case VaultSourceConfig():
            return replace(source, ttl_s=seconds)
        case GoogleWifSourceConfig():
            return replace(source, lifetime_s=seconds)
        case _:
            return source


def is_pushed(source: SourceConfig) -> bool:
    """Whether renewals come when somebody else makes them, and can't be asked for."""
    return isinstance(source, SpiffeSourceConfig | FilesSourceConfig)


def is_spent_by_a_join(source: SourceConfig) -> bool:
    """Whether each join takes a use of the credential."""
    match source:
        case IssuerSourceConfig():
            # A bound key and an identity token are used first, and cost nothing.
            return source.bound_key is None and source.id_token is None
        case StepCaSourceConfig():
            return not source.provisioner
        case _:
            return False


def takes_turns(source: SourceConfig) -> bool:
    """Whether only one program at a time may use the credential: each join with a bound key gives
    its holder the state for the next one, and to the issuer two holders are a copied key.
    """
    bound = source.bound_key if isinstance(source, IssuerSourceConfig) else None
    return bound is not None and bound.key.kind == "secret"


def real_steps(source: SourceConfig, life: timedelta, wishes: Wishes) -> list[Step]:
    """What comes after the first identity, with the user's own issuer. The outage and the sleep end
    within the certificate's life: the issuer's own clock can't be moved past its end.
    """
    if is_pushed(source):
        return []
    return [
        Renewals(wishes.real_renewals),
        OutageOf(whole(life * _AWAY_SHARE)),
        SleepOf(whole(life * _NAP_SHARE)),
    ]


def simulated_steps(identity: IdentityConfig, life: timedelta, wishes: Wishes) -> list[Step]:
    """What the embedded issuer goes through."""
    away = whole(life * _AWAY_SHARE)
    steps: list[Step] = [FirstIdentity(), Renewals(wishes.renewals)]
    if wishes.outages:
        steps += [OutageOf(span) for span in wishes.outages]
    else:
        steps += [OutageOf(away), OutageOf(away, "silent")]
    if len(identity.sources) > 1:
        steps.append(OutageOf(2 * life, is_whole=False))
    steps += [SleepOf(span) for span in wishes.sleeps or (_A_NIGHT,)]
    # Each phase lasts for a life, so that everybody renews in it by the usual rule at the latest.
    return steps + [AuthorityChange(phase, life) for phase in (*_ONWARD, *_AND_BACK)]


def scene(identity: IdentityConfig, life: timedelta, wishes: Wishes) -> Scene:
    """The embedded stand-ins for an identity's sources."""
    spiffe_id = identity.spiffe_id
    domain = str(SpiffeId.parse(spiffe_id).trust_domain) if spiffe_id else _UNNAMED_DOMAIN
    return Scene(
        offer=Offer(trust_domain=domain, life=min(max(life, SHORTEST), LONGEST)),
        sources=[_stand_in(source, wishes) for source in identity.sources],
        request_wait_s=RENEWAL_WAIT_S,
    )


def survivable(life: timedelta) -> timedelta:
    """How long all issuers may be away, at the worst moment, without a request that fails: a
    certificate is renewed when 60 % of its life are over at the latest.
    """
    return whole(life * 0.4)


def whole(span: timedelta) -> timedelta:
    """The span in whole seconds, one at least."""
    return timedelta(seconds=max(1, round(span.total_seconds())))


def _stand_in(source: SourceConfig, wishes: Wishes) -> StandIn:
    is_ours = isinstance(source, IssuerSourceConfig)
    return StandIn(
        name=source.name,
        joins=wishes.joins if is_spent_by_a_join(source) else None,
        renewable_after=RENEWABLE_AFTER_END if is_ours else timedelta(0),
    )
