"""For each issuer: what is wrong with its credential or its address is told by step and field, with
a remedy and without a secret, while requests are served by the last good identity.
"""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest

from certs import keys
from certs.issuer.folder import init, open_issuer
from certs.issuer.one_time_tokens import Grant
from tests.e2e.sources.bad_input import Bad, running, serves_on_and_says
from tests.fakes.authority import Authority
from tests.fakes.certificates import AGENT
from tests.fakes.google_cloud import AUDIENCE, POOL, GoogleCloud
from tests.fakes.issuer_process import IssuerProcess
from tests.fakes.openbao import OpenBao
from tests.fakes.step_ca import PROVISIONER, StepCa, jwk_of
from tests.fakes.workload_api import Domain, WorkloadApi

WRONG = "0" * 64


# The issuer that ships here


def issuer_table(url: str, pin: str) -> str:
    return f"""
[identity]
source = "issuer"
[identity.issuer]
url = "{url}"
ca_pin = "{pin}"
token_file = "bad-token"
"""


async def issuer_cases(folder: Path) -> tuple[IssuerProcess, list[Bad]]:
    now = datetime.now(UTC)
    init(folder / "issuer", trust_domain="acme.example", now=now)
    init(folder / "other", trust_domain="acme.example", now=now)
    service, other = (open_issuer(folder / name).service for name in ("issuer", "other"))
    pin = service.authority.pin

    def token(grant: Grant, at: datetime) -> str:
        return service.make_token(grant, at).text.reveal()

    good = token(Grant(workload="laptop"), now)
    expired = token(Grant(workload="laptop"), now - timedelta(hours=1))
    spent = service.make_token(Grant(workload="laptop"), now).text
    from certs import csr

    service.join(spent, csr.build(keys.generate()), peer="", now=now)
    foreign = other.make_token(Grant(workload="laptop"), now).text.reveal()
    service.close()
    other.close()
    process = IssuerProcess(folder / "issuer")
    await process.start()
    new = "make a new token with 'devwiz-gw issuer token'"

    def case(text: str, said: str, hint: str = new, at_pin: str = pin) -> Bad:
        return Bad(
            identity=issuer_table(process.url, at_pin),
            files=[("bad-token", text)],
            said=said,
            hint=hint,
            secrets=[text.rsplit("_", 1)[-1]],
        )

    return process, [
        case(good, "^trust: no authority of .* has the key of ca_pin", "ca_pin", f"sha256:{WRONG}"),
        case(expired, r"^join: the join token has expired \(token_expired\)"),
        case(spent.reveal(), r"^join: the join token has been used \(token_spent\)"),
        case(foreign, r"^join: .* not one of this issuer's \(token_invalid\)"),
        case("not-a-token-at-all", r"^join: .*\(token_invalid\)"),
    ]


async def test_the_issuer_that_ships_here(tmp_path: Path) -> None:
    process, cases = await issuer_cases(tmp_path)
    try:
        await asyncio.to_thread(go_through, tmp_path / "gateway", cases)
    finally:
        await process.stop()


# step-ca


@pytest.mark.program("step-ca")
def test_step_ca(tmp_path: Path) -> None:
    with StepCa(tmp_path / "step-ca") as authority:
        authority.start()
        go_through(tmp_path / "gateway", step_ca_cases(authority))


