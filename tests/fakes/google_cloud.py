"""Google's security token service, IAM credentials and Certificate Authority Service on loopback,
as their reference pages say: strict about what comes in, and failing when told to.
"""

from __future__ import annotations

import base64
import json
import socket
import ssl
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, cast
from urllib.parse import parse_qs, unquote, urlsplit

import jwt
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

from certs import keys, tls_context
from tests.fakes.certificates import AGENT, Leaf, Signer, ip, root, to_pem, uri
from tests.fakes.serving_thread import ServingThread

POOL = "projects/p/locations/europe-west1/caPools/agents"
AUDIENCE = (
    "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/pool/providers/idp"
)
ACCOUNT = "gateway@p.iam.gserviceaccount.com"
#: Refresh token and client secret of somebody who signed in with gcloud.
PERSON = ("1//refresh-token-of-a-person", "client-secret-of-gcloud")
#: Whom service accounts sign for, wherever it is.
_TOKEN_URI = "https://oauth2.googleapis.com/token"
_TOKEN_TYPE = "urn:ietf:params:oauth:token-type"


class Refused(Exception):
    """An error answer."""

    def __init__(self, status: int, document: dict[str, Any]) -> None:
        super().__init__(status)
        self.status = status
        self.document = document


@dataclass(slots=True)
class Fault:
    """What is answered in place of the truth, on a path that ends so; `hang_s` waits before."""

    path: str
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b"{}"
    hang_s: float = 0.0
    loses_answer: bool = False


