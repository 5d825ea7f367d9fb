"""Who: SPIFFE ids, secrets and the stores that keep them, proofs a workload shows to join.

The lowest of the three packages: it imports neither `certs` nor `gateway`.
"""

__all__: list[str] = []
