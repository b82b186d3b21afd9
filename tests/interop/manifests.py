"""Kubernetes manifests as an API server would see them.

manifests.py check DIR...         every document in the .yaml files of each directory against its schema: the core kinds by
                                  kubernetes-validate, the others by the published definitions in $CERTGEN_FACTS/crds; fields
                                  that no schema knows are refused, and each document with such a field added must be. Without
                                  the variable the other kinds are named as skipped.
manifests.py pods OUT FILE...     what each pod of the RabbitmqCluster or StatefulSet finds on its disk and in its
                                  environment, in OUT/POD/files and OUT/POD/environment
manifests.py users FILE           the objects of the Topology Operator as definitions.json, which has the words of the HTTP API
                                  that the operator speaks
"""
import base64
import copy
import json
import os
import pathlib
import re
import sys

import jsonschema
import kubernetes_validate
import yaml

CORE = "1.31"


def documents(files):
    for file in files:
        with open(file, encoding="utf-8") as stream:
            for document in yaml.safe_load_all(stream):
                if document is not None:
                    yield document


# --- check -----------------------------------------------------------------------------------------------------------


def closed(schema):
    """A schema of a definition as JSON Schema that refuses what it does not name."""
    if not isinstance(schema, dict):
        return schema
    out = {key: value for key, value in schema.items() if not key.startswith("x-kubernetes-") and key != "format"}
    if schema.get("x-kubernetes-int-or-string"):
        out.pop("type", None)
        out["anyOf"] = [{"type": "integer"}, {"type": "string"}]
    for key in ("properties", "patternProperties"):
        if key in schema:
            out[key] = {name: closed(value) for name, value in schema[key].items()}
    for key in ("items", "additionalProperties"):
        if key in schema:
            out[key] = closed(schema[key])
    if "properties" in schema and not schema.get("x-kubernetes-preserve-unknown-fields"):
        out.setdefault("additionalProperties", False)
    return out


def definitions():
    facts = os.environ.get("CERTGEN_FACTS")
    found = {}
    if not facts:
        return found
    for document in documents(sorted(pathlib.Path(facts, "crds").glob("*.yaml"))):
        spec = document["spec"]
        for version in spec["versions"]:
            schema = closed(version["schema"]["openAPIV3Schema"])
            schema["properties"]["metadata"] = {"type": "object"}
            key = (f"{spec['group']}/{version['name']}", spec["names"]["kind"])
            found[key] = jsonschema.Draft202012Validator(schema)
    return found


def is_core(document):
    group = document["apiVersion"].rpartition("/")[0]
    return "." not in group or group.endswith(".k8s.io")


def validate(document, known):
    if is_core(document):
        kubernetes_validate.validate(document, CORE, strict=True)
        return True
    validator = known.get((document["apiVersion"], document["kind"]))
    if validator is None:
        return False
    error = jsonschema.exceptions.best_match(validator.iter_errors(document))
    if error:
        raise error
    return True


REFUSED = (jsonschema.ValidationError, kubernetes_validate.ValidationError)


def broken(document):
    """The document with a field too many, deep inside where it has a spec."""
    other = copy.deepcopy(document)
    (other["spec"] if isinstance(other.get("spec"), dict) else other)["certgenKnowsBetter"] = True
    return other


def check(directories):
    known, skipped = definitions(), set()
    for directory in directories:
        check_together(sorted(pathlib.Path(directory).glob("*.yaml")), known, skipped)
    for kind in sorted(skipped):
        print("skipped", kind, "CERTGEN_FACTS does not say where its definition is")


def check_together(files, known, skipped):
    seen = set()
    for document in documents(files):
        name = f"{document['kind']} {document['metadata']['name']}"
        identity = (document["kind"], document["metadata"].get("namespace"), document["metadata"]["name"])
        if identity in seen:
            sys.exit(f"{name} is there twice")
        seen.add(identity)
        try:
            if not validate(document, known):
                skipped.add(document["kind"])
                continue
        except REFUSED as error:
            sys.exit(f"{name}: {error.message if hasattr(error, 'message') else error}")
        try:
            validate(broken(document), known)
        except REFUSED:
            print("valid", name)
        else:
            sys.exit(f"{name}: a field that nobody knows was not noticed")


# --- pods ------------------------------------------------------------------------------------------------------------

