"""What the two planes say to each other: the Snapshot down, events up, and the frames they ride in.

The data plane and the control plane never import each other; both know this package.
"""

__all__: list[str] = []
