"""A LangSmith server for tests: its projects, for those who have a key that it knows."""

from __future__ import annotations

from tests.fakes.http_thread import HttpThread, Reply, Request

PERSONAL = "lsv2_pt_0123456789abcdef0123456789abcdef_0123456789"
SERVICE = "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"
WORKSPACE = "7d1a6f0e-0000-4000-8000-000000000001"
_PROJECT = {
    "id": "7d1a6f0e-0000-4000-8000-000000000002",
    "name": "planner",
    "tenant_id": WORKSPACE,
    "reference_dataset_id": None,
    "start_time": "2026-01-01T00:00:00",
}


class LangSmithServer(HttpThread):
    """Knows a personal key of one workspace, and a service key of several."""

    def answer(self, request: Request) -> Reply:
        if request.path == "/info":
            return Reply(body={"version": "0.0.0"})
        key, workspace = request.headers.get("x-api-key"), request.headers.get("x-tenant-id")
        if key not in {PERSONAL, SERVICE}:
            return Reply(status=401, body={"detail": "Invalid token"})
        if key == SERVICE and workspace != WORKSPACE:
            return Reply(status=403, body={"detail": "Forbidden"})
        if (request.method, request.path) == ("GET", "/sessions"):
            return Reply(body=[_PROJECT][: int(request.query.get("limit", "100"))])
        return Reply(status=404, body={"detail": "Not Found"})
