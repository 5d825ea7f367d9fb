"""Names of environment variables: which can be set, and which steer other programs."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final

# POSIX.1-2017, 8.1; shells take no other names.
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,254}")

_LOADS: Final = "makes programs load code"
_RUNS: Final = "decides which program runs"
_TRUSTS: Final = "decides whom programs trust"
_DANGEROUS: Final = {
    "PATH": _RUNS,
    "SHELL": _RUNS,
    "EDITOR": _RUNS,
    "VISUAL": _RUNS,
    "PAGER": _RUNS,
    "BROWSER": _RUNS,
    "IFS": "changes how shells read commands",
    "ENV": _LOADS,
    "BASH_ENV": _LOADS,
    "PROMPT_COMMAND": _LOADS,
    "PS4": _LOADS,
    "SHELLOPTS": _LOADS,
    "BASHOPTS": _LOADS,
    "ZDOTDIR": _LOADS,
    "HOME": "decides whose settings programs read",
    "XDG_CONFIG_HOME": "decides whose settings programs read",
    "GCONV_PATH": _LOADS,
    "NODE_OPTIONS": _LOADS,
    "NODE_PATH": _LOADS,
    "PERL5LIB": _LOADS,
    "PERL5OPT": _LOADS,
    "PERL5DB": _LOADS,
    "RUBYOPT": _LOADS,
    "RUBYLIB": _LOADS,
    "JAVA_TOOL_OPTIONS": _LOADS,
    "JDK_JAVA_OPTIONS": _LOADS,
    "_JAVA_OPTIONS": _LOADS,
    "CLASSPATH": _LOADS,
    "DOTNET_STARTUP_HOOKS": _LOADS,
    "LUA_PATH": _LOADS,
    "LUA_CPATH": _LOADS,
    "LUA_INIT": _LOADS,
    "R_PROFILE": _LOADS,
    "OPENSSL_CONF": _LOADS,
    "OPENSSL_ENGINES": _LOADS,
    "OPENSSL_MODULES": _LOADS,
    "GLIBC_TUNABLES": "changes how programs are loaded",
    "LESSOPEN": _RUNS,
    "LESSCLOSE": _RUNS,
    "MANPAGER": _RUNS,
    "MAKEFLAGS": _RUNS,
    "GOFLAGS": _RUNS,
    "RUSTC": _RUNS,
    "RUSTC_WRAPPER": _RUNS,
    "RUSTFLAGS": _RUNS,
    "MAVEN_OPTS": _LOADS,
    "GRADLE_OPTS": _LOADS,
    "PHPRC": _LOADS,
    "PHP_INI_SCAN_DIR": _LOADS,
    "PIP_CONFIG_FILE": "decides whose settings programs read",
    "AWS_CONFIG_FILE": _RUNS,
    "AWS_SHARED_CREDENTIALS_FILE": _RUNS,
    "SSL_CERT_FILE": _TRUSTS,
    "SSL_CERT_DIR": _TRUSTS,
    "CURL_CA_BUNDLE": _TRUSTS,
    "REQUESTS_CA_BUNDLE": _TRUSTS,
    "NODE_EXTRA_CA_CERTS": _TRUSTS,
    "NODE_TLS_REJECT_UNAUTHORIZED": _TRUSTS,
    "SSLKEYLOGFILE": "makes programs write down the keys of their connections",
    "DEBUGINFOD_URLS": _LOADS,
    "HOSTALIASES": "changes how names are resolved",
    "RES_OPTIONS": "changes how names are resolved",
    "SSH_ASKPASS": _RUNS,
    "SUDO_ASKPASS": _RUNS,
    "DIRENV_DIFF": "is direnv's own",
}
_DANGEROUS_BEGINNINGS: Final = {
    "LD_": _LOADS,
    "DYLD_": _LOADS,
    "PYTHON": _LOADS,
    "GIT_": _RUNS,
    "BASH_FUNC_": _LOADS,
    "NPM_CONFIG_": _RUNS,
    "DEVWIZ_GW_": "is this program's own",
}

_SENDS: Final = "decides where programs send their traffic"
_CHOOSES: Final = "decides whose settings programs read"
#: Whoever runs a program may well name these in a manifest; a store elsewhere may not.
_STEERING: Final = {
    "DOCKER_HOST": _SENDS,
    "DOCKER_CONTEXT": _SENDS,
    "DOCKER_CONFIG": _CHOOSES,
    "DOCKER_CERT_PATH": _TRUSTS,
    "DOCKER_TLS_VERIFY": _TRUSTS,
    "CONTAINER_HOST": _SENDS,
    "KUBECONFIG": _CHOOSES,
    "KUBERNETES_MASTER": _SENDS,
    "KUBERNETES_SERVICE_HOST": _SENDS,
    "KUBERNETES_SERVICE_PORT": _SENDS,
    "GOPROXY": _SENDS,
    "GOSUMDB": _TRUSTS,
    "GONOSUMDB": _TRUSTS,
    "GOPRIVATE": _TRUSTS,
    "GOINSECURE": _TRUSTS,
    "GOENV": _CHOOSES,
    "PIPENV_PYPI_MIRROR": _SENDS,
    "HEX_MIRROR": _SENDS,
    "CARGO_HOME": _CHOOSES,
    "COMPOSER_HOME": _CHOOSES,
    "CURL_HOME": _CHOOSES,
    "WGETRC": _CHOOSES,
    "NETRC": _CHOOSES,
    "GNUPGHOME": _CHOOSES,
    "SSH_AUTH_SOCK": _TRUSTS,
    "LOCALDOMAIN": "changes how names are resolved",
    "NODE_USE_ENV_PROXY": _SENDS,
    "DENO_CERT": _TRUSTS,
    "DENO_TLS_CA_STORE": _TRUSTS,
    "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH": _TRUSTS,
    "GRPC_PROXY_EXP": _SENDS,
    "HTTPLIB2_CA_CERTS": _TRUSTS,
    "NIX_SSL_CERT_FILE": _TRUSTS,
    "AWS_CA_BUNDLE": _TRUSTS,
    "AWS_CONTAINER_CREDENTIALS_FULL_URI": _SENDS,
    "GOOGLE_APPLICATION_CREDENTIALS": _CHOOSES,
    "GCE_METADATA_HOST": _SENDS,
    "GCE_METADATA_IP": _SENDS,
    "AZURE_AUTHORITY_HOST": _SENDS,
    "VAULT_ADDR": _SENDS,
    "VAULT_AGENT_ADDR": _SENDS,
    "VAULT_CACERT": _TRUSTS,
    "VAULT_CAPATH": _TRUSTS,
    "VAULT_SKIP_VERIFY": _TRUSTS,
    "CONSUL_HTTP_ADDR": _SENDS,
    "BASE_URL": _SENDS,
    "PGHOST": _SENDS,
    "PGHOSTADDR": _SENDS,
    "PGSERVICE": _SENDS,
    "PGSERVICEFILE": _CHOOSES,
    "PGSYSCONFDIR": _CHOOSES,
    "PGSSLMODE": _TRUSTS,
    "PGSSLROOTCERT": _TRUSTS,
}
_STEERING_BEGINNINGS: Final = {
    "PIP_": _SENDS,
    "UV_": _SENDS,
    "POETRY_": _SENDS,
    "YARN_": _SENDS,
    "BUNDLE_": _SENDS,
    "HOMEBREW_": _SENDS,
    "CARGO_REGISTR": _SENDS,
    "AWS_ENDPOINT_URL": _SENDS,
    "CLOUDSDK_": _CHOOSES,
    "HELM_": _CHOOSES,
    "TF_CLI_": _RUNS,
    "ANSIBLE_": _CHOOSES,
}
_STEERING_ENDINGS: Final = {
    "_PROXY": _SENDS,
    "_BASE_URL": _SENDS,
    "_API_BASE": _SENDS,
    "_ENDPOINT": _SENDS,
    "_ENDPOINT_URL": _SENDS,
    "_INDEX_URL": _SENDS,
    "_REGISTRY": _SENDS,
    "_CA_BUNDLE": _TRUSTS,
    "_CA_CERT": _TRUSTS,
    "_CA_CERTS": _TRUSTS,
}


def check_name(name: str) -> str:
    """What is wrong with a variable's name, or ""."""
    return "" if _NAME.fullmatch(name) else f"{name!r} is not the name of an environment variable"


def danger_of(name: str) -> str:
    """Why setting this variable is more than giving a value to a program, or ""."""
    upper = name.upper()  # some programs read theirs in any case
    return _DANGEROUS.get(upper) or _matching(upper.startswith, _DANGEROUS_BEGINNINGS)


def steering_of(name: str) -> str:
    """Why a value from elsewhere may not be put into this variable, or "": what `danger_of` says,
    and for names by which one chooses where a program's traffic goes, and whom it trusts.
    """
    upper = name.upper()
    return (
        danger_of(name)
        or _STEERING.get(upper)
        or _matching(upper.startswith, _STEERING_BEGINNINGS)
        or _matching(upper.endswith, _STEERING_ENDINGS)
    )


def _matching(is_part: Callable[[str], bool], reasons: Mapping[str, str]) -> str:
    return next((why for part, why in reasons.items() if is_part(part)), "")
