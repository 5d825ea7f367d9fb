"""What the pages say beside what the code says: introductions, and remedies of lists in words."""

from __future__ import annotations

from typing import Final

INTRODUCTION: Final = """\
Everything that `devwiz-gw` can print when something is wrong. Search these pages for the words that
don't change: what stands in braces, such as `{path}`, is told at run time. Where you only know what
you see, begin with [troubleshooting](../troubleshooting.md).

An error says what failed, and on a line of its own the likely cause and what to do. With `--json`,
and in answers to requests, the same two stand in members of their own. No error holds a secret."""

KINDS: Final = """\
What has happened in general; the pages name the kind of each error."""

REQUESTS: Final = """\
A request that can't be served is answered with `application/problem+json`: `type` ends in one of
the words below, `detail` says what happened this time, `remedy` what to do. The same word is the
`reason` in the [log](../../operations/logs.md), in [metrics](../../operations/metrics.md) and in
`doctor`; `devwiz-gw explain ID` tells the rest of one request."""

CONFIGURATION: Final = """\
`devwiz-gw config check` shows every problem at once, each with its key. What the keys mean is in
[configuration](../../configuration.md)."""

DOCTOR: Final = """\
How `doctor` is used is described in [doctor](../../operations/doctor.md). A finding may also be any
error of the other pages: it then says the same as the command that meets it."""

RUNGS: Final = {
    "configuration": "Each [problem of the configuration](configuration.md) is a finding.",
    "gateway": "Whether a gateway runs, and what its [status](status.md) says.",
    "packages": "Whether other packages have the names of these.",
    "proxy": "Variables such as `HTTP_PROXY`, as clients read them.",
    "secrets": "Whether the store opens and has what routes need: also [secrets](secrets.md).",
    "issuer": "Whether a certificate can be had: also [identity](identity.md).",
    "clock": "How far this machine's clock is from the others'.",
    "tokens": "Whether there is a token of each source: also [tokens](tokens.md).",
    "certificate": "What is wrong with it: also [identity](identity.md).",
    "callers": "Whether local programs reach the listeners, and may.",
    "dns": "Reasons: [unresolved](requests.md#unresolved).",
    "tcp": "Reasons: [unreachable](requests.md#unreachable), "
    "[connect_timeout](requests.md#connect_timeout).",
    "tls": "Reasons: [tls_failed](requests.md#tls_failed), [tls_timeout](requests.md#tls_timeout), "
    "[peer_rejected](requests.md#peer_rejected).",
    "accepted": "Reasons: [certificate_refused](requests.md#certificate_refused), "
    "[upstream_closed](requests.md#upstream_closed).",
    "http": "What the upstream's answers mean.",
    "protocol": "What MCP, LangGraph and A2A servers lack.",
}

#: Kinds of errors that are told by a code: their own table on the page.
CODED: Final = {
    "Refused": (
        "What the issuer answers",
        (
            "The statuses are in [the issuer's protocol](../../issuer-protocol.md). The code is "
            "also the `reason` in the issuer's audit file, and a gateway tells it in brackets."
        ),
    ),
    "CallFailed": (
        "What the Workload API answers",
        "Statuses of gRPC: [handing the identity on](../../operations/identity/handing-on.md).",
    ),
    "CommandFailed": (
        "Programs that can't be started",
        "The code is the exit code, as shells have it.",
    ),
}

_LOOK: Final = "compare with the copy elsewhere, then acknowledge it: docs/operations/audit.md"
#: What `audit verify` finds, by its words in gateway/audit; `…` stands for what is told.
AUDIT_FINDINGS: Final = {
    "it doesn't follow the line before: one was changed, removed or added": _LOOK,
    "its number is not {number}": _LOOK,
    "it begins with line {seq}, and no signed line tells of older ones' removal": "were files "
    "moved away by hand? bring them back, or acknowledge it; use devwiz-gw audit prune next time",
    "line {seq} was signed once and is not there as it was: the end is gone": "lines were removed, "
    "or an older copy was put back: bring the newest one back, or acknowledge it",
    "the only lines that are left are cut short": "was the disk full? bring a copy back",
    "the signer didn't find here what it had signed before": _LOOK,
    "a checkpoint without its fields": _LOOK,
    "a checkpoint of another place in the chain": _LOOK,
    "a checkpoint whose signature is not good": _LOOK,
    "a checkpoint that another key signed": "was the store set up anew, or the journal brought "
    "from elsewhere? else somebody else signed it: compare with the copy elsewhere",
    "a removal of old lines that another key signed": _LOOK,
    "an acknowledgement that another key signed": _LOOK,
    "a removal of old lines, and {result}": _LOOK,
    "an acknowledgement, and {result}": _LOOK,
    "no key vouches for it": _LOOK,
    "it was signed at another place in the chain": _LOOK,
    "its signature is not good": _LOOK,
    "a touch that is not proven: {refused}": "the journal tells of a touch that no security key "
    "gave like that: treat what was done with it as not approved, then acknowledge it",
}

_SECRETS_REMEDY: Final = (
    "devwiz-gw secret list says what is kept, or how to unlock it; the gateway reads anew by itself"
)
#: Why the gateway isn't ready, by their words in gateway/control_plane.
STATUS_REASONS: Final = {
    "draining": "it is shutting down: start it again when it is over",
    "the start isn't over yet": "wait: devwiz-gw wait",
    "no certificate yet": "devwiz-gw identity show tells why; doctor tries the way to the issuer",
    "the first certificate is being obtained": "wait; if it lasts: devwiz-gw doctor",
    "the certificate has expired": "devwiz-gw identity show tells why it wasn't renewed",
    "it has no certificate to show": "devwiz-gw identity show tells why",
    "a worker is {state}": "wait; if it lasts, the log says why workers end",
    "a worker waits for its routes": "wait; if it lasts, the log says more",
    "the limit on open connections is reached, and all of them are busy": "raise "
    "limits.max_connections, or limits.workers",
    "a revocation list has run out": "put a fresh list in place of the route's crl, or the "
    "identity's: nobody is trusted by a list that has ended",
    "the last reload was refused: {error}": "correct the file, then devwiz-gw reload",
    "export to {folder}: {error}": "see the error on the page of identity",
    "not in use yet": "wait; if it lasts, the log says more",
    "its secrets are still being read": "is the keychain or vault locked, or asking for something?",
    "the route was removed": "address another route, or put it back and reload",
    "not read yet": "is the keychain or vault locked, or asking for something?",
    "the secret {name} is not set": f"devwiz-gw secret set NAME; {_SECRETS_REMEDY}",
    "the secret {name} can't be read: {error}": f"unlock the store: {_SECRETS_REMEDY}",
    "the secret {name} holds characters that can't be in a header": "set it again, without line "
    "breaks or other marks",
    "the secret {name} is too old to be used: {why}": "Configu has to answer: devwiz-gw sync",
    "the token {name} is still being asked for": "wait; if it lasts: devwiz-gw login --status",
    "the token {name} can't be had: {error}": "see the error on the page of tokens",
    "{problem}; the last good version is used": "put a good file in its place",
    "{target} is still being looked up": "wait; if it lasts, is there a resolver?",
    "{target} does not resolve: {error}": "check the upstream's name, the resolver, and the VPN",
    "{target} has no address": "check the upstream's name",
    "no answer about {target} in {seconds} s": "check the resolver, and the VPN",
    "{count} line(s) of the audit journal were not taken by {name}": "the log says why the server "
    "refused them: correct [audit.forward.NAME], or the server",
    "the audit journal can't be sent to {name}: {problem}": "is that server up? lines wait in the "
    "journal and are sent later",
}
