"""The supervisor's side: rotation wiring, workers, admin API, status, metrics."""

__all__: list[str] = []
