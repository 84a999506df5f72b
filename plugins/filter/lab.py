"""Jinja filters for the playbooks: thin shims over the swarmsweep package, which has the logic."""

from __future__ import annotations

import base64
import json
import os
import time
from pathlib import Path

from ansible.errors import AnsibleFilterError

from swarmsweep.errors import LabError
from swarmsweep.lab import (
    api_mounts,
    api_secrets,
    content_hash,
    host_labels,
    image_copies,
    inventory_files,
    lab_names,
    overridden_variables,
    provisioned,
    proxy_connections,
    ready_settings,
    swarm_address,
    virtual_machines,
)
from swarmsweep.plan import host_facts, time_limits
from swarmsweep.shared import hidden_text, machine_memory
from swarmsweep.shared.image_reference import by_digest, has_digest, name_in, registry_of
from swarmsweep.sweep import scenario_folder, scenario_packages
from swarmsweep.units import nano_cpus, parse_memory_setting


def lab_virtual_machines(groups, hostvars, sources):
    """Virtual machines of the inventory with their share of this one: see swarmsweep.lab.virtual_machines.allocate."""
    addresses = {
        name: str(hostvars[name].get("ansible_host", name))
        for group in ("api", "load")
        for name in groups.get(group, [])
    }
    sides = {name: "api" if name in groups.get("api", []) else "load" for name in addresses}
    try:
        return virtual_machines.allocate(
            addresses,
            sides,
            sorted(os.sched_getaffinity(0)),
            machine_memory.total_memory_bytes(),
            inventory_files.inventory_of(sources),
        )
    except LabError as error:
        raise AnsibleFilterError(str(error)) from error


def lab_content_hash(paths, *extra):
    """Hash of files, folders and additional texts: see swarmsweep.lab.content_hash.hash_paths."""
    try:
        return content_hash.hash_paths([str(path) for path in paths], [str(text) for text in extra])
    except LabError as error:
        raise AnsibleFilterError(str(error)) from error


def lab_content_hashes(folders, root):
    """Hash of each folder below root: see content_hash.hash_each."""
    try:
        return content_hash.hash_each(str(root), [str(name) for name in folders])
    except LabError as error:
        raise AnsibleFilterError(str(error)) from error


def lab_provisioned(root):
    """The version of this clone, as a host keeps it: see swarmsweep.lab.provisioned."""
    try:
        here = provisioned.this_version(str(root))
    except LabError as error:
        raise AnsibleFilterError(str(error)) from error
    return {"version": here.version, "files": here.files}


def lab_scenario_hashes(folder):
    """Hash of each entry of the folder of the scenarios: see swarmsweep.sweep.scenario_folder.hash_folder."""
    try:
        return scenario_folder.hash_folder(str(folder))
    except LabError as error:
        raise AnsibleFilterError(str(error)) from error


def lab_packages_hash(folder):
    """Hash of what names packages of the scenarios: see swarmsweep.sweep.scenario_packages.packages_hash."""
    try:
        return scenario_packages.packages_hash(str(folder))
    except LabError as error:
        raise AnsibleFilterError(str(error)) from error


def lab_image_tags(contexts, namespace, base):
    """Return tags for build contexts, in their order. A tag changes with any file of its context, or with the base."""

    def tag(context):
        paths = [f"{context['directory']}/{name}" for name in context["files"]]
        return f"{namespace}/{context['name']}:{lab_content_hash(paths, context['dockerfile'], base)}"

    return [tag(context) for context in contexts]


def lab_excluded_hosts(groups, hostvars, placement):
    """The API hosts that lack a label of lab_api_placement: see swarmsweep.lab.host_labels."""
    return host_labels.excluded_hosts({name: hostvars[name].get("lab_labels") for name in groups["api"]}, placement)


def lab_spread_groups(groups, hostvars, label, placement, is_manager_used=True):
    """The group of each API host, between which Swarm spreads replicas: see swarmsweep.lab.host_labels."""
    labels = {name: hostvars[name].get("lab_labels") for name in groups["api"]}
    carriers = host_labels.hosts_with_replicas(labels, placement, is_manager_used=is_manager_used)
    return host_labels.spread_groups(labels, label, carriers)


def lab_host_facts(groups, hostvars, is_manager_used=True, excluded=(), spread_groups=None):
    """Facts of the hosts in the form of plan.json, from the preflight: see swarmsweep.plan.host_facts.

    With several API hosts, their nodes were read too. ``is_manager_used`` is lab_api_on_manager. ``excluded`` has the
    hosts of lab_excluded_hosts, and ``spread_groups`` those of lab_spread_groups.
    """
    hosts = {
        side: [
            host_facts.host_facts(name, dict(hostvars[name]["__preflight_capacity"]), is_api=side == "api")
            for name in groups[side]
        ]
        for side in ("api", "load")
    }
    nodes = {name: lab_node(hostvars[name]["sweep_node"]) for name in groups["api"]} if len(groups["api"]) > 1 else {}
    api = host_facts.as_nodes(
        hosts["api"], nodes, is_manager_used=is_manager_used, excluded=excluded, groups=spread_groups
    )
    return hosts | {"api": api}


