"""`python -m gateway`: the same as the command `devwiz-gw`."""

from gateway.cli.main import entry

entry()
