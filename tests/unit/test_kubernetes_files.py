"""What deploy/kubernetes promises, held without a cluster."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml
from pydantic_settings import BaseSettings

from unmask_gateway.access.settings import KeySettings
from unmask_gateway.settings import GatewaySettings
from unmask_gateway.webhooks.settings import WebhookSettings
from unmask_inference.settings import InferenceSettings
from unmask_preprocessor.settings import PreprocessorSettings
from unmask_shared.messages import INFERENCE_QUEUE, PREPROCESSOR_QUEUE, lists_of
from unmask_shared.settings import JobSettings, LogSettings, StoreSettings

ROOT = Path(__file__).parents[2]
BASE = ROOT / "deploy" / "kubernetes" / "base"
GPU = ROOT / "deploy" / "kubernetes" / "gpu"
KEDA: dict[str, Any] = json.loads((ROOT / "tests/assets/keda_schema.json").read_text())
KUBERNETES = "1.32"
OURS = ("gateway", "preprocessor", "inference")
EVERYBODY = (LogSettings, StoreSettings, JobSettings)
SETTINGS = {
    "gateway": (*EVERYBODY, GatewaySettings, KeySettings, WebhookSettings),
    "preprocessor": (*EVERYBODY, PreprocessorSettings),
    "inference": (*EVERYBODY, InferenceSettings),
}
# What `docs/kubernetes.md` says the secret has to hold.
SECRETS = set(
    re.findall(r"--from-literal=([a-z0-9-]+)=", (ROOT / "docs/kubernetes.md").read_text())
)


def kustomization(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((folder / "kustomization.yaml").read_text())
    return found


def resources() -> Iterator[dict[str, Any]]:
    for file in kustomization(BASE)["resources"]:
        yield from yaml.safe_load_all((BASE / file).read_text())


def pod_of(resource: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = resource["spec"]["template"]["spec"]
    return found


def names_of(settings: tuple[type[BaseSettings], ...]) -> set[str]:
    return {
        f"{kind.model_config['env_prefix']}{field.upper()}"
        for kind in settings
        for field in kind.model_fields
    }


RESOURCES = {(one["kind"], one["metadata"]["name"]): one for one in resources()}
PODS = {
    name: pod_of(one)
    for (kind, name), one in RESOURCES.items()
    if kind in {"Deployment", "StatefulSet"}
}
SCALED = {name: one["spec"] for (kind, name), one in RESOURCES.items() if kind == "ScaledObject"}


def test_every_file_is_part_of_the_whole() -> None:
    listed = kustomization(BASE)["resources"]
    assert sorted([*listed, "kustomization.yaml"]) == sorted(path.name for path in BASE.iterdir())
    assert len(RESOURCES) == len(list(resources())), "two resources have the same kind and name"


@pytest.mark.parametrize(
    "resource", RESOURCES.values(), ids=lambda one: f"{one['kind']}-{one['metadata']['name']}"
)
def test_resources_follow_their_schemas(resource: dict[str, Any]) -> None:
    if resource["apiVersion"].startswith("keda.sh/"):
        jsonschema.validate(resource, KEDA[resource["kind"]])
    else:
        kubernetes_validate.validate(resource, KUBERNETES, strict=True)


def test_a_misspelt_field_would_be_found() -> None:
    gateway = json.loads(json.dumps(RESOURCES["Deployment", "gateway"]))
    gateway["spec"]["replica"] = 2
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(gateway, KUBERNETES, strict=True)
    scaled = json.loads(json.dumps(RESOURCES["ScaledObject", "inference"]))
    scaled["spec"]["cooldown"] = 300
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(scaled, KEDA["ScaledObject"])


@pytest.mark.parametrize("name", PODS)
def test_no_pod_has_rights_that_it_does_not_need(name: str) -> None:
    pod = PODS[name]
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in pod["containers"]:
        context = container["securityContext"]
        assert context["allowPrivilegeEscalation"] is False
        assert context["readOnlyRootFilesystem"] is True
        assert context["capabilities"] == {"drop": ["ALL"]}
        assert "memory" in container["resources"]["limits"]
        assert "cpu" in container["resources"]["requests"]
    assert "hostNetwork" not in pod
    assert not any("hostPath" in volume for volume in pod.get("volumes", ()))


@pytest.mark.parametrize("name", OURS)
def test_services_know_every_setting_that_they_are_given(name: str) -> None:
    known = names_of(SETTINGS[name])
    everybody = set().union(*map(names_of, SETTINGS.values()))
    (container,) = PODS[name]["containers"]
    assert {one["name"] for one in container["env"]} <= known
    assert set(RESOURCES["ConfigMap", "unmask-settings"]["data"]) <= everybody
    assert container["envFrom"] == [{"configMapRef": {"name": "unmask-settings"}}]


def test_secrets_come_from_one_place_that_the_docs_tell_how_to_make() -> None:
    used = {
        one["valueFrom"]["secretKeyRef"]["key"]
        for pod in PODS.values()
        for container in pod["containers"]
        for one in container["env"]
        if "valueFrom" in one
    }
    used |= {
        one["key"]
        for (kind, _), resource in RESOURCES.items()
        if kind == "TriggerAuthentication"
        for one in resource["spec"]["secretTargetRef"]
    }
    assert used == SECRETS
    text = "".join(path.read_text() for path in BASE.iterdir())
    assert "kind: Secret" not in text


@pytest.mark.parametrize("queue", [PREPROCESSOR_QUEUE, INFERENCE_QUEUE])
def test_workers_are_scaled_by_all_lists_of_their_queue(queue: str) -> None:
    scaled = SCALED[queue]
    assert ("Deployment", scaled["scaleTargetRef"]["name"]) in RESOURCES
    assert [one["metadata"]["listName"] for one in scaled["triggers"]] == lists_of(queue)
    names = [one["name"] for one in scaled["triggers"]]
    assert scaled["advanced"]["scalingModifiers"]["formula"] == " + ".join(names)
    assert scaled["minReplicaCount"] >= 1, "the first video would wait for a pod"
    assert "replicas" not in RESOURCES["Deployment", queue]["spec"], "two would set the number"


def test_services_lead_to_pods_and_to_ports_that_these_have() -> None:
    for (kind, name), resource in RESOURCES.items():
        if kind != "Service":
            continue
        (target,) = (
            one
            for one in RESOURCES.values()
            if one["kind"] in {"Deployment", "StatefulSet"}
            and resource["spec"]["selector"].items()
            <= one["spec"]["template"]["metadata"]["labels"].items()
        )
        assert target["metadata"]["name"] == name
        ports = {port["name"] for c in pod_of(target)["containers"] for port in c["ports"]}
        assert {port["targetPort"] for port in resource["spec"]["ports"]} <= ports


def test_what_decodes_videos_reaches_nothing_but_the_stores() -> None:
    policies = [one["spec"] for (kind, _), one in RESOURCES.items() if kind == "NetworkPolicy"]
    nothing = {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    assert nothing in policies
    for policy in policies:
        for rule in policy.get("egress", ()):
            if any("ipBlock" in peer for peer in rule["to"]):
                assert policy["podSelector"] == {
                    "matchLabels": {"app.kubernetes.io/name": "gateway"}
                }


def test_the_gpu_variant_changes_what_is_there() -> None:
    (patch,) = kustomization(GPU)["patches"]
    assert kustomization(GPU)["resources"] == ["../base"]
    assert (patch["target"]["kind"], patch["target"]["name"]) in RESOURCES
    inference = json.loads(json.dumps(RESOURCES["Deployment", "inference"]))
    for change in yaml.safe_load(patch["patch"]):
        assert change["op"] == "add"
        *steps, last = [
            step.replace("~1", "/") for step in change["path"].removeprefix("/").split("/")
        ]
        place: Any = inference
        for step in steps:
            place = place[int(step) if isinstance(place, list) else step]
        if last == "-":
            place.append(change["value"])
        else:
            place[last] = change["value"]
    kubernetes_validate.validate(inference, KUBERNETES, strict=True)
    (container,) = pod_of(inference)["containers"]
    assert container["resources"]["limits"]["nvidia.com/gpu"] == 1
    assert {"name": "UNMASK_DEVICE", "value": "cuda"} in container["env"]
    assert "device" in InferenceSettings.model_fields


def test_images_are_those_that_compose_builds() -> None:
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    images = {one["name"]: one["newTag"] for one in kustomization(BASE)["images"]}
    assert {f"{name}:{tag}" for name, tag in images.items()} == {
        compose[name]["image"] for name in OURS
    }
    for name in OURS:
        assert PODS[name]["containers"][0]["image"] == f"unmask-{name}"
    foreign = {PODS[name]["containers"][0]["image"] for name in ("redis", "object-store")}
    assert foreign == {compose[name]["image"] for name in ("redis", "seaweedfs")}