def lab_node(found):
    """What `docker info` printed of a node: id, cpus, memory_bytes. Empty if Docker did not respond."""
    text = found.get("stdout") or ""
    return json.loads(text) if text else {}


def lab_colocated(hosts):
    """Whether load and API share one physical machine: see swarmsweep.plan.host_facts.colocated."""
    return host_facts.colocated(hosts)


def lab_changed_secrets(secrets, lab_name, key_file):
    """Files of secrets that were changed: see swarmsweep.lab.api_secrets.changed_files."""
    try:
        return api_secrets.changed_files(secrets, str(lab_name), Path(key_file))
    except LabError as error:
        raise AnsibleFilterError(str(error)) from error


def lab_secret_base64(secret, lab_name, key_file):
    """Content of a secret in base64: see swarmsweep.lab.api_secrets.content_for_swarm."""
    try:
        return base64.b64encode(api_secrets.content_for_swarm(secret, str(lab_name), Path(key_file))).decode()
    except LabError as error:
        raise AnsibleFilterError(str(error)) from error


def lab_secret_texts(secrets):
    """Contents of the secrets of a load, as modules take them that read logs: see shared/hidden_text.py."""
    try:
        return hidden_text.encode(Path(secret["path"]).read_bytes() for secret in secrets)
    except OSError as error:
        raise AnsibleFilterError(f"load.secrets: {error.filename} cannot be read: {error.strerror}") from error


def lab_mount_name(source, target):
    """Name of the folder on the hosts for a file or folder of this machine: see swarmsweep.lab.api_mounts."""
    return api_mounts.read_mount(target, Path(source)).name


def lab_nano_cpus(cpus):
    """Cores as Docker counts them: see swarmsweep.units.nano_cpus. A number from -e is text."""
    return nano_cpus(float(cpus))


def lab_proxy_connections(wanted, open_files):
    """Connections that HAProxy is set up for: see swarmsweep.lab.proxy_connections. A number from -e is text."""
    return proxy_connections.connections(int(wanted), int(open_files))


def lab_proxy_problems(port, wanted, command, sources):
    """Problems with HAProxy's port and connections: see swarmsweep.lab.proxy_connections.proxy_problems."""
    return proxy_connections.proxy_problems(port, wanted, str(command), inventory_files.inventory_of(sources))


def lab_time_limits(longest_load_seconds, ready_timeout_seconds, grace_seconds):
    """Time limits of a step's units: see swarmsweep.plan.time_limits. A number from -e is text."""
    return time_limits.time_limits(int(longest_load_seconds), int(ready_timeout_seconds), int(grace_seconds))


def lab_in_time(expected_seconds, deadline_seconds):
    """Whether a step may begin now: see swarmsweep.plan.time_limits.in_time. Without a deadline, it is 0."""
    return time_limits.in_time(float(expected_seconds), float(deadline_seconds) or None, time.monotonic())


def lab_swarm_address(host, inventory_address, wanted, links, route, is_alone):
    """The address that an API host advertises, from what `ip -json` printed: see swarmsweep.lab.swarm_address."""
    source = next((entry.get("prefsrc", "") for entry in json.loads(route or "[]")), "")
    try:
        return swarm_address.swarm_address(
            host, inventory_address, wanted, json.loads(links), source, is_alone=is_alone
        )
    except LabError as error:
        raise AnsibleFilterError(str(error)) from error


def lab_own_addresses(links):
    """The addresses of a host that another host may reach: see swarmsweep.lab.swarm_address.own_addresses."""
    return list(swarm_address.own_addresses(json.loads(links)))


def lab_inventory_problems(sources, groups):
    """Inventories that do not exist, or have no host: see swarmsweep.lab.lab_names.inventory_problems."""
    return lab_names.inventory_problems(sources, groups)


def lab_name_problems(groups, lab_name, sources):
    """Problems with the names of lab and hosts: see swarmsweep.lab.lab_names.name_problems."""
    hosts = [host for side in ("api", "load") for host in groups.get(side, [])]
    return lab_names.name_problems(lab_name, dict.fromkeys(hosts), inventory_files.inventory_of(sources))


def lab_overridden_problems(sources):
    """Variables of hosts.yml without effect: see swarmsweep.lab.overridden_variables.overridden_problems."""
    return overridden_variables.overridden_problems(sources)


def lab_configuration_problems(settings, sources):
    """Problems with the configuration of the API: see swarmsweep.plan.baseline.configuration_problems."""
    # The import is here because it takes about 0.3 s, and few plays need it.
    from swarmsweep.plan.baseline import configuration_problems

    return configuration_problems(settings, inventory_files.inventory_of(sources))


