"""Two gateways back to back: plaintext, mutual TLS between them, plaintext."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.fakes.stack import TRUST_DOMAIN, IssuerProcess, JoinedGateway

CALLER = f"spiffe://{TRUST_DOMAIN}/agent/caller"
AGENT = f"spiffe://{TRUST_DOMAIN}/agent/agent"
# Far below the life of these certificates: a connection that is kept for longer may be closed by
# the other side, with its certificate, just when it is used again.
_SHORT_LIVES = "upstream_idle_timeout_s = 1"


@dataclass(frozen=True, slots=True, kw_only=True)
class TwoGateways:
    """`near` stands beside the caller, `far` beside the agent; both renew from `issuer`."""

    issuer: IssuerProcess
    near: JoinedGateway
    far: JoinedGateway

    @property
    def address(self) -> str:
        """Where the caller connects."""
        return self.near.address()

    @property
    def renewals(self) -> int:
        """How often both have renewed."""
        generations: list[int] = [
            gateway.status()["identity"]["generation"] for gateway in (self.near, self.far)
        ]
        return min(generations) - 1


@contextmanager
def two_gateways(
    folder: Path,
    agent_port: int,
    *,
    protocol: str,
    alpn: str = "",
    life_s: int = 10,
    outbound: str = "",
    inbound: str = "",
    inbound_protocol: str = "",
) -> Iterator[TwoGateways]:
    """Both, ready; `protocol` is "http" or "tcp", `alpn` a line of both routes, `outbound` more of
    the caller's own, and `inbound` of the agent's. An `inbound_protocol` of "tcp" has `far` end TLS
    and read nothing.
    """
    with ExitStack() as cleanup:
        issuer = cleanup.enter_context(IssuerProcess(folder / "issuer", life_s=life_s))
        issuer.start()

        def gateway(workload: str) -> JoinedGateway:
            home = folder / workload
            home.mkdir(mode=0o700)
            return cleanup.enter_context(JoinedGateway(home, issuer, workload))

        near, far = gateway("caller"), gateway("agent")
        far.write_routes(f"""
[[routes]]
name = "inbound"
kind = "ingress"
protocol = "{inbound_protocol or protocol}"
listen = "127.0.0.1:0"
upstream = "{inbound_protocol or protocol}://127.0.0.1:{agent_port}"
peer = ["spiffe://{TRUST_DOMAIN}/agent/*"]
{alpn}
{inbound}
""")
        far.start()
        far.until_ready()
        scheme = "https" if protocol == "http" else "tls"
        near.write_routes(
            f"""
[[routes]]
name = "outbound"
kind = "{protocol}"
listen = "127.0.0.1:0"
upstream = "{scheme}://{far.address()}"
peer = ["{AGENT}"]
{alpn}
{outbound}
""",
            limits=_SHORT_LIVES,
        )
        near.start()
        near.until_ready()
        yield TwoGateways(issuer=issuer, near=near, far=far)