# internal/resource/configmap.go of the Cluster Operator (August 2026), for disableNonTLSListeners with a CA. The last two
# lines stand for what only works in Kubernetes: finding the members.
OPERATOR_DEFAULTS = """
log.console = true
disk_free_limit.absolute = 50MB
cluster_partition_handling = pause_minority
"""
OPERATOR_TLS = """
ssl_options.certfile = /etc/rabbitmq-tls/tls.crt
ssl_options.keyfile = /etc/rabbitmq-tls/tls.key
listeners.ssl.default = 5671
management.ssl.certfile = /etc/rabbitmq-tls/tls.crt
management.ssl.keyfile = /etc/rabbitmq-tls/tls.key
management.ssl.port = 15671
prometheus.ssl.certfile = /etc/rabbitmq-tls/tls.crt
prometheus.ssl.keyfile = /etc/rabbitmq-tls/tls.key
prometheus.ssl.port = 15691
listeners.tcp = none
ssl_options.cacertfile = /etc/rabbitmq-tls/ca.crt
ssl_options.verify = verify_peer
management.ssl.cacertfile = /etc/rabbitmq-tls/ca.crt
prometheus.ssl.cacertfile = /etc/rabbitmq-tls/ca.crt
"""


def settings(text):
    """The operator reads settings as an INI file: a key that comes again wins, and stands once."""
    found = {}
    for line in text.splitlines():
        line = line.strip()
        if line and not line.startswith(("#", ";")):
            key, _, value = line.partition("=")
            found[key.strip()] = value.strip()
    return found


def contents(document):
    data = {key: base64.b64decode(value) for key, value in (document.get("data") or {}).items()} \
        if document["kind"] == "Secret" \
        else {key: value.encode() for key, value in (document.get("data") or {}).items()}
    data.update({key: value.encode() for key, value in (document.get("stringData") or {}).items()})
    return data


def volume_files(volume, objects):
    """Path and bytes of everything in a volume; none of one that is empty at first."""
    def of(kind, name, items):
        data = contents(objects[kind, name])
        pairs = [(item["key"], item["path"]) for item in items] if items else [(key, key) for key in data]
        return {path: data[key] for key, path in pairs}

    files = {}
    for source in volume.get("projected", {}).get("sources", []) or [volume]:
        if "configMap" in source:
            files.update(of("ConfigMap", source["configMap"]["name"], source["configMap"].get("items")))
        if "secret" in source:
            secret = source["secret"]
            name = secret.get("name") or secret["secretName"]
            if name.endswith("-erlang-cookie"):
                continue
            files.update(of("Secret", name, secret.get("items")))
    return files


