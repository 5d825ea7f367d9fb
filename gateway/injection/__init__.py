"""Secrets for child processes: what may be given to them, how, and what is hidden of it again."""
