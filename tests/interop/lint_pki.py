"""Lint certificates and CRLs with pkilint: each alone, and each with the issuer that is among them.

lint_pki.py FILE...   prints one line per finding; exit code 1 when there is one of severity WARNING or worse

EXCLUDED lists the findings that do not bind a private PKI, each with its reason. Anything else must be fixed.
"""
import re
import sys

from pyasn1_alt_modules import rfc5280

from pkilint import loader, pkix, validation
from pkilint.bin import lint_pkix_signer_signee_cert_chain as chain
from pkilint.pkix import certificate, crl, extension, name

LABEL = "[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"

# code: (which findings of it, why they do not bind a private PKI)
EXCLUDED = {
    "pkix.invalid_domain_name_syntax": (
        re.compile(rf'"({LABEL}|\*(\.{LABEL}){{2,}})"$'),
        "One label: RFC 1034 section 3.5, to which RFC 5280 section 4.2.1.6 points, asks for no second one; inside one"
        " network hosts are called rabbitmq or localhost, and peers with short node names check just that."
        " A wildcard: RFC 5280 leaves it to the application, and RFC 9525 section 6.3 defines it.",
    ),
    "pkix.invalid_uri_syntax": (
        re.compile(r'"spiffe://[a-z0-9.-]+/[a-z0-9/_.-]+"$'),
        "RFC 3986 knows no list of schemes; the rule knows those of the web. This is a SPIFFE ID.",
    ),
}


def excluded(finding, message):
    which, _reason = EXCLUDED.get(finding.code, (None, None))
    return which is not None and which.search(message or "") is not None


def blocks(path, label):
    import base64

    with open(path, encoding="utf-8") as f:
        text = f.read()
    for body in re.findall(f"-----BEGIN {label}-----(.+?)-----END {label}-----", text, re.DOTALL):
        yield base64.b64decode(body)


def report(source, results):
    count = 0
    for result in results:
        for found in result.finding_descriptions:
            finding = found.finding
            if finding.severity > validation.ValidationFindingSeverity.WARNING:
                continue
            if excluded(finding, found.message):
                continue
            count += 1
            print(f"{source}: {finding.severity.name} {finding.code} at {result.node.path}: {found.message or ''}")
    return count


def certificate_lints():
    return certificate.create_pkix_certificate_validator_container(
        certificate.create_decoding_validators(name.ATTRIBUTE_TYPE_MAPPINGS, extension.EXTENSION_MAPPINGS),
        [
            certificate.create_issuer_validator_container([]),
            certificate.create_validity_validator_container(),
            certificate.create_subject_validator_container([]),
            certificate.create_extensions_validator_container([]),
            certificate.create_spki_validator_container([]),
        ],
    )


def crl_lints():
    return crl.create_pkix_crl_validator_container(
        [
            pkix.create_attribute_decoder(name.ATTRIBUTE_TYPE_MAPPINGS),
            pkix.create_extension_decoder(extension.EXTENSION_MAPPINGS),
        ],
        [
            crl.create_issuer_validator_container([]),
            crl.create_validity_validator_container([]),
            crl.create_extensions_validator_container([]),
        ],
    )


def pair(issuer_der, subject_der):
    load = loader.RFC5280CertificateDocumentLoader().load_der_document
    together = {}
    issuer = load(issuer_der, "issuer", "issuer", together)
    together["issuer"] = issuer
    subject = load(subject_der, "subject", "subject", together)
    together["subject"] = subject
    decode = chain.create_decoder_validation_container()
    results = decode.validate(issuer.root) + decode.validate(subject.root)
    results += chain.create_issuer_validation_container().validate(issuer.root)
    results += chain.create_subject_validation_container().validate(subject.root)
    return results


def main():
    certificates, lists = {}, {}
    for path in sys.argv[1:]:
        for der in blocks(path, "CERTIFICATE"):
            certificates.setdefault(der, path)
        for der in blocks(path, "X509 CRL"):
            lists.setdefault(der, path)
    load = loader.RFC5280CertificateDocumentLoader().load_der_document
    lint = certificate_lints()
    count = 0
    subjects, issuers = {}, {}
    for der, path in certificates.items():
        document = load(der, path)
        count += report(path, lint.validate(document.root))
        tbs = document.root.navigate("tbsCertificate").pdu
        from pyasn1.codec.der.encoder import encode

        subjects.setdefault(encode(tbs["subject"]), []).append(der)
        issuers[der] = encode(tbs["issuer"])
    pairs = 0
    for der, path in certificates.items():
        for issuer in subjects.get(issuers[der], []):
            if issuer != der:
                pairs += 1
                count += report(f"{certificates[issuer]} with {path}", pair(issuer, der))
    if lists:
        lint = crl_lints()
        for der, path in lists.items():
            document = loader.RFC5280CertificateListDocumentLoader().load_der_document(der, path)
            count += report(path, lint.validate(document.root))
    print(f"{len(certificates)} certificates, {pairs} pairs, {len(lists)} CRLs, {count} findings")
    if not certificates and not lists:
        sys.exit("nothing to lint")
    sys.exit(1 if count else 0)


main()
