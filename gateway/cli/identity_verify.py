"""`devwiz-gw identity verify`: what is right and wrong with a certificate, check by check."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from gateway.cli import output
from gateway.cli.admin_client import client_for
from gateway.cli.exit_codes import ExitCode
from gateway.cli.parsers import Commands, UsageError
from gateway.config.model import DEFAULT_IDENTITY
from gateway.errors import GatewayError

if TYPE_CHECKING:
    from certs.inspection import Finding, Material

_MOST_BYTES: Final = 4 * 1024 * 1024
_STYLES: Final = {"pass": "good", "fail": "bad", "skipped": "faint"}


def add_verify(commands: Commands) -> None:
    """The command `identity verify`."""
    verify = commands.add(
        "verify",
        summary="check the running gateway's certificate, or files, and say what is wrong",
        examples=(
            "devwiz-gw identity verify",
            "devwiz-gw identity verify --dir tls",
            "devwiz-gw identity verify --cert svid.pem --key svid.key --bundle bundle.pem",
        ),
        run=_verify,
    )
    verify.add_argument(
        "name",
        metavar="NAME",
        nargs="?",
        default=DEFAULT_IDENTITY,
        help="which of the running gateway's (default: the one of the table [identity])",
    )
    for name, what in (
        ("cert", "the certificate chain, PEM, leaf first; needs no gateway"),
        ("bundle", "the trust bundle"),
        ("key", "the private key"),
        ("crl", "revocation lists"),
    ):
        verify.add_argument(f"--{name}", metavar="FILE", type=Path, help=what)
    verify.add_argument(
        "--dir", metavar="DIR", type=Path, help="a folder of `identity export`, in place of files"
    )
    verify.add_argument("--spiffe-id", metavar="ID", default="", help="the name to expect")
    verify.add_argument("--json", action="store_true", help="print the findings as JSON")


def _verify(args: argparse.Namespace) -> int:
    from certs.inspection import inspect
    from gateway.doctor.certificate import key_file

    files = _files(args)
    material = _of_files(files, args) if files else _of_gateway(args)
    findings = inspect(material, now=datetime.now(UTC))
    findings += [key_file(path) for name, path in files.items() if name == "key"]
    failed = [item for item in findings if item.result == "fail"]
    if args.json:
        checks = [
            {"check": it.check, "result": it.result, "detail": it.detail, "hint": it.hint}
            for it in findings
        ]
        output.document({"ok": not failed, "checks": checks})
    else:
        for text in _lines(findings):
            output.line(text)
    return ExitCode.FAILED if failed else ExitCode.OK


def _files(args: argparse.Namespace) -> dict[str, Path]:
    """The files that are named, by what they hold; none for the running gateway."""
    given = {name: getattr(args, name) for name in ("cert", "bundle", "key", "crl")}
    named = {name: path for name, path in given.items() if path is not None}
    if args.dir is not None:
        if set(named) - {"crl"}:
            raise UsageError("--dir names certificate, key and bundle already")
        from certs.export_folder import BUNDLE, CHAIN, KEY

        inside = _generation_in(args.dir)
        return named | {"cert": inside / CHAIN, "key": inside / KEY, "bundle": inside / BUNDLE}
    if set(named) & {"bundle", "key"} and "cert" not in named:
        raise UsageError("--cert is missing")
    return named if "cert" in named else {}


def _generation_in(folder: Path) -> Path:
    """Where the files of one moment are; the folder itself where no export made it."""
    try:
        return folder / (folder / "..data").readlink()
    except OSError:
        return folder


def _of_files(files: dict[str, Path], args: argparse.Namespace) -> Material:
    from certs.inspection import Material

    texts = {name: _read(path) for name, path in files.items()}
    return Material(
        chain_pem=texts["cert"],
        bundle_pem=texts.get("bundle"),
        key_pem=texts.get("key"),
        crl_pem=texts.get("crl"),
        spiffe_id=args.spiffe_id,
    )


def _of_gateway(args: argparse.Namespace) -> Material:
    from certs.inspection import Material

    query = urlencode({"identity": args.name})
    found = client_for(args.config).document(f"/identity/certificates?{query}")
    crl_pem = "\n".join(_lists(args, found)) or None
    return Material(
        chain_pem=found["chain"].encode(),
        bundle_pem=found["bundle"].encode(),
        crl_pem=crl_pem.encode() if crl_pem else None,
        spiffe_id=args.spiffe_id or found["expected_id"],
    )


def _lists(args: argparse.Namespace, found: Mapping[str, Any]) -> Iterator[str]:
    """Revocation lists: those of a file, and those that the gateway got from the issuer."""
    if path := args.crl or found["crl_file"]:
        yield _read(Path(path)).decode("utf-8", "replace")
    if found["crl"]:
        yield found["crl"]


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(_MOST_BYTES + 1)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise GatewayError(f"{path} can't be read: {reason}", hint="mend the path") from error
    if len(data) > _MOST_BYTES:
        raise GatewayError(f"{path} is larger than 4 MiB", hint="is it the right file?")
    return data


def _lines(findings: list[Finding]) -> Iterator[str]:
    width = max(len(item.check) for item in findings)
    for item in findings:
        word = output.paint(f"{item.result:<7}", _STYLES[item.result])
        yield f"{word}  {item.check:<{width}}  {output.printable(item.detail)}"
        if item.result == "fail" and item.hint:
            yield f"{'':<7}  {'':<{width}}  hint: {output.printable(item.hint)}"