def operator_pod(cluster):
    """The pod that the operator makes of a RabbitmqCluster: internal/resource/statefulset.go, as far as files go."""
    name, spec = cluster["metadata"]["name"], cluster["spec"]
    rabbitmq, tls = spec["rabbitmq"], spec["tls"]
    if "`" in rabbitmq.get("envConfig", "") or "$(" in rabbitmq.get("envConfig", ""):
        sys.exit("the operator refuses this envConfig")
    override = spec["override"]["statefulSet"]["spec"]["template"]["spec"]
    container = copy.deepcopy(override["containers"][0])
    members = [f"rabbit@{name}-server-{n}.{name}-nodes.{cluster['metadata']['namespace']}" for n in range(spec["replicas"])]
    discovery = "cluster_formation.peer_discovery_backend = classic_config\n" + "".join(
        f"cluster_formation.classic_config.nodes.{n} = {member}\n" for n, member in enumerate(members, 1))
    said = settings(OPERATOR_TLS + rabbitmq["additionalConfig"])
    plugins = ["rabbitmq_management", "rabbitmq_prometheus", *rabbitmq["additionalPlugins"]]
    files = {
        "/etc/rabbitmq/conf.d/10-operatorDefaults.conf": (OPERATOR_DEFAULTS + discovery).encode(),
        "/etc/rabbitmq/conf.d/90-userDefinedConfiguration.conf":
            "".join(f"{key} = {value}\n" for key, value in said.items()).encode(),
        "/etc/rabbitmq/enabled_plugins": f"[{','.join(plugins)}].\n".encode(),
    }
    for field, path in (("envConfig", "rabbitmq-env.conf"), ("advancedConfig", "advanced.config")):
        if field in rabbitmq:
            files[f"/etc/rabbitmq/{path}"] = rabbitmq[field].encode()
    sources = [{"secret": {"name": tls["secretName"], "items": [{"key": k, "path": k} for k in ("tls.crt", "tls.key")]}},
               {"secret": {"name": tls["caSecretName"], "items": [{"key": "ca.crt", "path": "ca.crt"}]}}]
    container.setdefault("volumeMounts", []).append({"name": "rabbitmq-tls", "mountPath": "/etc/rabbitmq-tls/"})
    volumes = override.get("volumes", []) + [{"name": "rabbitmq-tls", "projected": {"sources": sources}}]
    container["env"] = [
        {"name": "MY_POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        {"name": "RABBITMQ_USE_LONGNAME", "value": "true"},
        {"name": "RABBITMQ_NODENAME",
         "value": f"rabbit@$(MY_POD_NAME).{name}-nodes.{cluster['metadata']['namespace']}"},
    ]
    return f"{name}-server", f"{name}-nodes", spec["replicas"], container, volumes, files


def pods(out, files):
    objects = {(d["kind"], d["metadata"]["name"]): d for d in documents(files)}
    found = {kind: d for (kind, _), d in objects.items()}
    if "RabbitmqCluster" in found:
        owner = found["RabbitmqCluster"]
        prefix, service, replicas, container, volumes, own = operator_pod(owner)
    else:
        owner = found["StatefulSet"]
        spec, own = owner["spec"], {}
        prefix, service, replicas = owner["metadata"]["name"], spec["serviceName"], spec["replicas"]
        container, volumes = spec["template"]["spec"]["containers"][0], spec["template"]["spec"]["volumes"]
    by_name = {volume["name"]: volume for volume in volumes}
    for number in range(replicas):
        pod = f"{prefix}-{number}"
        place = pathlib.Path(out, f"{pod}.{service}.{owner['metadata']['namespace']}")
        all_files = dict(own)
        for mount in container["volumeMounts"]:
            for path, data in volume_files(by_name.get(mount["name"], {}), objects).items():
                all_files[f"{mount['mountPath'].rstrip('/')}/{path}"] = data
        for path, data in all_files.items():
            target = place / "files" / path.lstrip("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
        environment = {}
        for variable in container["env"]:
            value = pod if "valueFrom" in variable else variable["value"]
            environment[variable["name"]] = re.sub(r"\$\((\w+)\)", lambda m: environment[m[1]], value)
        (place / "environment").write_text("".join(f"{key}={value}\n" for key, value in environment.items()))
    probe = container["readinessProbe"]["httpGet"]
    print(json.dumps({"path": probe["path"], "scheme": probe["scheme"], "port": probe["port"]}))


# --- users -----------------------------------------------------------------------------------------------------------


def users(file):
    objects = list(documents([file]))
    secrets = {d["metadata"]["name"]: d for d in objects if d["kind"] == "Secret"}
    names = {}
    for document in objects:
        if document["kind"] == "User":
            secret = secrets[document["spec"]["importCredentialsSecret"]["name"]]
            if secret["metadata"]["labels"]["rabbitmq.com/topology-operator"] != "true":
                sys.exit("the operator does not see this Secret")
            if secret["stringData"]["passwordHash"] != "":
                sys.exit("this user has a password")
            names[document["metadata"]["name"]] = secret["stringData"]["username"]
    found = {"vhosts": [], "users": [], "permissions": [], "topic_permissions": []}
    for document in objects:
        kind, spec = document["kind"], document.get("spec")
        if kind == "Vhost":
            found["vhosts"].append({"name": spec["name"]})
        elif kind == "User":
            name = names[document["metadata"]["name"]]
            found["users"].append({"name": name, "password_hash": "", "tags": spec.get("tags", [])})
        elif kind in ("Permission", "TopicPermission"):
            section = "permissions" if kind == "Permission" else "topic_permissions"
            who = {"user": names[spec["userReference"]["name"]], "vhost": spec["vhost"]}
            found[section].append({**who, **spec["permissions"]})
    print(json.dumps(found))


def main():
    words = sys.argv[1:]
    if words[0] == "check":
        check(words[1:])
    elif words[0] == "pods":
        pods(words[1], words[2:])
    else:
        users(words[1])


main()
