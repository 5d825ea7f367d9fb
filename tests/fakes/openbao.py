"""A real OpenBao with a PKI engine: an intermediate below a root that is made here."""

from __future__ import annotations

import http.client
import json
import signal
import ssl
import subprocess
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

from certs import keys
from tests.components import require_program
from tests.fakes.authority import Authority
from tests.fakes.certificates import Signer, root, to_pem
from tests.fakes.gateway_process import DEADLINE_S
from tests.fakes.stack import free_port

_POLICY = """
path "pki/sign/agent" { capabilities = ["update"] }
"""


class OpenBao:
    """`bao server`, unsealed, with nothing on a disk.

    The engine `pki` has the role `agent` for names below spiffe://acme.example/agent/.

    Attributes:
        url: where.
        ca_file: the authority of its TLS certificate.
        root: the authority that clients' certificates lead to.
    """

    def __init__(self, folder: Path, *, life_s: int = 3600) -> None:
        self._program = require_program("bao")
        self._folder = folder
        self._life_s = life_s
        self._process: subprocess.Popen[bytes] | None = None
        self._root_token = ""
        port = free_port()
        self.url = f"https://127.0.0.1:{port}"
        self.ca_file = folder / "server-ca.pem"
        folder.mkdir()
        authority = Authority()
        leaf = authority.issue("127.0.0.1")
        self.ca_file.write_text(authority.pem)
        (folder / "server.crt").write_text(leaf.chain_pem)
        (folder / "server.key").write_text(leaf.key_pem)
        (folder / "bao.hcl").write_text(f"""
storage "inmem" {{}}
listener "tcp" {{
  address = "127.0.0.1:{port}"
  tls_cert_file = "{folder}/server.crt"
  tls_key_file = "{folder}/server.key"
}}
api_addr = "{self.url}"
""")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def start(self) -> None:
        """Start it, and return when it is set up."""
        with (self._folder / "log").open("ab") as log:
            command = [str(self._program), "server", f"-config={self._folder}/bao.hcl"]
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        self._until_it_answers()
        made = self.ask("PUT", "sys/init", {"secret_shares": 1, "secret_threshold": 1})
        self._root_token = made["root_token"]
        self.ask("PUT", "sys/unseal", {"key": made["keys"][0]})
        self.root = self.add_engine()
        for method in ("approle", "jwt"):
            self.ask("POST", f"sys/auth/{method}", {"type": method})

    def signal(self, number: signal.Signals) -> None:
        """SIGSTOP freezes it, SIGCONT lets it go on."""
        assert self._process is not None
        self._process.send_signal(number)

    def kill(self) -> None:
        """kill -9."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(DEADLINE_S)
            self._process = None

    def ask(self, method: str, path: str, body: Any = None, *, namespace: str = "") -> Any:
        """One request as root; what it answered."""
        context = ssl.create_default_context(cafile=str(self.ca_file))
        host = self.url.removeprefix("https://")
        connection = http.client.HTTPSConnection(host, timeout=DEADLINE_S, context=context)
        headers = {"X-Vault-Token": self._root_token, "X-Vault-Namespace": namespace}
        connection.request(
            method, f"/v1/{path}", None if body is None else json.dumps(body), headers
        )
        with connection.getresponse() as reply:
            text = reply.read()
        connection.close()
        assert reply.status < 300, (path, text)
        return json.loads(text) if text else None

    def token(self, ttl: str = "1h", **options: Any) -> str:
        """A new token that may have certificates signed."""
        body = {"policies": ["agent"], "ttl": ttl} | options
        made: str = self.ask("POST", "auth/token/create", body)["auth"]["client_token"]
        return made

    def approle(self, life: str = "1h") -> tuple[str, str]:
        """Role id and secret id of a new AppRole `gw`."""
        body = {"token_policies": ["agent"], "token_ttl": life}
        self.ask("POST", "auth/approle/role/gw", body)
        role_id: str = self.ask("GET", "auth/approle/role/gw/role-id")["data"]["role_id"]
        secret_id: str = self.ask("POST", "auth/approle/role/gw/secret-id")["data"]["secret_id"]
        return role_id, secret_id

    def trust_provider(self, jwks_url: str, audience: str) -> None:
        """Let tokens of an OpenID provider log in, for the auth role `gw`."""
        self.ask("POST", "auth/jwt/config", {"jwks_url": jwks_url})
        role = {
            "role_type": "jwt",
            "bound_audiences": [audience],
            "user_claim": "sub",
            "token_policies": ["agent"],
        }
        self.ask("POST", "auth/jwt/role/gw", role)

    def add_authority(self, namespace: str = "") -> Signer:
        """A new root with a new intermediate, known beside what is there and used from now on."""
        start = datetime.now(UTC) - timedelta(days=1)
        made = root("vault root", start=start)
        between = made.authority("vault intermediate", start=start, end=start + timedelta(days=300))
        pem = keys.to_pem(between.key) + to_pem(between.certificate) + made.pem
        bundle = {"pem_bundle": pem.decode()}
        found = self.ask("POST", "pki/issuers/import/bundle", bundle, namespace=namespace)
        (default,) = [name for name, key in found["data"]["mapping"].items() if key]
        self.ask("POST", "pki/config/issuers", {"default": default}, namespace=namespace)
        return made

    def add_engine(self, namespace: str = "") -> Signer:
        """The engine and its role, in a namespace that is there."""
        tune = {"type": "pki", "config": {"max_lease_ttl": "8760h"}}
        self.ask("POST", "sys/mounts/pki", tune, namespace=namespace)
        role = {
            "allowed_uri_sans": ["spiffe://acme.example/agent/*"],
            "key_type": "any",
            "require_cn": False,
            "ttl": f"{self._life_s}s",
        }
        authority = self.add_authority(namespace)
        self.ask("POST", "pki/roles/agent", role, namespace=namespace)
        self.ask("POST", "sys/policies/acl/agent", {"policy": _POLICY}, namespace=namespace)
        return authority

    def _until_it_answers(self) -> None:
        deadline = time.monotonic() + DEADLINE_S
        while True:
            assert self._process is not None
            assert self._process.poll() is None, (self._folder / "log").read_text()
            try:
                self.ask("GET", "sys/seal-status")
            except OSError:
                assert time.monotonic() < deadline, (self._folder / "log").read_text()
                time.sleep(0.05)
            else:
                return