def lab_memory_bytes(memory):
    """The bytes of lab_api_memory, in the units of a sweep file: see swarmsweep.units.parse_memory_setting."""
    try:
        return parse_memory_setting(memory)
    except LabError as error:
        raise AnsibleFilterError(f"lab_api_memory: {error}") from error


def lab_ready_problems(port, path, host, sources, timeout_seconds=120):
    """Problems with the settings of the ready check: see swarmsweep.lab.ready_settings.ready_problems."""
    return ready_settings.ready_problems(port, path, host, inventory_files.inventory_of(sources), timeout_seconds)


def lab_release_problems(release, sources):
    """Problems with the Debian release of the virtual machines: see swarmsweep.lab.lab_names.release_problems."""
    return lab_names.release_problems(release, inventory_files.inventory_of(sources))


def lab_bridge_problems(bridge, sources):
    """Problems with the name of the bridge: see swarmsweep.lab.lab_names.bridge_problems."""
    return lab_names.bridge_problems(bridge, inventory_files.inventory_of(sources))


def lab_network_problems(subnet, virtual_machines, sources):
    """Problems with the network and the virtual machines: see swarmsweep.lab.lab_names.network_problems."""
    return lab_names.network_problems(subnet, virtual_machines, inventory_files.inventory_of(sources))


def lab_settings_file(sources):
    """The file of the inventory that holds the settings: see swarmsweep.lab.inventory_files."""
    return inventory_files.settings_of(inventory_files.inventory_of(sources))


def lab_registry_images(names):
    """The images whose names have a registry, each once. Others are never pulled."""
    return list(dict.fromkeys(str(name) for name in names if registry_of(str(name)) is not None))


def lab_registry_of(name):
    """The registry in the name of an image, or an empty text: see image_reference.registry_of."""
    return registry_of(str(name)) or ""


def lab_by_digest(digests, registry=""):
    """Each image that a registry has, and its name by digest: see image_reference.by_digest.

    ``digests`` are those that Docker on one host knows, by the name of the image.
    """
    found = {name: by_digest(name, known, str(registry)) for name, known in digests.items()}
    return {name: reference for name, reference in found.items() if reference is not None}


def lab_has_digest(digests, reference):
    """Whether Docker knows an image by this name and digest: see image_reference.has_digest."""
    return has_digest(map(str, digests), str(reference))


def lab_image_problems(found, wanted):
    """What differs between the API hosts: see swarmsweep.lab.image_copies.copy_problems."""
    return image_copies.copy_problems(found, wanted)


def lab_name_in(image, registry):
    """The name that an image gets in a registry: see image_reference.name_in."""
    return name_in(str(registry), str(image))


def lab_lack_digest(reports, image, reference):
    """Whether one of these hosts does not know an image by its digest. The reports are those of host_images."""
    return not all(lab_has_digest((report.get("digests") or {}).get(image) or [], reference) for report in reports)


class FilterModule:
    """The filters of the lab."""

    def filters(self):
        return {
            "lab_virtual_machines": lab_virtual_machines,
            "lab_content_hash": lab_content_hash,
            "lab_content_hashes": lab_content_hashes,
            "lab_scenario_hashes": lab_scenario_hashes,
            "lab_provisioned": lab_provisioned,
            "lab_packages_hash": lab_packages_hash,
            "lab_image_tags": lab_image_tags,
            "lab_excluded_hosts": lab_excluded_hosts,
            "lab_spread_groups": lab_spread_groups,
            "lab_host_facts": lab_host_facts,
            "lab_node": lab_node,
            "lab_colocated": lab_colocated,
            "lab_changed_secrets": lab_changed_secrets,
            "lab_secret_base64": lab_secret_base64,
            "lab_secret_texts": lab_secret_texts,
            "lab_mount_name": lab_mount_name,
            "lab_nano_cpus": lab_nano_cpus,
            "lab_proxy_connections": lab_proxy_connections,
            "lab_proxy_problems": lab_proxy_problems,
            "lab_time_limits": lab_time_limits,
            "lab_in_time": lab_in_time,
            "lab_swarm_address": lab_swarm_address,
            "lab_own_addresses": lab_own_addresses,
            "lab_inventory_problems": lab_inventory_problems,
            "lab_name_problems": lab_name_problems,
            "lab_overridden_problems": lab_overridden_problems,
            "lab_configuration_problems": lab_configuration_problems,
            "lab_memory_bytes": lab_memory_bytes,
            "lab_ready_problems": lab_ready_problems,
            "lab_bridge_problems": lab_bridge_problems,
            "lab_release_problems": lab_release_problems,
            "lab_network_problems": lab_network_problems,
            "lab_settings_file": lab_settings_file,
            "lab_gateway": lab_names.gateway,
            "lab_registry_images": lab_registry_images,
            "lab_registry_of": lab_registry_of,
            "lab_by_digest": lab_by_digest,
            "lab_name_in": lab_name_in,
            "lab_lack_digest": lab_lack_digest,
            "lab_image_problems": lab_image_problems,
            "lab_has_digest": lab_has_digest,
        }
