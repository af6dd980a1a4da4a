"""The operations of this package for the OpenAPI document.

Written by hand, because these are plain Starlette routes.
"""

from typing import Any, Literal

from pydantic import BaseModel, Field

from app import metrics
from app.errors import Forbidden, Unavailable
from app.openapi.responses import Responses, declare, header_refs


class ServiceLinks(BaseModel):
    """Name of the service, and paths to begin with."""

    service: Literal["TherapyBridge"]
    documentation: str
    health: str


class Liveness(BaseModel):
    """The process responds."""

    status: Literal["alive"]


class Readiness(BaseModel):
    """The database is available and has the schema of this code."""

    status: Literal["ready"]


class DatabaseHealth(BaseModel):
    """Result of the database check."""

    status: str = Field(description="`ok`, or the code of the error.")
    message: str | None = Field(None, description="What to do, unless `ok`.")
    latency_ms: float = Field(description="Duration of the check.", ge=0)


class PoolHealth(BaseModel):
    """Connection pool of the process that responded."""

    size: int = Field(description="Connections that the pool keeps open.", ge=0)
    in_use: int = Field(ge=0)
    overflow: int = Field(description="Open connections beyond `size`.", ge=0)
    waiting: int = Field(description="Requests that wait for a connection.", ge=0)
    refusals: int = Field(description="Requests that got no connection.", ge=0)


class RateLimitHealth(BaseModel):
    """Configuration of the rate limits."""

    enabled: bool
    shared: bool | None = Field(None, description="True if all processes count together.")
    warning: str | None


class BackgroundTask(BaseModel):
    """A background task; `unknown` while the metrics cannot be read."""

    status: Literal["ok", "late", "unknown"] = Field(
        description="`late` if it has not run for three periods."
    )
    period_s: float = Field(ge=0)
    last_run_s: float | None = Field(
        None, description="Seconds since the last successful run.", ge=0
    )


class Health(BaseModel):
    """State of the service; `degraded` if a background task is late."""

    status: Literal["ok", "degraded", "unavailable"]
    database: DatabaseHealth
    pool: PoolHealth
    rate_limit: RateLimitHealth
    background_tasks: dict[str, BackgroundTask]


_MODELS = (ServiceLinks, Liveness, Readiness, Health)


def _json(description: str, model: type[BaseModel]) -> dict[str, Any]:
    schema = {"$ref": f"#/components/schemas/{model.__name__}"}
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _unhealthy() -> dict[str, Any]:
    return _json("The database check failed.", Health) | {"headers": header_refs(("Retry-After",))}


def paths() -> dict[str, dict[str, Any]]:
    """Return the path items of `/`, `/live`, `/ready`, `/health` and `/metrics`."""
    text = {"schema": {"type": "string"}}
    prometheus = {
        "description": "Prometheus text format.",
        "content": {metrics.CONTENT_TYPE: text},
    }
    responses: dict[str, Responses] = {
        "/": {200: _json("Name of the service, and paths to begin with.", ServiceLinks)},
        "/live": {200: _json("The process responds.", Liveness)},
        "/ready": {200: _json("Ready for requests.", Readiness), **declare(Unavailable)},
        "/health": {200: _json("Everything works.", Health), 503: _unhealthy()},
        "/metrics": {200: prometheus, **declare(Forbidden)},
    }
    return {path: _item(path, declared) for path, declared in responses.items()}


def _item(path: str, responses: Responses) -> dict[str, Any]:
    """Return GET and HEAD, which has the same responses without a body."""
    name = path.strip("/") or "root"
    item = {}
    for method in ("get", "head"):
        item[method] = {
            "tags": ["health"],
            "summary": _SUMMARIES[path] if method == "get" else f"Headers of GET {path}",
            "operationId": f"{name}_{method}",
            "security": [],
            "responses": {str(status): dict(response) for status, response in responses.items()},
        }
    return item


_SUMMARIES = {
    "/": "Name of the service",
    "/live": "Liveness probe, without database access",
    "/ready": "Readiness probe",
    "/health": "Detailed state",
    "/metrics": "Metrics of all workers",
}


def schemas() -> dict[str, Any]:
    """Return the schemas that `paths` refers to, by name."""
    found: dict[str, Any] = {}
    for model in _MODELS:
        schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
        found |= schema.pop("$defs", {}) | {model.__name__: schema}
    return found