class GoogleCloud(ServingThread):
    """All three services on one port of 127.0.0.1.

    Attributes:
        jwks: the uploaded key set of the provider, with `issuer` its tokens' issuer.
        workloads: trust anchor of X.509 federation.
        subject: what `GET /subject` tells, for URL-sourced credentials.
        fault: the next answers are spoilt so.
        certificates: made so far, by request id.
        paths: that were asked for.
        longest_s: the longest life of a certificate.
        spoil: makes a certificate, PEM, in place of the honest one.
    """

    def __init__(self, folder: Path) -> None:
        start = datetime.now(UTC) - timedelta(days=1)
        self.root = root("cas root", start=start)
        self.intermediate = self.root.authority("cas", start=start, end=start + timedelta(days=300))
        self.workloads = root("workloads", start=start)
        self.jwks: dict[str, Any] = {"keys": []}
        self.issuer = "https://idp.acme.example"
        self.subject = ""
        self.fault: Fault | None = None
        self.certificates: dict[str, dict[str, Any]] = {}
        self.paths: list[str] = []
        self.longest_s = 86_400
        self.spoil: Callable[[x509.CertificateSigningRequest], bytes] | None = None
        self.account_key = rsa.generate_private_key(65537, 2048)
        self._tokens: set[str] = set()
        self.ca_file = folder / "google-ca.pem"
        self._tls = root("google", start=start)
        self.ca_file.write_bytes(self._tls.pem)
        server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        server.handle_error = lambda *_: None  # type: ignore[method-assign]
        server.socket = self._context().wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False
        )
        self.host = f"127.0.0.1:{server.server_address[1]}"
        self.url = f"https://{self.host}"
        super().__init__(server)

    def credentials(self, source: dict[str, Any] | None, **changes: Any) -> dict[str, Any]:
        """An external-account configuration for this server."""
        document: dict[str, Any] = {
            "type": "external_account",
            "audience": AUDIENCE,
            "subject_token_type": f"{_TOKEN_TYPE}:jwt",
            "token_url": f"{self.url}/v1/token",
        }
        if source is not None:
            document["credential_source"] = source
        return document | changes

    @property
    def person(self) -> dict[str, Any]:
        """What `gcloud auth application-default login` writes."""
        refresh_token, client_secret = PERSON
        return {
            "type": "authorized_user",
            "client_id": "gcloud",
            "client_secret": client_secret,
            "refresh_token": refresh_token,
            "token_uri": f"{self.url}/token",
        }

    @property
    def service_account(self) -> dict[str, Any]:
        """A service account's key file."""
        return {
            "type": "service_account",
            "client_email": ACCOUNT,
            "private_key_id": "k",
            "private_key": keys.to_pem(cast("Any", self.account_key)).decode(),
            "token_uri": f"{self.url}/token",
        }

    @property
    def impersonation(self) -> dict[str, str]:
        """The member of a configuration that asks for a service account."""
        path = f"v1/projects/-/serviceAccounts/{ACCOUNT}:generateAccessToken"
        return {"service_account_impersonation_url": f"{self.url}/{path}"}

    def fault_at(self, target: str) -> Fault | None:
        """The fault, where it is for this address."""
        path = unquote(urlsplit(target).path)
        return self.fault if self.fault is not None and path.endswith(self.fault.path) else None

    def answer(
        self, method: str, target: str, headers: dict[str, str], body: bytes, peer: bytes
    ) -> dict[str, Any]:
        """The truth, or `Refused`."""
        parts = urlsplit(target)
        path, query = unquote(parts.path), parse_qs(parts.query)
        self.paths.append(path)
        if (method, path) == ("GET", "/subject"):
            _need(headers.get("metadata") == "True", 403, "no metadata header")
            return {"value": self.subject}
        _need(method == "POST", 404, "not found")
        if path in {"/token", "/v1/token"}:
            form = parse_qs(body.decode(), strict_parsing=True)
            is_exchange = path == "/v1/token"
            return self._exchange(form, headers, peer) if is_exchange else self._grant(form)
        token = headers.get("authorization", "").removeprefix("Bearer ")
        _need(token in self._tokens, 401, "Request had invalid authentication credentials.")
        return self._serve(path, query, json.loads(body))

    def _serve(
        self, path: str, query: dict[str, list[str]], document: dict[str, Any]
    ) -> dict[str, Any]:
        """What a good access token opens."""
        if path == f"/v1/projects/-/serviceAccounts/{ACCOUNT}:generateAccessToken":
            _need(bool(document["scope"]), 400, "scope is needed")
            expiry = datetime.now(UTC) + timedelta(hours=1)
            return {"accessToken": self._token(), "expireTime": f"{expiry:%Y-%m-%dT%H:%M:%SZ}"}
        if path == f"/v1/projects/-/serviceAccounts/{ACCOUNT}:generateIdToken":
            _need(document["includeEmail"] is True, 400, "an e-mail address is needed")
            return {"token": self.id_token(document["audience"])}
        if path == f"/v1/{POOL}/certificates":
            return self._create(document, query)
        if path == f"/v1/{POOL}:fetchCaCerts":
            certificates = [_pem(self.intermediate.certificate), _pem(self.root.certificate)]
            return {"caCerts": [{"certificates": certificates}]}
        raise _refused(404, "Requested entity was not found.")

    def id_token(self, audience: str) -> str:
        """One for a service, of the service account."""
        claims = {"aud": audience, "email": ACCOUNT, "exp": int(time.time()) + 3600}
        return jwt.encode(claims, "k" * 32, "HS256")

    def _grant(self, form: dict[str, list[str]]) -> dict[str, Any]:
        """OAuth's token endpoint: for a person's refresh token, or what a service account signs."""
        told = {name: values[0] for name, values in form.items()}
        if told.get("grant_type") == "refresh_token":
            good = (told.get("refresh_token"), told.get("client_secret")) == PERSON
            _oauth(good, "invalid_grant", "Token has been expired or revoked.")
            return {"access_token": self._token(), "expires_in": 3599, "token_type": "Bearer"}
        grant = "urn:ietf:params:oauth:grant-type:jwt-bearer"
        _oauth(told.get("grant_type") == grant, "unsupported_grant_type", "grant_type")
        key = self.account_key.public_key()
        claims = jwt.decode(told["assertion"], key, ["RS256"], audience=_TOKEN_URI)
        _oauth(claims["iss"] == ACCOUNT, "invalid_grant", "account not found")
        if "target_audience" in claims:
            return {"id_token": self.id_token(claims["target_audience"])}
        return {"access_token": self._token(), "expires_in": 3599, "token_type": "Bearer"}

    def _exchange(
        self, form: dict[str, list[str]], headers: dict[str, str], peer: bytes
    ) -> dict[str, Any]:
        _need("authorization" not in headers, 400, "authorization is not for this")
        told = {name: values[0] for name, values in form.items()}
        grant = "urn:ietf:params:oauth:grant-type:token-exchange"
        _oauth(told.get("grant_type") == grant, "invalid_request", "grant_type")
        _oauth(told.get("audience") == AUDIENCE, "invalid_target", "audience")
        wanted = f"{_TOKEN_TYPE}:access_token"
        _oauth(told.get("requested_token_type") == wanted, "invalid_request", "type")
        _oauth("scope" in told, "invalid_scope", "scope")
        if told.get("subject_token_type") == f"{_TOKEN_TYPE}:mtls":
            self._check_certificate(json.loads(told["subject_token"]), peer)
        else:
            self._check_jwt(told.get("subject_token", ""))
        return {
            "access_token": self._token(),
            "issued_token_type": wanted,
            "token_type": "Bearer",
            "expires_in": "3600",
        }

    def _check_jwt(self, token: str) -> None:
        try:
            header = jwt.get_unverified_header(token)
            known = {item["kid"]: item for item in self.jwks["keys"]}
            _oauth(header.get("kid") in known, "invalid_grant", "no key of this kid")
            claims = jwt.decode(
                token,
                jwt.PyJWK(known[header["kid"]]).key,
                algorithms=["RS256", "ES256"],
                issuer=self.issuer,
                audience=[AUDIENCE, f"https:{AUDIENCE}"],
                options={"require": ["iss", "sub", "aud", "iat", "exp"]},
            )
        except jwt.PyJWTError as error:
            raise _oauth_refused("invalid_grant", f"{type(error).__name__} for {token}") from error
        age_s = time.time() - claims["iat"]
        _oauth(age_s < 86_400, "invalid_grant", "iat is over 24 hours ago")
        # Attribute condition of the provider: assertion.sub.startsWith('agent:').
        _oauth(claims["sub"].startswith("agent:"), "unauthorized_client", "attribute condition")

    def _check_certificate(self, chain: list[str], peer: bytes) -> None:
        _oauth(base64.b64decode(chain[0]) == peer, "invalid_grant", "not the peer's certificate")
        leaf = x509.load_der_x509_certificate(peer)
        leaf.verify_directly_issued_by(self.workloads.certificate)

    def _create(self, document: dict[str, Any], query: dict[str, list[str]]) -> dict[str, Any]:
        request_id, name = query["requestId"][0], query["certificateId"][0]
        uuid.UUID(request_id)
        if request_id in self.certificates:
            return self.certificates[request_id]
        names = [made["name"] for made in self.certificates.values()]
        full_name = f"{POOL}/certificates/{name}"
        _need(full_name not in names, 409, "already exists")
        csr = x509.load_pem_x509_csr(document["pemCsr"].encode())
        _need(csr.is_signature_valid, 400, "the request's signature")
        _need(document["subjectMode"] == "REFLECTED_SPIFFE", 403, "createForSelf only")
        leaf_pem = self.spoil(csr).decode() if self.spoil else self._leaf(csr, document)
        made = {
            "name": full_name,
            "pemCertificate": leaf_pem,
            "pemCertificateChain": [
                _pem(self.intermediate.certificate),
                _pem(self.root.certificate),
            ],
        }
        self.certificates[request_id] = made
        return made

    def _leaf(self, csr: x509.CertificateSigningRequest, document: dict[str, Any]) -> str:
        now = datetime.now(UTC)
        # The service shortens what is over the CA's own end.
        life = timedelta(seconds=min(int(document["lifetime"].removesuffix("s")), self.longest_s))
        like = Leaf(names=[uri(AGENT)], not_before=now, not_after=now + life)
        return _pem(self.intermediate.leaf(cast("Any", csr), like))

    def _token(self) -> str:
        token = f"ya29.{uuid.uuid4().hex}"
        self._tokens.add(token)
        return token

    def _context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.verify_mode = ssl.CERT_OPTIONAL
        context.load_verify_locations(cadata=self.workloads.pem.decode())
        key, now = keys.generate(), datetime.now(UTC)
        leaf = self._tls.leaf(
            key,
            Leaf(
                names=[ip("127.0.0.1")],
                not_before=now - timedelta(minutes=1),
                not_after=now + timedelta(days=1),
            ),
        )
        tls_context.load_key_pair(
            context, key_pem=keys.to_pem(key), chain_pem=self._tls.chain_of(leaf)
        )
        return context


