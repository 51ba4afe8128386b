# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How parts of the stack are lost; each function returns when the cluster has what was lost again."""

from __future__ import annotations

from typing import Any

from lab.machines import Machine
from lab.podman import podman
from tests.e2e.support import STACK, Lab, wait_until

_BACK_SECONDS = 300


def pod(lab: Lab, name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(
        (item for item in lab.get("--namespace", STACK, "pods")["items"] if item["metadata"]["name"] == name),
        {"metadata": {}, "status": {}},
    )
    return found


def ready(found: dict[str, Any]) -> bool:
    return any(item["type"] == "Ready" and item["status"] == "True" for item in found["status"].get("conditions", []))


def crash(lab: Lab, name: str) -> None:
    """As the kernel does where memory runs out: every process of the container is killed."""
    before = pod(lab, name)
    (container,) = before["status"]["containerStatuses"]
    identity = container["containerID"].removeprefix("containerd://")
    lab.root(before["spec"]["nodeName"], f"ctr --namespace k8s.io tasks kill --all --signal SIGKILL {identity}")

    def restarted() -> bool:
        found = pod(lab, name)
        return ready(found) and found["status"]["containerStatuses"][0]["restartCount"] > container["restartCount"]

    wait_until(restarted, seconds=_BACK_SECONDS, what=f"new container of {name}")


def delete(lab: Lab, name: str) -> None:
    """Its controller makes another."""
    before = pod(lab, name)["metadata"]["uid"]
    lab.stack("delete", "pod", name)
    wait_until(
        lambda: ready(found := pod(lab, name)) and found["metadata"]["uid"] != before, seconds=_BACK_SECONDS, what=f"successor of {name}"
    )


def power_cut(lab: Lab, machine: str) -> None:
    """Every process of a machine is killed; then it is started again."""
    _lose(lab, machine, "kill")


def restart(lab: Lab, machine: str) -> None:
    """The machine shuts down as it is asked to, and starts again."""
    _lose(lab, machine, "stop", "--time=60")


def _lose(lab: Lab, machine: str, *command: str) -> None:
    before = started(lab, machine)
    podman(*command, Machine(lab.name, machine).container)
    lab.command("up")
    wait_until(lab.answers, seconds=_BACK_SECONDS, what="answer of the API server")

    def running() -> bool:
        now = started(lab, machine)
        return bool(now) and all(moment > before.get(name, "") for name, moment in now.items())

    wait_until(running, seconds=_BACK_SECONDS, what=f"every pod of {machine} started again")
    lab.kubectl("wait", "--for=condition=Ready", f"node/{machine}", f"--timeout={_BACK_SECONDS}s")


def started(lab: Lab, machine: str) -> dict[str, str]:
    """When the containers of a machine's pods were started, as the cluster knows it; empty where one does not run."""
    pods = lab.get("--all-namespaces", "pods", f"--field-selector=spec.nodeName={machine},status.phase=Running")["items"]
    return {
        f"{item['metadata']['namespace']}/{item['metadata']['name']}/{status['name']}": status["state"].get("running", {"startedAt": ""})[
            "startedAt"
        ]
        for item in pods
        for status in item["status"].get("containerStatuses", [])
    }
