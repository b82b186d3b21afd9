#!/usr/bin/env python3
"""Appends identities from a list to the inventory of a PKI, as if they had been issued into an archive.

    certgen --pki P init --no-input
    tests/bench/inventory.py P 1000000 [REVOKED]

The events are as certgen writes them; keys and certificates exist nowhere, and nothing reads them. The first REVOKED
identities are revoked.
"""

import hashlib
import json
import pathlib
import sys


def main():
    pki, count = pathlib.Path(sys.argv[1]), int(sys.argv[2])
    revoked = int(sys.argv[3]) if len(sys.argv) > 3 else 0
    path = pki / "inventory.jsonl"
    events = [json.loads(line) for line in path.read_text().splitlines()[1:]]
    model = next(event for event in events if event["action"] == "issued")
    with path.open("a") as out:
        for number in range(count):
            out.write(line(issued(model, number)))
        for number in range(revoked):
            out.write(line(revocation(model, number)))


def line(event):
    return json.dumps(event, separators=(",", ":")) + "\n"


def digest(kind, number):
    return hashlib.sha256(f"{kind} {number}".encode()).hexdigest()


def issued(model, number):
    name = f"device-{number:07}"
    return {
        **model,
        "id": digest("issued", number)[:16],
        "role": "client",
        "name": name,
        "serial": "4" + digest("serial", number)[:31],
        "key": digest("key", number),
        "certificate": digest("certificate", number),
        "location": "archive",
        "managed": False,
        "bulk": True,
        "subject": f"CN={name}",
        "entry": {},
    }


def revocation(model, number):
    return {
        **{key: model[key] for key in ("time", "actor", "version", "issuer")},
        "id": digest("revoked", number)[:16],
        "action": "revoked",
        "role": "client",
        "name": f"device-{number:07}",
        "serial": "4" + digest("serial", number)[:31],
        "reason": "superseded",
    }


main()
