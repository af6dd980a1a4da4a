"""Containers in `deploy/` have few rights, bounded resources and no default passwords."""

import re
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from app import serve
from app.jobs import supervisor
from deployment import DEPLOY, SECRETS, Container, compose_file, containers, manifests

ALL = containers()
COMPOSED = [container for container in ALL if container.pod is None]
IN_PODS = [container for container in ALL if container.pod is not None]
OURS = "therapybridge-"
WRITABLE = {
    "therapybridge-service": {"/tmp"},  # noqa: S108 -- a path in the container
    "therapybridge-locust": {"/tmp"},  # noqa: S108
    "therapybridge-proxy": {"/tmp", "/var/cache/nginx/buffers"},  # noqa: S108
    "therapybridge-postgres": {"/tmp", "/var/run/postgresql", "/var/lib/postgresql/data"},  # noqa: S108
    "redis": {"/data"},
}
"""Paths that the program of an image writes to, whatever its command."""
WRITTEN = {
    "service": {"/srv/audio", "/srv/logs", "/srv/metrics"},
    "locust": {"/srv/results"},
}
"""Paths that a container writes to in addition."""
LOAD = {"seed", "locust", "worker"}


def of(containers: list[Container]) -> pytest.MarkDecorator:
    """Parametrize a test with containers."""
    return pytest.mark.parametrize("container", containers, ids=lambda container: container.where)


def mounts(container: Container) -> set[str]:
    """Return the writable paths of a container."""
    if container.pod is not None:
        return {mount["mountPath"] for mount in container.spec["volumeMounts"]}
    paths = [volume.split(":")[1] for volume in container.spec.get("volumes", [])]
    return {*paths, *(mount.split(":")[0] for mount in container.spec["tmpfs"])}


@of(ALL)
def test_root_file_system_is_read_only(container: Container):
    """A container writes only to its volumes, which are the paths that its program needs."""
    if container.pod is None:
        assert container.spec["read_only"] is True
    else:
        assert container.spec["securityContext"]["readOnlyRootFilesystem"] is True
    needed = WRITABLE[container.image.partition(":")[0]] | WRITTEN.get(container.name, set())
    assert mounts(container) == needed


