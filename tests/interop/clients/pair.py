"""Makes one certificate, good or bad in one way: pair.py OUT [--ca CERT KEY] and what it should be.

Writes OUT/cert.pem (leaf alone), OUT/chain.pem (leaf and the issuer), OUT/key.pem and OUT/combined.pem.
"""
import argparse
import datetime
import ipaddress
import pathlib
import subprocess

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

parser = argparse.ArgumentParser()
parser.add_argument("out", type=pathlib.Path)
parser.add_argument("--ca", nargs=2, type=pathlib.Path, help="the issuer; without it the certificate signs itself")
parser.add_argument("--cn")
parser.add_argument("--san", action="append", default=[])
parser.add_argument("--eku", default="", help="server, client or server,client")
parser.add_argument("--from-day", type=float, default=-1)
parser.add_argument("--to-day", type=float, default=30)
parser.add_argument("--rsa", type=int)
parser.add_argument("--sha1", action="store_true")
parser.add_argument("--authority", action="store_true")
parser.add_argument("--bare", action="store_true", help="no key usage, no key identifiers")
given = parser.parse_args()

key = rsa.generate_private_key(65537, given.rsa) if given.rsa else ec.generate_private_key(ec.SECP256R1())
subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, given.cn)] if given.cn else
                    [x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Example")])
issuer_name, issuer_key, issuer = subject, key, None
if given.ca:
    issuer = x509.load_pem_x509_certificate(given.ca[0].read_bytes())
    issuer_name = issuer.subject
    issuer_key = serialization.load_pem_private_key(given.ca[1].read_bytes(), None)
now = datetime.datetime.now(datetime.timezone.utc)
builder = (
    x509.CertificateBuilder()
    .subject_name(subject)
    .issuer_name(issuer_name)
    .public_key(key.public_key())
    .serial_number(x509.random_serial_number())
    .not_valid_before(now + datetime.timedelta(days=given.from_day))
    .not_valid_after(now + datetime.timedelta(days=given.to_day))
    .add_extension(x509.BasicConstraints(given.authority, None), critical=True)
)
if not given.bare:
    usage = dict.fromkeys(
        "digital_signature content_commitment key_encipherment data_encipherment key_agreement key_cert_sign crl_sign "
        "encipher_only decipher_only".split(), False)
    usage |= {"key_cert_sign": True, "crl_sign": True} if given.authority else {"digital_signature": True}
    if given.rsa and not given.authority:
        usage["key_encipherment"] = True
    authority_key = (issuer_key if issuer else key).public_key()
    builder = (
        builder.add_extension(x509.KeyUsage(**usage), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key), critical=False)
    )


def general(name):
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


if given.san:
    builder = builder.add_extension(x509.SubjectAlternativeName([general(n) for n in given.san]), critical=False)
if given.eku:
    oids = {"server": ExtendedKeyUsageOID.SERVER_AUTH, "client": ExtendedKeyUsageOID.CLIENT_AUTH}
    usages = x509.ExtendedKeyUsage([oids[usage] for usage in given.eku.split(",")])
    builder = builder.add_extension(usages, critical=False)
certificate = builder.sign(issuer_key, hashes.SHA256())

pem = certificate.public_bytes(serialization.Encoding.PEM)
chain = pem + (issuer.public_bytes(serialization.Encoding.PEM) if issuer else b"")
private = key.private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
given.out.mkdir(parents=True, exist_ok=True)
for name, content in [("cert.pem", pem), ("chain.pem", chain), ("key.pem", private), ("combined.pem", pem + private)]:
    (given.out / name).write_bytes(content)
    (given.out / name).chmod(0o600)
if given.sha1:
    # The library refuses to sign with it; openssl does not.
    request = x509.CertificateSigningRequestBuilder().subject_name(subject)
    for extension in certificate.extensions:
        request = request.add_extension(extension.value, extension.critical)
    csr, cert = given.out / "request.pem", given.out / "cert.pem"
    csr.write_bytes(request.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    subprocess.run(
        ["openssl", "x509", "-req", "-in", csr, "-CA", given.ca[0], "-CAkey", given.ca[1], "-sha1", "-days", "30",
         "-copy_extensions", "copyall", "-set_serial", "77", "-out", cert], check=True, stderr=subprocess.DEVNULL)
    (given.out / "combined.pem").write_bytes(cert.read_bytes() + private)
