"""The `[tokens.NAME]` tables: where each token of a `{token:NAME}` comes from."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, Literal, cast
from urllib.parse import urlsplit

from gateway.config.addresses import host_name, ip_literal, port_number
from gateway.config.credentials import (
    Place,
    credential_named,
    environment_name,
    needed_credential,
)
from gateway.config.headers import token_name
from gateway.config.model import (
    ClientCredentialsConfig,
    Config,
    ExecTokenConfig,
    FileTokenConfig,
    GoogleTokenConfig,
    HeaderTemplate,
    InjectedVariable,
    OAuthClientConfig,
    SupabaseTokenConfig,
    TokenConfig,
    TokenExchangeConfig,
)
from gateway.config.table import Rejected, Table
from gateway.config.upstreams import https_origin

_URI_FORM: Final = 'write it in full, like "https://api.example.com"'
_TYPE: Final = "urn:ietf:params:oauth:token-type:"
#: The token types of RFC 8693 section 3, by their last word.
TOKEN_TYPES: Final = ("access_token", "refresh_token", "id_token", "jwt", "saml1", "saml2")
_GOOGLE_HOSTS: Final = (
    "oauth2.googleapis.com",
    "sts.googleapis.com",
    "sts.mtls.googleapis.com",
    "iamcredentials.googleapis.com",
)
_GOOGLE_SCOPE: Final = "https://www.googleapis.com/auth/cloud-platform"


def read_tokens(table: Table, *, base: Path, project: str) -> tuple[TokenConfig, ...]:
    """All tables, in the order of the file; problems are noted in `table`."""
    place = Place(base=base, project=project)
    tokens: list[TokenConfig] = []
    for name in table.entries():
        inner = table.table(name)
        known = ", ".join(f'"{source}"' for source in _READERS)
        good = table.convert(name, name, token_name)
        if not inner.required("source", f"one of {known}"):
            continue
        source = inner.choice("source", _READERS, "")
        if source and good:
            tokens.append(_READERS[source](inner, good, place))
            inner.finish()
    return tuple(tokens)


def refuse_unknown_tokens(top: Table, config: Config) -> None:
    """Note a problem for each header and variable that names a token which no table sets up."""
    known = set(top.table("tokens").entries())
    for key, user in _users(config):
        for name in user.token_names:
            if name not in known:
                top.problem_at(
                    f"{key}.{user.name}",
                    f"there is no token {name!r}",
                    f"add a table [tokens.{name}] that says where it comes from",
                )


def _users(config: Config) -> Iterator[tuple[str, HeaderTemplate | InjectedVariable]]:
    for route in config.routes:
        for header in route.headers:
            yield f"routes.{route.name}.headers", header
    for header in config.telemetry.otlp_headers:
        yield "telemetry.otlp_headers", header
    for variable in config.run.env:
        yield "run.env", variable
    for forward in config.audit.forward:
        for header in forward.headers:
            yield f"audit.forward.{forward.name}.headers", header


def _supabase(table: Table, name: str, place: Place) -> TokenConfig:
    table.required("url", 'the project\'s address, like "https://REF.supabase.co"')
    table.required("publishable_key", 'the project\'s publishable key, "sb_publishable_…"')
    return SupabaseTokenConfig(
        name=name,
        url=(table.converted("url", _project_url) or ""),
        publishable_key=table.converted("publishable_key", _publishable) or "",
        audience=table.text("audience", "authenticated"),
        ca_file=table.converted("ca_file", place.path),
    )


def _client_credentials(table: Table, name: str, place: Place) -> TokenConfig:
    table.required("client_id", "the client's id at the authorization server")
    client = _client(table, place)
    if client is None or client.secret is None:
        table.required("client_secret_secret", "the project's secret that holds the client secret")
    return ClientCredentialsConfig(
        name=name,
        token_url=_token_url(table),
        client=client or OAuthClientConfig(id="", secret=None, method="basic"),
        scope=table.text("scope"),
        audience=table.text("audience"),
        resource=table.converted("resource", _resource) or "",
        ca_file=table.converted("ca_file", place.path),
    )


def _token_exchange(table: Table, name: str, place: Place) -> TokenConfig:
    subject = needed_credential(table, place, ("subject_token",))
    return TokenExchangeConfig(
        name=name,
        token_url=_token_url(table),
        client=_client(table, place),
        scope=table.text("scope"),
        audience=table.text("audience"),
        resource=table.converted("resource", _resource) or "",
        ca_file=table.converted("ca_file", place.path),
        subject=subject,
        subject_type=_TYPE + table.choice("subject_token_type", TOKEN_TYPES, "jwt"),
        requested_type=_TYPE + table.choice("requested_token_type", TOKEN_TYPES, "access_token"),
    )


def _google(table: Table, name: str, place: Place) -> TokenConfig:
    table.required("credential_file", "the path of Google credentials, JSON")
    if "audience" in table:
        table.refuse("scopes", "an ID token has an audience", "keep one of the two")
    scopes = tuple(scope for _, scope in table.texts("scopes"))
    hosts = tuple(host for _, host in table.converted_list("allowed_hosts", _host_and_port))
    return GoogleTokenConfig(
        name=name,
        credential_file=table.converted("credential_file", place.path) or place.base,
        audience=table.text("audience"),
        scopes=scopes or (_GOOGLE_SCOPE,),
        allowed_hosts=hosts if "allowed_hosts" in table else _GOOGLE_HOSTS,
        ca_file=table.converted("ca_file", place.path),
        allow_executables=table.flag("allow_executables", default=False),
    )


def _exec(table: Table, name: str, _place: Place) -> TokenConfig:
    table.required("command", 'an absolute path and its arguments, like ["/usr/bin/aws", "…"]')
    command = tuple(text for _, text in table.texts("command"))
    if command and not Path(command[0]).is_absolute():
        hint = "the folder that a shell would find it in can be changed by others"
        table.problem("command", f"{command[0]!r} is not an absolute path", hint, index=0)
    if not table.flag("allow", default=False):
        table.problem(
            "allow",
            "a program is run only where the file says so",
            "add allow = true if you trust the program",
        )
    return ExecTokenConfig(
        name=name,
        command=command,
        pass_env=table.distinct("pass_env", environment_name),
        timeout_s=table.seconds("timeout_s", 20.0, least=0.1, most=50.0),
        refresh_s=table.seconds("refresh_s", 300.0, least=5.0, most=86_400.0),
    )


def _file(table: Table, name: str, place: Place) -> TokenConfig:
    table.required("path", "the path of the file that holds the token")
    return FileTokenConfig(name=name, path=table.converted("path", place.path) or place.base)


_READERS: Final[dict[str, Callable[[Table, str, Place], TokenConfig]]] = {
    "supabase": _supabase,
    "client-credentials": _client_credentials,
    "token-exchange": _token_exchange,
    "google": _google,
    "exec": _exec,
    "file": _file,
}


def _client(table: Table, place: Place) -> OAuthClientConfig | None:
    identifier = table.text("client_id")
    secret = credential_named(table, place, ("client_secret",))
    method = table.choice("client_auth", ("basic", "post"), "basic")
    if not identifier:
        if secret is not None:
            table.required("client_id", "the id of the client that the secret belongs to")
        return None
    return OAuthClientConfig(
        id=identifier, secret=secret, method=cast("Literal['basic', 'post']", method)
    )


def _token_url(table: Table) -> str:
    table.required("token_url", 'the token endpoint, like "https://idp.example.com/oauth/token"')
    return table.converted("token_url", endpoint_url) or ""


def endpoint_url(text: str) -> str:
    """An https URL; plain http leads to a loopback address of this machine only."""
    try:
        parts = urlsplit(text)
        port, host = parts.port, parts.hostname or ""
    except ValueError:
        raise Rejected(f"{text!r} is not a URL", "write https://HOST/PATH") from None
    if "@" in parts.netloc or "?" in text or "#" in text:
        raise Rejected("holds more than an address", "write https://HOST/PATH")
    address = ip_literal(host)
    local = parts.scheme == "http" and address is not None and address.is_loopback
    if parts.scheme != "https" and not local:
        raise Rejected("should start with https://", "plaintext stays on this machine: 127.0.0.1")
    host_name(host, text)
    port_number(port or 443, least=1)
    return text


def _project_url(text: str) -> str:
    url = endpoint_url(text).rstrip("/")
    if urlsplit(url).path:
        raise Rejected("holds a path", 'write the origin only, like "https://REF.supabase.co"')
    return url


def _publishable(text: str) -> str:
    if text.startswith("sb_secret_"):
        raise Rejected(
            "is a secret key, and has no place in a file",
            "write the publishable one; the secret one should be replaced, now that it was here",
        )
    return text


def _resource(text: str) -> str:
    """RFC 8707 section 2: an absolute URI without a fragment."""
    try:
        parts = urlsplit(text)
    except ValueError:
        raise Rejected(f"{text!r} is not a URI", _URI_FORM) from None
    if not parts.scheme or "#" in text:
        raise Rejected(f"{text!r} is not an absolute URI without a fragment", _URI_FORM)
    return text


def _host_and_port(text: str) -> str:
    origin = https_origin(f"https://{text}")
    return origin.host if origin.port == 443 else str(origin)
