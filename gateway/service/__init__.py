"""Running under a service manager: what it passes, what it is told, and the units that it reads."""
