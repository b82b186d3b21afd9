"""Reads PKCS#12 containers with cryptography and says what is in them, as Read.java does."""

import sys

from cryptography.hazmat.primitives.serialization import PublicFormat, Encoding, pkcs12


def told(certificate):
    return certificate.subject.rfc4514_string()


def spki(key):
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def read(file, password):
    with open(file, "rb") as stream:
        store = pkcs12.load_pkcs12(stream.read(), password.encode())
    others = [
        ((other.friendly_name or b"-").decode(), told(other.certificate)) for other in store.additional_certs
    ]
    if store.key is None:
        return "; ".join(f"{name}: {subject}" for name, subject in others)
    fits = "" if spki(store.key.public_key()) == spki(store.cert.certificate.public_key()) else " (the key does not fit)"
    name = (store.cert.friendly_name or b"-").decode()
    return f"{name}: {told(store.cert.certificate)}{fits}; " + "; ".join(f"{n}: {s}" for n, s in others)


with open(sys.argv[1], encoding="utf-8") as asked:
    for line in asked:
        file, kind, password = line.rstrip("\n").split("\t")
        if kind != "PKCS12":
            continue
        try:
            print(f"{file}\t{read(file, password)}")
        except Exception as error:
            print(f"{file}\tNO {error}")
