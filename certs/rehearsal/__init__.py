"""A rehearsal: the rotation that the gateway runs, through years of renewals, outages, sleeps and
authority changes, in seconds, with real keys, certificates and checks.
"""
