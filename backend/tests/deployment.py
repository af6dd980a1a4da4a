"""Containers of `deploy/`, parsed for tests."""

import runpy
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
COMPOSE = DEPLOY / "compose.yaml"
MANIFESTS = sorted((DEPLOY / "kubernetes").rglob("*.yaml"))

SECRETS: tuple[str, ...] = runpy.run_path(str(DEPLOY / "generate_secrets.py"))["NAMES"]
"""Names of the secrets that all containers together need."""


@dataclass(frozen=True, slots=True)
class Container:
    """A container of compose.yaml or of a Kubernetes manifest.

    Attributes:
        where: File and name.
        image: Name and tag.
        words: Arguments; for the image of the service, the whole command.
        env: Values by name; None if the value comes from a secret or from outside.
        ports: Declared ports.
        probes: Paths and ports of HTTP probes.
        spec: The container as it stands in the file.
        pod: The pod of the container; None in compose.yaml.
    """

    where: str
    image: str
    words: list[str]
    env: dict[str, str | None]
    ports: set[int] = field(default_factory=set)
    probes: list[tuple[str, int]] = field(default_factory=list)
    spec: dict[str, Any] = field(default_factory=dict)
    pod: dict[str, Any] | None = None

    @property
    def name(self) -> str:
        """Name of the container, the same in all files."""
        return self.where.split()[1]


@cache
def manifests() -> tuple[tuple[str, dict[str, Any]], ...]:
    """Return all Kubernetes objects, each with the name of its file."""
    return tuple(
        (path.name, document)
        for path in MANIFESTS
        for document in yaml.safe_load_all(path.read_text())
    )


@cache
def compose_file() -> dict[str, Any]:
    """Return the content of compose.yaml."""
    return dict(yaml.safe_load(COMPOSE.read_text()))


def containers() -> list[Container]:
    """Return all containers of compose.yaml and of the manifests."""
    return [*_compose_containers(), *_pod_containers()]


def _compose_containers() -> Iterator[Container]:
    services = compose_file()["services"]
    for name, service in services.items():
        ports = {int(port.rpartition(":")[2]) for port in service.get("ports", [])}
        yield Container(
            f"compose.yaml {name}",
            service["image"],
            service.get("command", []),
            service.get("environment", {}),
            ports,
            spec=service,
        )


def _pod_containers() -> Iterator[Container]:
    for file, document in manifests():
        if "template" not in document["spec"]:
            continue
        pod = document["spec"]["template"]["spec"]
        for container in [*pod.get("initContainers", []), *pod["containers"]]:
            ports = {port["name"]: port["containerPort"] for port in container.get("ports", [])}
            probes = [
                container[key]["httpGet"]
                for key in container
                if "httpGet" in (container[key] or ())
            ]
            yield Container(
                f"{file} {container['name']}",
                container["image"],
                container.get("command", container.get("args", [])),
                {item["name"]: item.get("value") for item in container.get("env", [])},
                set(ports.values()),
                [(probe["path"], ports[probe["port"]]) for probe in probes],
                container,
                pod,
            )
