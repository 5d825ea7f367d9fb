"""X.509: keys, profiles, trust bundles, the issuer, issuer clients, renewal rules and rotation.

Imports `identity` for names only; `gateway` is above it.
"""

__all__: list[str] = []
