"""Writes PKCS#12 containers with cryptography, each in another form: OUT CERTIFICATES KEY AUTHORITY."""

import sys

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    PrivateFormat,
    load_pem_private_key,
    pkcs12,
)

PASSWORD = "p\u00e4ssw\u00f6rd".encode()


def read(path):
    with open(path, "rb") as stream:
        return stream.read()


def write(name, contents):
    with open(name, "wb") as stream:
        stream.write(contents)
    print(name.rsplit("/", 1)[-1])


out, certificates, key, authority = sys.argv[1:]
leaf, *between = x509.load_pem_x509_certificates(read(certificates))
root = x509.load_pem_x509_certificate(read(authority))
key = load_pem_private_key(read(key), None)
builder = PrivateFormat.PKCS12.encryption_builder().kdf_rounds(5000)
forms = {
    "best": BestAvailableEncryption(PASSWORD),
    "modern": builder.key_cert_algorithm(pkcs12.PBES.PBESv2SHA256AndAES256CBC)
    .hmac_hash(hashes.SHA512())
    .build(PASSWORD),
    "legacy": builder.key_cert_algorithm(pkcs12.PBES.PBESv1SHA1And3KeyTripleDESCBC)
    .hmac_hash(hashes.SHA1())
    .build(PASSWORD),
}
for form, encryption in forms.items():
    contents = pkcs12.serialize_key_and_certificates(b"worker", key, leaf, [*between, root], encryption)
    write(f"{out}-{form}", contents)
anchor = pkcs12.PKCS12Certificate(root, b"wurzel")
write(f"{out}-trust", pkcs12.serialize_java_truststore([anchor], forms["best"]))
