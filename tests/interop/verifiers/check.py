"""Judges every case of a directory with the ssl module, as a client or a server that verifies its peer would."""

import pathlib
import ssl
import sys


def judge(directory, purpose, host):
    chain, key, anchors = (str(directory / name) for name in ("chain.pem", "key.pem", "anchors.pem"))
    is_server = purpose == "server"
    judging = ssl.create_default_context(
        ssl.Purpose.SERVER_AUTH if is_server else ssl.Purpose.CLIENT_AUTH, cafile=anchors
    )
    if not is_server:
        judging.verify_mode = ssl.CERT_REQUIRED
    shown = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if is_server else ssl.PROTOCOL_TLS_CLIENT)
    shown.set_ciphers("ALL:@SECLEVEL=0")
    if not is_server:
        shown.check_hostname, shown.verify_mode = False, ssl.CERT_NONE
        own = directory.parent / "judge"
        judging.load_cert_chain(str(own / "chain.pem"), str(own / "key.pem"))
    shown.load_cert_chain(chain, key)
    a, b = ssl.MemoryBIO(), ssl.MemoryBIO()
    name = host if is_server else None
    judge_side = judging.wrap_bio(a, b, server_side=not is_server, server_hostname=name)
    shown_side = shown.wrap_bio(b, a, server_side=is_server)
    done = set()
    for _ in range(10):
        for side in (judge_side, shown_side):
            if side in done:
                continue
            try:
                side.do_handshake()
                done.add(side)
            except ssl.SSLWantReadError:
                pass
            except ssl.SSLCertVerificationError as e:
                return "NO\tcertificate verify failed: " + e.verify_message
            except ssl.SSLError as e:
                if side is judge_side:
                    return "NO\t" + str(e)
                raise
        if len(done) == 2:
            return "OK"
    return "NO\tthe handshake did not end"


root = pathlib.Path(sys.argv[1])
for line in (root / "cases.tsv").read_text().splitlines():
    name, purpose, host = line.split("\t")
    try:
        print(name, judge(root / name, purpose, host), sep="\t")
    except ssl.SSLError as e:
        print(name, "SHOWN", e, sep="\t")
