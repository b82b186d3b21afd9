"""Two files of Secrets hold the same: same_secrets.py FILE FILE. An API server turns stringData into data. The first may have
more in its definitions.json, because a file in the PKI keeps what others added."""
import base64
import json
import sys

import yaml


def secrets(file):
    found = {}
    with open(file, encoding="utf-8") as stream:
        for document in yaml.safe_load_all(stream):
            if document is None:
                continue
            data = {key: base64.b64decode(value) for key, value in (document.get("data") or {}).items()}
            data.update({key: value.encode() for key, value in (document.get("stringData") or {}).items()})
            if "definitions.json" in data:
                definitions = json.loads(data["definitions.json"])
                data["definitions.json"] = {(key, json.dumps(entry)) for key, value in definitions.items() for entry in value}
            metadata = document["metadata"]
            found[metadata["namespace"], metadata["name"]] = (document["type"], data)
    return found


first, second = secrets(sys.argv[1]), secrets(sys.argv[2])
def same(one, other):
    if isinstance(one, set):
        return one >= other
    return one == other


for name in sorted(first.keys() | second.keys()):
    (kind, data), (other_kind, other) = first.get(name, ("absent", {})), second.get(name, ("absent", {}))
    if kind != other_kind or data.keys() != other.keys() or not all(same(data[key], other[key]) for key in data):
        sys.exit(f"{name} differs: {kind} {sorted(data)}, {other_kind} {sorted(other)}")
print(len(first), "Secrets are the same")