@of(ALL)
def test_no_privileges(container: Container):
    """A container has no capability, can gain none, and does not run as root."""
    if container.pod is None:
        assert container.spec["cap_drop"] == ["ALL"]
        assert "cap_add" not in container.spec
        assert container.spec["security_opt"] == ["no-new-privileges:true"]
        assert not container.spec.get("privileged")
        user = container.spec.get("user") or image_user(container.image)
    else:
        context = container.pod["securityContext"]
        assert container.spec["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert context["runAsNonRoot"] is True
        assert context["seccompProfile"] == {"type": "RuntimeDefault"}
        assert context["runAsGroup"] == context["runAsUser"]
        user = str(context["runAsUser"])
        if container.image.startswith(OURS):
            assert user == image_user(container.image)
    assert user.isdigit()
    assert int(user) > 0


def image_user(image: str) -> str:
    """Return the user of one of our images."""
    target = image.removeprefix(OURS).partition(":")[0]
    text = (DEPLOY / "Dockerfile").read_text()
    (stage,) = (
        part
        for part in re.split(r"^FROM ", text, flags=re.MULTILINE)[1:]
        if part.splitlines()[0].endswith(f" AS {target}")
    )
    (user,) = re.findall(r"^USER (.*)$", stage, re.MULTILINE)
    return str(user)


@of(IN_PODS)
def test_pods_have_no_access_to_the_cluster(container: Container):
    """A pod has no service account token, and sees no node."""
    assert container.pod is not None
    assert container.pod["automountServiceAccountToken"] is False
    assert container.pod["enableServiceLinks"] is False
    assert not {"hostNetwork", "hostPID", "hostIPC"} & container.pod.keys()
    assert not [volume for volume in container.pod.get("volumes", ()) if "hostPath" in volume]


@of(ALL)
def test_resources_are_bounded(container: Container):
    """Memory, CPU, processes and temporary files of a container are bounded."""
    if container.pod is None:
        assert {"mem_limit", "cpus", "pids_limit"} <= container.spec.keys()
        assert all("size=" in mount for mount in container.spec["tmpfs"])
        return
    resources = container.spec["resources"]
    assert set(resources["requests"]) == set(resources["limits"])
    assert set(resources["limits"]) == {"cpu", "memory", "ephemeral-storage"}
    for volume in container.pod.get("volumes", ()):
        assert "emptyDir" not in volume or "sizeLimit" in volume["emptyDir"], volume["name"]


@of([each for each in IN_PODS if each.name not in {"migrations", "seed", "worker"}])
def test_servers_have_probes(container: Container):
    """A server is restarted if it hangs, and gets requests only when it is ready."""
    assert {"readinessProbe", "livenessProbe"} <= container.spec.keys()


@of([each for each in COMPOSED if each.name not in {"migrations", "seed", "locust", "worker"}])
def test_servers_have_health_checks(container: Container):
    """Docker knows for each server if it works."""
    image = container.image.partition(":")[0]
    assert "healthcheck" in container.spec or image == "therapybridge-service"  # in the image


@of([each for each in ALL if "app.serve" in each.words])
def test_time_to_stop_is_sufficient(container: Container):
    """The service is killed only after requests in flight and the job worker had their time."""
    needed_s = serve.GRACEFUL_SHUTDOWN_S + supervisor._STOP_TIMEOUT_S
    if container.pod is None:
        assert int(container.spec["stop_grace_period"].removesuffix("s")) > needed_s
    else:
        assert container.pod["terminationGracePeriodSeconds"] > needed_s


@of(ALL)
def test_each_container_has_only_its_secrets(container: Container):
    """A container gets only the passwords that it needs, and the superuser's is PostgreSQL's."""
    text = str(container.spec)
    needed = {
        "postgres": {name for name in SECRETS if name.endswith("_PASSWORD")} - {"REDIS_PASSWORD"},
        "redis": {"REDIS_PASSWORD"},
        "migrations": {"OWNER_PASSWORD"},
        "seed": {"OWNER_PASSWORD"},
        "service": {"SERVICE_PASSWORD", "REDIS_PASSWORD", "SECRET_KEY"},
        "locust": {"OBSERVER_PASSWORD"},
    }
    assert {name for name in SECRETS if name in text} == needed.get(container.name, set())


@of([container for container in ALL if container.env.get("DATABASE_URL")])
def test_roles_of_the_database(container: Container):
    """The service is neither superuser nor owner of its tables."""
    role = str(container.env["DATABASE_URL"]).partition("://")[2].partition(":")[0]
    roles = {"service": "therapybridge", "locust": "therapybridge_observer"}
    assert role == roles.get(container.name, "therapybridge_owner")
    password = role.removeprefix("therapybridge").removeprefix("_") or "service"
    assert f"{password.upper()}_PASSWORD" in str(container.env["DATABASE_URL"])


def test_seeding_is_a_choice():
    """Accounts with a public password are added only with the profile or folder for load tests."""
    composed = compose_file()["services"]
    assert {name for name in composed if composed[name].get("profiles") == ["load"]} == LOAD
    for name in composed.keys() - LOAD:
        assert not LOAD & set(composed[name].get("depends_on", ())), name
    for path in sorted((DEPLOY / "kubernetes").glob("*.yaml")):  # what `kubectl apply -f` reads
        assert "app.seed" not in path.read_text()
        assert not LOAD & {document["metadata"]["name"] for document in documents(path)}


def documents(path: Path) -> list[dict[str, Any]]:
    """Return the objects of a manifest."""
    return list(yaml.safe_load_all(path.read_text()))


def test_only_proxy_and_page_are_published():
    """Ports are published on this machine only: that of the proxy, and Locust's page."""
    composed = compose_file()
    ports = {name: each["ports"] for name, each in composed["services"].items() if "ports" in each}
    assert ports == {"proxy": ["127.0.0.1:8000:8080"], "locust": ["127.0.0.1:8089:8089"]}
    networks = composed["networks"]
    assert {name for name, each in networks.items() if not (each or {}).get("internal")} == {"edge"}
    on_edge = {name for name, each in composed["services"].items() if "edge" in each["networks"]}
    assert on_edge == set(ports)
    types = {
        document["spec"].get("type", "ClusterIP")
        for _, document in manifests()
        if document["kind"] == "Service"
    }
    assert types == {"ClusterIP"}


def test_metrics_are_open_to_load_tests_only():
    """In compose.yaml the network of load tests may read /metrics, and the proxy is not in it."""
    composed = compose_file()
    (config,) = composed["networks"]["load"]["ipam"]["config"]
    networks = composed["services"]["service"]["environment"]["MONITORING_NETWORKS"]
    assert networks == f"127.0.0.0/8,{config['subnet']}"
    members = {name: set(each["networks"]) for name, each in composed["services"].items()}
    assert members["proxy"] & members["service"] == {"web"}
    assert members["locust"] & members["service"] == {"load"}
    assert members["worker"] == {"load"}


def connections(kind: str) -> set[tuple[str, str, int]]:
    """Return who may send to whom at which port, according to the ingress or egress rules."""
    peer, found = {"ingress": "from", "egress": "to"}[kind], set()
    for _, document in manifests():
        if document["kind"] != "NetworkPolicy":
            continue
        spec = document["spec"]
        for rule in spec.get(kind, ()):
            for other in rule.get(peer, ()):
                if "podSelector" not in other:
                    continue
                for a in names(spec["podSelector"]):
                    for b in names(other["podSelector"]):
                        pair = (b, a) if kind == "ingress" else (a, b)
                        found.add((*pair, rule["ports"][0]["port"]))
    return found


def names(selector: dict[str, Any]) -> list[str]:
    """Return the names of the pods that a selector selects."""
    if "matchLabels" in selector:
        return [selector["matchLabels"]["app"]]
    (expression,) = selector["matchExpressions"]
    assert (expression["key"], expression["operator"]) == ("app", "In")
    return list(expression["values"])


def test_network_is_closed_but_for_what_is_needed():
    """Pods reach each other only where they must, the same by rules of sender and receiver."""
    denied = [
        document["spec"]
        for _, document in manifests()
        if document["metadata"]["name"] == "default-deny"
    ]
    assert denied == [{"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}]
    assert connections("ingress") == connections("egress")
    assert connections("ingress") == {
        ("proxy", "service", 8000),
        ("service", "postgres", 5432),
        ("service", "redis", 6379),
        ("seed", "postgres", 5432),
        ("locust", "postgres", 5432),
        ("locust", "service", 8000),
        ("worker", "service", 8000),
        ("worker", "locust", 5557),
    }


def test_secrets_are_random_and_kept(tmp_path: Path):
    """The script writes new secrets, readable by their owner only, and never replaces them."""
    script = tmp_path / "generate_secrets.py"
    script.write_text((DEPLOY / "generate_secrets.py").read_text())
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True)
    file = tmp_path / ".env"
    assert done.stdout == f"wrote {file}\n"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    found = dict(line.split("=") for line in file.read_text().splitlines())
    assert tuple(found) == SECRETS
    assert len({value for value in found.values() if re.fullmatch("[0-9a-f]{64}", value)}) == 6
    again = subprocess.run([sys.executable, script], capture_output=True, text=True, check=False)
    assert again.returncode == 1
    assert "is kept" in again.stderr
    assert dict(line.split("=") for line in file.read_text().splitlines()) == found
