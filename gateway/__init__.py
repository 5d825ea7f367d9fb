"""The running program: command line, configuration, supervisor, data plane and control plane."""

__all__: list[str] = []
