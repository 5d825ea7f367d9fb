"""Names of environment variables: which can be set, and which steer other programs."""

from __future__ import annotations

import re
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


def check_name(name: str) -> str:
    """What is wrong with a variable's name, or ""."""
    return "" if _NAME.fullmatch(name) else f"{name!r} is not the name of an environment variable"


def danger_of(name: str) -> str:
    """Why setting this variable is more than giving a value to a program, or ""."""
    upper = name.upper()  # some programs read theirs in any case
    if upper in _DANGEROUS:
        return _DANGEROUS[upper]
    beginnings = _DANGEROUS_BEGINNINGS.items()
    return next((why for start, why in beginnings if upper.startswith(start)), "")
