"""stores.py PASSWORD ALIAS CHAIN KEY STORE...: whether each PKCS#12 file has this key, this alias and these certificates in order."""

import sys

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key, pkcs12


def public(key):
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


password, alias, chain, key, *stores = sys.argv[1:]
chain = x509.load_pem_x509_certificates(open(chain, "rb").read())
key = load_pem_private_key(open(key, "rb").read(), None)
for path in stores:
    store = pkcs12.load_pkcs12(open(path, "rb").read(), password.encode())
    assert public(store.key.public_key()) == public(key.public_key()), path
    assert public(store.cert.certificate.public_key()) == public(key.public_key()), path
    assert store.cert.friendly_name == alias.encode(), (path, store.cert.friendly_name)
    # cryptography tells the certificates above the leaf in the order of the file, or in the reverse of it (OpenSSL 3).
    above = [held.certificate for held in store.additional_certs]
    assert above in (chain[1:], chain[:0:-1]), (path, [c.subject.rfc4514_string() for c in above])
    print(path, "is read")
