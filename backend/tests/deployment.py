"""What deploy/ says, read as its tests need it."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
COMPOSE = DEPLOY / "compose.yaml"
MANIFESTS = sorted((DEPLOY / "kubernetes").glob("*.yaml"))


@dataclass(frozen=True, slots=True)
class Container:
    """One container, whoever starts it.

    Attributes:
        where: File and name.
        image: Name and tag.
        words: Its arguments; of the service's image, all of its command.
        env: Values by name; None where the value comes from elsewhere.
        ports: Those it listens on, as declared.
        probes: Paths and ports that are asked for its health.
    """

    where: str
    image: str
    words: list[str]
    env: dict[str, str | None]
    ports: set[int] = field(default_factory=set)
    probes: list[tuple[str, int]] = field(default_factory=list)


def manifests() -> Iterator[tuple[str, dict[str, Any]]]:
    """All Kubernetes objects, each with its file's name."""
    for path in MANIFESTS:
        for document in yaml.safe_load_all(path.read_text()):
            yield path.name, document


def containers() -> list[Container]:
    """All containers of compose.yaml and of the manifests."""
    return [*_composed(), *_in_pods()]


def _composed() -> Iterator[Container]:
    services = yaml.safe_load(COMPOSE.read_text())["services"]
    for name, service in services.items():
        ports = {int(port.rpartition(":")[2]) for port in service.get("ports", [])}
        env = service.get("environment", {})
        yield Container(f"compose.yaml {name}", service["image"], service["command"], env, ports)


def _in_pods() -> Iterator[Container]:
    for file, document in manifests():
        if "template" not in document["spec"]:
            continue
        pod = document["spec"]["template"]["spec"]
        for each in [*pod.get("initContainers", []), *pod["containers"]]:
            ports = {port["name"]: port["containerPort"] for port in each.get("ports", [])}
            probes = [each[key]["httpGet"] for key in each if "httpGet" in (each[key] or ())]
            yield Container(
                f"{file} {each['name']}",
                each["image"],
                each.get("command", each.get("args", [])),
                {item["name"]: item.get("value") for item in each.get("env", [])},
                set(ports.values()),
                [(probe["path"], ports[probe["port"]]) for probe in probes],
            )