def step_ca_cases(authority: StepCa) -> list[Bad]:
    own = json.dumps(authority.provisioner_jwk)
    key = jwt.PyJWK(authority.provisioner_jwk).key
    now = datetime.now(UTC)

    def token(**claims: Any) -> str:
        honest = {
            "iss": PROVISIONER,
            "aud": f"{authority.url}/1.0/sign",
            "sub": AGENT,
            "sans": [AGENT],
            "iat": now,
            "exp": now + timedelta(minutes=5),
            "jti": str(claims),
        }
        return jwt.encode(honest | claims, key, "ES256", headers={"kid": "key-1"})

    def by_key(text: str, said: str, hint: str, **options: str) -> Bad:
        facts = {"fingerprint": authority.fingerprint, "provisioner": PROVISIONER} | options
        facts["provisioner_key_file"] = "bad-key"
        return case(facts, [("bad-key", text)], said, hint)

    def by_token(text: str, said: str, hint: str) -> Bad:
        facts = {"fingerprint": authority.fingerprint, "token_file": "bad-token"}
        return case(facts, [("bad-token", text)], said, hint)

    def case(facts: dict[str, str], files: list[tuple[str, str]], said: str, hint: str) -> Bad:
        table = "\n".join(f'{name} = "{value}"' for name, value in facts.items())
        identity = f"""
[identity]
source = "step-ca"
spiffe_id = "{AGENT}"
[identity.step-ca]
url = "{authority.url}"
{table}
"""
        seen = [authority.provisioner_jwk["d"], files[0][1]]
        return Bad(identity=identity, files=files, said=said, hint=hint, secrets=seen)

    new = "make a new one: step ca token"
    return [
        by_key(own, "^trust: .* no root with this fingerprint", "compare with", fingerprint=WRONG),
        by_key(own, "^sign: the step-ca has no provisioner 'prod'", "'dev'", provisioner="prod"),
        by_key(
            json.dumps(jwk_of(keys.generate(), "key-2")),
            "^sign: the step-ca knows provisioner 'dev' by another key",
            "key-2",
        ),
        by_key("-----BEGIN nonsense", "^sign: the provisioner's key", ""),
        by_token(token(exp=now - timedelta(hours=1)), r"^sign: .*expired \(exp\)", new),
        by_token(token(aud="https://other.example/1.0/sign"), r"^sign: .*\(aud\)", new),
        by_token(token(iss="nobody"), r"^sign: .*'nobody' \(iss\)", new),
        by_token(token(sans=["spiffe://acme.example/x"]), r"^sign: .*\(sans\)", "--san"),
        by_token(token(sha=WRONG), r"^sign: .*another root \(sha\)", new),
        by_token("not.a.token", "^sign: the token is not a JWT", "step ca token"),
    ]


# Vault


@pytest.mark.program("bao")
def test_vault(tmp_path: Path) -> None:
    with OpenBao(tmp_path / "bao") as bao:
        bao.start()
        role_id, secret_id = bao.approle()
        other = tmp_path / "other.pem"
        other.write_text(Authority().pem)

        def case(said: str, hint: str, secret: str = secret_id, **options: str) -> Bad:
            facts = {"url": bao.url, "ca_file": str(bao.ca_file), "role": "agent"} | options
            table = "\n".join(f'{name} = "{value}"' for name, value in facts.items())
            identity = f"""
[identity]
source = "vault"
spiffe_id = "{AGENT}"
[identity.vault]
auth = "approle"
role_id = "{role_id}"
secret_id_file = "secret-id"
{table}
"""
            files = [("secret-id", secret)]
            return Bad(identity=identity, files=files, said=said, hint=hint, secrets=[secret])

        go_through(
            tmp_path / "gateway",
            [
                case("^login: .* is not the Vault", "ca_file", ca_file=str(other)),
                case(r"^login: .* refuses \(400\)", "check the credential", "wrong-secret-id"),
                case(r"^sign: .* refuses \(40[03]\)", "role", role="nobody"),
                case(r"^sign: .* refuses \(40[34]\)", "mount", mount="elsewhere"),
            ],
        )


# The Workload API


@contextmanager
def something_else(path: Path) -> Iterator[None]:
    """A socket of something that isn't a Workload API."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(1)
                    connection.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


@pytest.mark.program("workload-api")
def test_the_workload_api(tmp_path: Path) -> None:
    def case(name: str, said: str, hint: str) -> Bad:
        identity = f"""
