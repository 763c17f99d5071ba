"""Whether the server is alive, and whether what it serves is fresh: two questions, two routes."""

from __future__ import annotations

from fastapi import APIRouter, Response

from cph50_pipeline.web import schemas

router = APIRouter(tags=["health"])


@router.get("/healthz", responses={200: {"model": schemas.Alive}}, response_class=Response)
async def healthz() -> Response:
    """Alive: whoever asks gets this answer, whatever else is down."""
    return Response(
        b'{"status":"alive"}', media_type="application/json", headers={"Cache-Control": "no-store"}
    )
