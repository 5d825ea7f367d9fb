"""What the chart makes is right by the schemas of Kubernetes, and as safe as the page says."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.components import require_program
from tests.manifests import CHART, MANIFESTS, SOURCES, helm, manifest, rendered, values_of

pytestmark = [pytest.mark.program("helm"), pytest.mark.program("kubernetes-validate")]

#: The oldest that the chart supports, the one where native sidecars became stable, a late one.
VERSIONS = ("1.29", "1.33", "1.36")


def is_valid(folder: Path, text: str) -> str:
    """Have the schemas of each version check every document, unknown fields refused."""
    files = []
    for number, document in enumerate(yaml.safe_load_all(text)):
        if document:
            files.append(folder / f"{number}.yaml")
            files[-1].write_text(yaml.safe_dump(document))
    versions = [part for version in VERSIONS for part in ("-k", version)]
    found = subprocess.run(
        [sys.executable, "-m", "kubernetes_validate", "--strict", *versions, *map(str, files)],
        env=os.environ | {"PYTHONPATH": str(require_program("kubernetes-validate"))},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return "" if found.returncode == 0 else found.stdout + found.stderr


def of_kind(text: str, kind: str) -> dict[str, Any]:
    """The one document of a kind."""
    (found,) = (item for item in yaml.safe_load_all(text) if item and item["kind"] == kind)
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize("source", SOURCES)
def test_every_source_and_both_kinds_of_sidecar(source: str, tmp_path: Path) -> None:
    assert is_valid(tmp_path, rendered(values_of(source))) == ""
    plain = rendered(values_of(source), "--set", "nativeSidecar=false,secretName=")
    assert is_valid(tmp_path, plain) == ""


def test_names_that_look_like_something_else_stay_names(tmp_path: Path) -> None:
    """A Secret may be called 123, and a text with a colon and a line end adds no field."""
    image = "registry.example/gateway # x\nhostPID: true"
    chosen = ("secretName=123", "serviceAccount.name=1e3", "identity.spiffe.driver=true")
    sets = [
        part for value in (*chosen, f"image.repository={image}") for part in ("--set-string", value)
    ]
    text = rendered(values_of("spiffe"), *sets)
    assert is_valid(tmp_path, text) == ""
    pod = of_kind(text, "Deployment")["spec"]["template"]["spec"]
    assert pod["serviceAccountName"] == "1e3"
    assert pod["initContainers"][0]["image"].startswith(image)
    assert {"secretName": "123", "defaultMode": 288} in [
        item.get("secret") for item in pod["volumes"]
    ]


def test_the_validator_finds_what_is_wrong(tmp_path: Path) -> None:
    text = rendered(values_of("spiffe"))
    assert is_valid(tmp_path, text.replace("restartPolicy: Always", "restartPolicies: Always"))


def test_helm_has_nothing_to_say() -> None:
    for source in SOURCES:
        linted = helm("lint", "--strict", str(CHART), "--values", str(values_of(source)))
        assert linted.returncode == 0, linted.stdout


def test_the_sidecar_is_native_unprivileged_and_asked_by_exec() -> None:
    pod = of_kind(rendered(values_of("spiffe")), "Deployment")["spec"]["template"]["spec"]
    (sidecar,) = pod["initContainers"]
    assert sidecar["restartPolicy"] == "Always"
    assert [container["name"] for container in pod["containers"]] == ["agent"]
    context = sidecar["securityContext"]
    assert context["runAsNonRoot"]
    assert context["readOnlyRootFilesystem"]
    assert not context["allowPrivilegeEscalation"]
    assert context["capabilities"] == {"drop": ["ALL"]}
    assert not pod["automountServiceAccountToken"]
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert sidecar[probe]["exec"]["command"][:2] == ["devwiz-gw", "healthcheck"]
    assert "ports" not in sidecar
    # Every volume that is mounted is there, and none beside.
    mounted = {mount["name"] for mount in sidecar["volumeMounts"]}
    assert mounted == {volume["name"] for volume in pod["volumes"]}


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ("project=Acme", "project"),
        ("identity.source=vault", "/identity/source"),
        ("identity.source=issuer", "identity.issuer.url is required"),
        ("identity.source=google-wif", "identity.spiffeId is required"),
        ("lingerSeconds=50", "less than app.terminationGracePeriodSeconds"),
        ("imag.tag=1", "imag"),
    ],
)
def test_values_that_make_no_working_pod_are_refused(broken: str, said: str) -> None:
    values = ("--values", str(values_of("spiffe")), "--kube-version", "1.33")
    refused = helm("template", "agent", str(CHART), *values, "--set", broken)
    assert refused.returncode != 0
    assert said in refused.stderr


def test_a_chart_of_ones_own_includes_it(tmp_path: Path) -> None:
    """As the page shows it: a Job whose end the sidecar doesn't hold up."""
    chart = tmp_path / "nightly"
    shutil.copytree(CHART, chart / "charts" / "devwiz-gw")
    (chart / "templates").mkdir()
    (chart / "Chart.yaml").write_text("apiVersion: v2\nname: nightly\nversion: 1.0.0\n")
    page = (Path(__file__).parents[3] / "docs" / "operations" / "kubernetes.md").read_text()
    job = page.split("```yaml\n{{")[1].split("```")[0]
    (chart / "templates" / "job.yaml").write_text("{{" + job)
    values = yaml.safe_load(values_of("spiffe").read_text())
    del values["app"]
    (tmp_path / "values.yaml").write_text(yaml.safe_dump({"devwiz-gw": values}))
    text = rendered(tmp_path / "values.yaml", chart=chart)
    assert is_valid(tmp_path, text) == ""
    pod = of_kind(text, "Job")["spec"]["template"]["spec"]
    assert pod["initContainers"][0]["restartPolicy"] == "Always"
    assert pod["volumes"][0]["name"] == "devwiz-gw-config"
    assert pod["volumes"][0]["configMap"]["name"] == of_kind(text, "ConfigMap")["metadata"]["name"]


@pytest.mark.parametrize("source", SOURCES)
def test_the_plain_manifests_are_the_charts(source: str, tmp_path: Path) -> None:
    text = (MANIFESTS / f"{source}.yaml").read_text()
    assert text == manifest(source), "run `make manifests`"
    assert is_valid(tmp_path, text) == ""
