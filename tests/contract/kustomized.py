"""What `kustomize build` makes of a folder, for the parts of kustomize that deploy/k8s uses; any other part is refused.

Generated ConfigMaps keep their plain names, without the hash of what is in them.
"""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jsonpatch
from ruamel.yaml import YAML

Resource = dict[str, Any]
_yaml = YAML(typ="safe")


def documents(source: Path | str) -> list[Any]:
    """Every document of a file, or of a text."""
    return list(_yaml.load_all(source))


def build(folder: Path) -> list[Resource]:
    """The resources of a kustomization, patched.

    :raises KeyError: it uses a part of kustomize that is not known here.
    """
    [said] = documents(folder / "kustomization.yaml")
    found: list[Resource] = []
    for part in ("resources", "configMapGenerator", "namespace", "patches", "labels", "images"):
        if part in said:
            found = _PARTS[part](folder, said[part], found)
    unknown = said.keys() - _PARTS.keys() - {"apiVersion", "kind"}
    if unknown:
        raise KeyError(f"{folder.name}: {unknown}")
    return found


def _resources(folder: Path, names: list[str], _: list[Resource]) -> list[Resource]:
    return [one for name in names for one in (build(folder / name) if (folder / name).is_dir() else documents(folder / name))]


def _config_maps(folder: Path, generators: list[Resource], found: list[Resource]) -> list[Resource]:
    for said in generators:
        lines = [line for name in said.get("envs", []) for line in (folder / name).read_text().splitlines()] + said.get("literals", [])
        data = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
        if said.get("behavior") == "merge":
            [known] = [one for one in found if one["kind"] == "ConfigMap" and one["metadata"]["name"] == said["name"]]
            known["data"].update(data)
        else:
            found.append({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": said["name"]}, "data": data})
    return found


def _namespace(_: Path, name: str, found: list[Resource]) -> list[Resource]:
    for one in found:
        if one["kind"] != "Namespace":
            one["metadata"]["namespace"] = name
    return found


def _patches(folder: Path, patches: list[Resource], found: list[Resource]) -> list[Resource]:
    for said in patches:
        [patch] = documents(folder / said["path"] if "path" in said else said["patch"])
        hit = [one for one in found if _is(one, said["target"])]
        assert hit, f"{said['target']} is nowhere"
        if isinstance(patch, list):
            for one in hit:
                jsonpatch.apply_patch(one, patch, in_place=True)
        else:
            assert patch["$patch"] == "delete"
            found = [one for one in found if one not in hit]
    return found


def _is(one: Resource, target: dict[str, str]) -> bool:
    kind, name = one["kind"], one["metadata"]["name"]
    return bool(re.fullmatch(target["kind"], kind) and re.fullmatch(target.get("name", ".*"), name))


def _labels(_: Path, labels: list[Resource], found: list[Resource]) -> list[Resource]:
    for said in labels:
        for one in found:
            places = [one, one["spec"]["template"]] if said.get("includeTemplates") and "template" in one.get("spec", {}) else [one]
            for place in places:
                place.setdefault("metadata", {}).setdefault("labels", {}).update(said["pairs"])
    return found


def _images(_: Path, images: list[Resource], found: list[Resource]) -> list[Resource]:
    for said in images:
        for container in containers(found):
            name, _, tag = container["image"].partition(":")
            if name == said["name"]:
                container["image"] = f"{said['newName']}:{said.get('newTag', tag)}"
    return found


def containers(found: list[Resource]) -> Iterator[Resource]:
    """The containers of everything that makes pods of ours."""
    for one in found:
        if one["kind"] in ("Deployment", "Job"):
            yield from one["spec"]["template"]["spec"]["containers"]


_PARTS: dict[str, Callable[[Path, Any, list[Resource]], list[Resource]]] = {
    "resources": _resources, "configMapGenerator": _config_maps, "namespace": _namespace,
    "patches": _patches, "labels": _labels, "images": _images,
}
