"""The audit journal's lines on their way to other machines: each at least once, none dropped."""
