"""What is wrong between a local caller and a remote agent, found step by step."""

__all__: list[str] = []
