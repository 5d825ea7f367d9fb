"""An issuer as a service, and a gateway whose vault is unlocked by an encrypted credential."""

from __future__ import annotations

from tests.e2e.service.conftest import Placed
from tests.e2e.service.test_under_systemd import answer, done, free_port
from tests.machine import SERVICE_USER, Machine

PASSPHRASE = "correct horse battery"


def test_an_issuer(machine: Machine) -> None:
    folder = "/var/lib/devwiz-gw/issuer"
    machine.run("install", "-d", "-o", "3001", "-m", "0700", "/var/lib/devwiz-gw")
    done(
        machine,
        "issuer",
        "init",
        "--dir",
        folder,
        "--trust-domain",
        "acme.example",
        user=SERVICE_USER,
    )
    options = ("--system", "--issuer", folder)
    listen = f"127.0.0.1:{free_port()}"
    done(machine, "service", "install", *options, "--listen", listen)
    done(machine, "service", "start", *options)
    told = done(machine, "service", "status", *options)
    assert f"listening on https://{listen}" in told
    machine.run("systemd-analyze", "security", "--threshold=20", "--no-pager", "devwiz-gw-issuer")
    done(machine, "service", "stop", *options)
    assert machine.show("devwiz-gw-issuer.service", "Result") == "success"


def test_a_vault(machine: Machine, placed: Placed) -> None:
    port = free_port()
    more = '[secrets]\nstore = "vault"'
    config = placed.put("/etc/devwiz-gw", SERVICE_USER, listen=f"127.0.0.1:{port}", more=more)
    machine.run("install", "-d", "-o", "3001", "-m", "0700", "/var/lib/devwiz-gw")
    places = ("env", "XDG_STATE_HOME=/var/lib", "XDG_DATA_HOME=/var/lib/devwiz-gw/.data")
    program = machine.program
    machine.run(
        *places,
        *(program, "vault", "init", "--passphrase-fd", "0", "--unlock-time", "0.1"),
        *("--config", config),
        user=SERVICE_USER,
        said=PASSPHRASE,
    )
    credential = "/etc/devwiz-gw/vault.cred"
    machine.run(
        *("systemd-creds", "encrypt", "--with-key=host", "--name=devwiz-gw-vault", "-", credential),
        said=PASSPHRASE,
    )
    options = ("--system", "--config", config)
    done(machine, "service", "install", *options, "--vault-credential", credential)
    done(machine, "service", "start", *options)
    status = machine.run(*places, program, "vault", "status", "--config", config, user=SERVICE_USER)
    assert "unlocked" in status
    machine.run(
        *(*places, program, "secret", "set", "token", "--config", config),
        user=SERVICE_USER,
        said="value",
    )
    assert answer(machine, port) == "hello 200"
    done(machine, "service", "stop", *options)
    status = machine.run(*places, program, "vault", "status", "--config", config, user=SERVICE_USER)
    assert "unlocked" not in status