[identity]
source = "spiffe"
spiffe_id = "{AGENT}"
[identity.spiffe]
socket = "unix://{tmp_path}/{name}"
"""
        return Bad(identity=identity, said=said, hint=hint)

    with WorkloadApi(tmp_path / "api.sock") as api, something_else(tmp_path / "ssh.sock"):
        api.give(Domain().svid("spiffe://acme.example/agent/other"))
        go_through(
            tmp_path / "gateway",
            [
                case("ssh.sock", "^fetch: .*doesn't speak gRPC", ""),
                case("absent.sock", "^connect: .*no such file", "agent"),
                case("api.sock", f"^fetch: the agent gives no SVID for {AGENT}", "agent/other"),
            ],
        )


# Google


def test_google(tmp_path: Path) -> None:
    with GoogleCloud(tmp_path) as cloud:
        key = keys.generate()
        public = jwt.algorithms.ECAlgorithm.to_jwk(key.public_key(), as_dict=True)
        cloud.jwks = {"keys": [public | {"kid": "k", "alg": "ES256"}]}
        now = datetime.now(UTC)

        def token(**claims: Any) -> str:
            honest = {
                "iss": cloud.issuer,
                "sub": "agent:laptop",
                "aud": f"https:{AUDIENCE}",
                "iat": now,
                "exp": now + timedelta(hours=1),
            }
            return jwt.encode(honest | claims, key, "ES256", headers={"kid": "k"})

        def case(document: str, said: str, hint: str, subject: str = "", pool: str = POOL) -> Bad:
            identity = f"""
[identity]
source = "google-wif"
spiffe_id = "{AGENT}"
[identity.google-wif]
credential_file = "bad.json"
ca_pool = "{pool}"
cas_url = "{cloud.url}"
allowed_hosts = ["{cloud.host}"]
ca_file = "{cloud.ca_file}"
"""
            subject = subject or token()
            files = [("bad.json", document), ("subject", subject)]
            # The stand-in, unlike Google, quotes the whole token back.
            return Bad(identity=identity, files=files, said=said, hint=hint, secrets=[subject])

        source = {"file": str(tmp_path / "gateway" / "subject")}
        good = json.dumps(cloud.credentials(source))
        hostile = json.dumps(cloud.credentials(source, token_url="https://evil.example/v1/token"))
        unknown = json.dumps(cloud.credentials(source, audience=AUDIENCE + "x"))
        go_through(
            tmp_path / "gateway",
            [
                case("{ not json", "^token: ", ""),
                case("[]", "^token: ", ""),
                case(hostile, "^token: .*evil.example:443, which is not allowed", "allowed_hosts"),
                case(unknown, "^token: .*audience", "allowed audiences"),
                case(
                    good, "^token: .*InvalidAudience", "allowed audiences", token(aud="https://x")
                ),
                case(good, "^token: .*Expired", "issuer", token(exp=now - timedelta(hours=1))),
                case(good, r"^create: .*refuses \(404\)", "", pool=POOL + "x"),
            ],
        )


# Files


def test_files(tmp_path: Path) -> None:
    mine, other = Authority(), Authority()
    leaf, twin = mine.issue(AGENT), mine.issue(AGENT)

    def case(said: str, hint: str, **changed: str) -> Bad:
        files = {"crt": leaf.chain_pem, "key": leaf.key_pem, "ca": mine.pem} | changed
        identity = f"""
[identity]
source = "files"
spiffe_id = "{AGENT}"
[identity.files]
certificate = "bad.crt"
private_key = "bad.key"
trust_bundle = "bad.ca"
"""
        return Bad(
            identity=identity,
            files=[(f"bad.{name}", text) for name, text in files.items()],
            said=said,
            hint=hint,
            secrets=leaf.key_pem.splitlines()[1:-1],
        )

    stranger = mine.issue("spiffe://acme.example/agent/other")
    go_through(
        tmp_path / "gateway",
        [
            case("bad.key: the file holds no private keys", "BEGIN PRIVATE KEY", key="nonsense"),
            case("bad.crt: ", "BEGIN CERTIFICATE", crt="nonsense"),
            case("bad.ca: ", "", ca="nonsense"),
            case("bad.crt: .*for another key than ours", "belong together", key=twin.key_pem),
            case("bad.crt: the chain doesn't lead to", "authority", ca=other.pem),
            case(
                f"bad.crt: the certificate is for .*other, {AGENT} was asked for",
                "belong together",
                crt=stranger.chain_pem,
                key=stranger.key_pem,
            ),
        ],
    )


def go_through(folder: Path, cases: list[Bad]) -> None:
    with running(folder) as gateway:
        for bad in cases:
            serves_on_and_says(gateway, bad)
