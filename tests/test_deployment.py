"""The container, compose and Kubernetes files say what the service understands."""

import re
import shutil
import subprocess
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from lucency.api.routes import routers
from lucency.api.server import SHUTDOWN_SECONDS
from lucency.api.settings import DEFAULT_MAX_UPLOAD_BYTES, DEFAULT_PORT, PREFIX, Settings

PATHS = {getattr(route, "path", "") for router in routers for route in router.routes}


@pytest.fixture(scope="module")
def dockerfile(repository: Path) -> list[tuple[str, str]]:
    """Instructions and their arguments, of the last stage alone."""
    text = (repository / "Dockerfile").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    instructions = [
        (name, " ".join(rest.split()))
        for name, _, rest in (line.partition(" ") for line in joined.splitlines() if line)
    ]
    last = max(place for place, (name, _) in enumerate(instructions) if name == "FROM")
    return instructions[last:]


@pytest.fixture(scope="module")
def compose(repository: Path) -> Mapping[str, Any]:
    return yaml.safe_load((repository / "compose.yaml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def kubernetes(repository: Path) -> Mapping[str, Any]:
    """The objects by their kind."""
    text = (repository / "deploy" / "kubernetes.yaml").read_text(encoding="utf-8")
    return {document["kind"]: document for document in yaml.safe_load_all(text)}


@pytest.fixture(scope="module")
def pod(kubernetes: Mapping[str, Any]) -> Mapping[str, Any]:
    return kubernetes["Deployment"]["spec"]["template"]["spec"]


@pytest.fixture(scope="module")
def nginx_conf(repository: Path) -> str:
    return (repository / "deploy" / "nginx.conf").read_text(encoding="utf-8")


def settings_named(names: Iterator[str]) -> list[str]:
    """The fields that environment variables stand for; fails if one is no field."""
    fields = [name.removeprefix(PREFIX).lower() for name in names if name.startswith(PREFIX)]
    assert set(fields) <= set(Settings.model_fields)
    return fields


def seconds(text: str) -> float:
    number, unit = re.fullmatch(r"(\d+)(ms|s|m)", text).groups()  # type: ignore[union-attr]
    return float(number) * {"ms": 0.001, "s": 1.0, "m": 60.0}[unit]


def test_image_runs_the_service_as_an_ordinary_user(dockerfile: list[tuple[str, str]]) -> None:
    told = {name: argument for name, argument in dockerfile if name != "COPY"}
    assert told["FROM"].startswith("python:3.11-slim")
    uid, _, gid = told["USER"].partition(":")
    assert int(uid) > 0
    assert int(gid) > 0
    assert told["EXPOSE"] == str(DEFAULT_PORT)
    assert (told["ENTRYPOINT"], told["CMD"]) == ('["lucency"]', '["serve"]')
    environment = dict(re.findall(r"(LUCENCY_\w+)=(\S+)", told["ENV"]))
    assert settings_named(iter(environment)) == ["host", "port"]
    assert environment["LUCENCY_PORT"] == told["EXPOSE"]


def test_image_is_healthy_by_a_route_that_needs_no_key(dockerfile: list[tuple[str, str]]) -> None:
    told = dict(dockerfile)
    (path,) = re.findall(r"\+ '(/\w+)'", told["HEALTHCHECK"])
    assert path in PATHS
    times = dict(re.findall(r"--([a-z-]+)=(\w+)", told["HEALTHCHECK"]))
    assert seconds(times["timeout"]) < seconds(times["interval"])


def test_image_has_what_the_wheel_is_made_of_and_nothing_for_training(repository: Path) -> None:
    project = tomllib.loads((repository / "pyproject.toml").read_text(encoding="utf-8"))
    packages = [name.removeprefix("lucency.") for name in project["tool"]["setuptools"]["packages"]]
    ignored = (repository / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert "*" in ignored
    taken = {line[1:] for line in ignored if line.startswith("!")}
    assert taken == {*packages, "pyproject.toml", "constraints.txt", "README.md", "LICENSE"}
    text = (repository / "Dockerfile").read_text(encoding="utf-8")
    assert not re.search(r"\[(train|tune|dev|pacs)", text)
    base = " ".join(project["project"]["dependencies"])
    assert not re.search(r"torch|ultralytics|albumentations", base)


def test_compose_gives_settings_and_places_that_exist(compose: Mapping[str, Any]) -> None:
    service = compose["services"]["lucency"]
    environment = service["environment"]
    assert settings_named(iter(environment)) == ["api_keys_file", "audit_file", "feedback_folder"]
    keys = Path(environment["LUCENCY_API_KEYS_FILE"])
    assert keys.parent == Path("/run/secrets")
    assert keys.name in service["secrets"]
    assert set(compose["secrets"]) == {
        *service["secrets"],
        *compose["services"]["nginx"]["secrets"],
    }
    (volume,) = service["volumes"]
    name, _, place = volume.partition(":")
    assert name in compose["volumes"]
    for written in ("LUCENCY_AUDIT_FILE", "LUCENCY_FEEDBACK_FOLDER"):
        assert Path(place) in Path(environment[written]).parents
    path = re.search(r":8000(/\w+)'", service["healthcheck"]["test"][-1])
    assert path
    assert path[1] in PATHS
    assert seconds(service["stop_grace_period"]) > Settings().drain_s + SHUTDOWN_SECONDS


@pytest.mark.parametrize("name", ["lucency", "nginx"])
def test_compose_gives_no_more_rights_than_needed(compose: Mapping[str, Any], name: str) -> None:
    service = compose["services"][name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert [place.partition(":")[0] for place in service["tmpfs"]] == ["/tmp"]  # noqa: S108


def test_nginx_fits_the_service(compose: Mapping[str, Any], nginx_conf: str) -> None:
    def told(name: str) -> str:
        return re.search(rf"^ *{name} (.+);$", nginx_conf, re.MULTILINE)[1]  # type: ignore[index]

    assert told("client_max_body_size") == f"{DEFAULT_MAX_UPLOAD_BYTES // 2**20}m"
    assert seconds(told("proxy_read_timeout")) > Settings().deadline_s
    assert seconds(told("client_header_timeout")) <= 5
    assert seconds(told("client_body_timeout")) <= 5
    assert told("server") == f"lucency:{DEFAULT_PORT}"
    (published,) = compose["services"]["nginx"]["ports"]
    assert told("listen") == f"{published.partition(':')[2]} ssl"
    secrets = compose["services"]["nginx"]["secrets"]
    for name in ("ssl_certificate", "ssl_certificate_key"):
        assert Path(told(name)).name in secrets
    # Query strings may hold anything.
    assert "$request " not in nginx_conf
    assert "$args" not in nginx_conf


@pytest.mark.skipif(
    not (shutil.which("nginx") and shutil.which("openssl")), reason="nginx is not installed"
)
def test_nginx_accepts_its_configuration(tmp_path: Path, nginx_conf: str) -> None:
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
         "-nodes", "-subj", "/CN=localhost", "-keyout", key, "-out", certificate],
        check=True,
        capture_output=True,
    )  # fmt: skip
    here = nginx_conf.replace("/tmp/", f"{tmp_path}/")  # noqa: S108 - as it stands there
    here = here.replace("/run/secrets/", f"{tmp_path}/")
    # The name of the service is known to its network alone.
    (tmp_path / "nginx.conf").write_text(here.replace("lucency:8000", "127.0.0.1:8000"))
    told = subprocess.run(
        ["nginx", "-t", "-c", tmp_path / "nginx.conf"], capture_output=True, text=True, check=False
    )
    assert told.returncode == 0, told.stderr
    assert "warn" not in told.stderr


def test_kubernetes_settings_are_fields(pod: Mapping[str, Any]) -> None:
    (container,) = pod["containers"]
    environment = {one["name"]: one for one in container["env"]}
    assert settings_named(iter(environment)) == ["api_keys_file", "drain_s", "cores"]
    keys = Path(environment["LUCENCY_API_KEYS_FILE"]["value"])
    places = {mount["name"]: Path(mount["mountPath"]) for mount in container["volumeMounts"]}
    assert places["api-keys"] == keys.parent
    assert {volume["name"] for volume in pod["volumes"]} == set(places)
    # Else the cluster sets LUCENCY_PORT to the address of the Service.
    assert pod["enableServiceLinks"] is False
    drain = float(environment["LUCENCY_DRAIN_S"]["value"])
    assert pod["terminationGracePeriodSeconds"] > drain + SHUTDOWN_SECONDS


@pytest.mark.parametrize(
    ("probe", "path"),
    [("startupProbe", "/readyz"), ("readinessProbe", "/readyz"), ("livenessProbe", "/healthz")],
)
def test_kubernetes_probes(pod: Mapping[str, Any], probe: str, path: str) -> None:
    (container,) = pod["containers"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    asked = container[probe]["httpGet"]
    assert asked["path"] == path
    assert path in PATHS
    assert ports[asked["port"]] == DEFAULT_PORT


def test_kubernetes_gives_no_more_rights_than_needed(
    pod: Mapping[str, Any], dockerfile: list[tuple[str, str]]
) -> None:
    (container,) = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    users = f"{pod['securityContext']['runAsUser']}:{pod['securityContext']['runAsGroup']}"
    assert users == dict(dockerfile)["USER"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    # Written to by nobody but the cluster: the service refuses keys that others may write.
    (keys,) = [volume["secret"] for volume in pod["volumes"] if "secret" in volume]
    assert keys["defaultMode"] & 0o022 == 0


def test_kubernetes_objects_belong_together(kubernetes: Mapping[str, Any]) -> None:
    deployment = kubernetes["Deployment"]["spec"]
    labels = deployment["template"]["metadata"]["labels"]
    assert deployment["selector"]["matchLabels"] == labels
    assert kubernetes["Service"]["spec"]["selector"] == labels
    assert kubernetes["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"] == labels
    (port,) = kubernetes["Service"]["spec"]["ports"]
    (container,) = deployment["template"]["spec"]["containers"]
    assert port["targetPort"] in {one["name"] for one in container["ports"]}