def workload_files(folder: Path, signer: Signer) -> dict[str, Any]:
    """A certificate for X.509 federation with its configuration; the `credential_source` for it."""
    key, now = keys.generate(), datetime.now(UTC)
    leaf = signer.leaf(
        key, Leaf(not_before=now - timedelta(minutes=1), not_after=now + timedelta(hours=1))
    )
    (folder / "workload.crt").write_text(_pem(leaf))
    (folder / "workload.key").write_bytes(keys.to_pem(key))
    paths = {name: str(folder / f"workload.{end}") for name, end in _WORKLOAD}
    config = folder / "certificate_config.json"
    config.write_text(json.dumps({"version": 1, "cert_configs": {"workload": paths}}))
    return {"certificate": {"certificate_config_location": str(config)}}


_WORKLOAD = (("cert_path", "crt"), ("key_path", "key"))


def _handler(cloud: GoogleCloud) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 10

        def do_GET(self) -> None:
            self._do()

        def do_POST(self) -> None:
            self._do()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

        def _do(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            fault = cloud.fault_at(self.path)
            if fault is not None and not fault.loses_answer:
                time.sleep(fault.hang_s)
                self._say(fault.status, fault.body, fault.headers)
                return
            headers = {name.lower(): value for name, value in self.headers.items()}
            peer = cast("ssl.SSLSocket", self.connection).getpeercert(binary_form=True) or b""
            try:
                document = cloud.answer(self.command, self.path, headers, body, peer)
            except Refused as refused:
                self._say(refused.status, json.dumps(refused.document).encode(), {})
                return
            if fault is None:
                self._say(200, json.dumps(document).encode(), {})
            else:
                self.connection.shutdown(socket.SHUT_RDWR)

        def _say(self, status: int, body: bytes, headers: dict[str, str]) -> None:
            self.send_response(status)
            for name, value in {"Content-Type": "application/json", **headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    return Handler


def _refused(status: int, message: str) -> Refused:
    return Refused(status, {"error": {"code": status, "message": message}})


def _need(condition: bool, status: int, message: str) -> None:
    if not condition:
        raise _refused(status, message)


def _oauth_refused(error: str, description: str) -> Refused:
    return Refused(400, {"error": error, "error_description": description})


def _oauth(condition: bool, error: str, description: str) -> None:
    if not condition:
        raise _oauth_refused(error, description)


def _pem(certificate: x509.Certificate) -> str:
    return to_pem(certificate).decode()
