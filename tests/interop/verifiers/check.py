"""Judges every case of a directory with the ssl module, as a client or a server that verifies its peer would. What a case
is about may stand behind its host: chain (which goes without saying), crl, key, pem, key-store."""

import os
import pathlib
import re
import signal
import ssl
import sys
import time

PATIENCE = 2


def load(directory):
    """The chain with its key, as their owner loads them."""
    password = directory / "password.txt"
    given = password.read_text() if password.exists() else None
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(
        str(directory / "chain.pem"), str(directory / "key.pem"), password=given
    )


def load_in_time(directory):
    """The same, given up after PATIENCE seconds: the library holds the interpreter as long as it computes."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            load(directory)
            text = "OK"
        except ssl.SSLError as e:
            text = "NO\t" + plain(e)
        os.write(writer, text.encode())
        os._exit(0)
    os.close(writer)
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until and os.waitpid(child, os.WNOHANG) == (0, 0):
        time.sleep(0.01)
    try:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    except (ProcessLookupError, ChildProcessError):
        pass
    return os.read(reader, 4096).decode() or "STALLS"


def plain(error):
    """Without the line of the interpreter's source."""
    return re.sub(r" \(_ssl\.c:\d+\)", "", str(error))


def judge(directory, purpose, host, about="chain"):
    if about == "key-store":
        return "NONE"
    if about == "key":
        return load_in_time(directory)
    chain, key, anchors = (str(directory / name) for name in ("chain.pem", "key.pem", "anchors.pem"))
    if about == "pem":
        try:
            load(directory)
            ssl.create_default_context(cafile=anchors)
        except ssl.SSLError as e:
            return "NO\t" + plain(e)
    is_server = purpose == "server"
    judging = ssl.create_default_context(
        ssl.Purpose.SERVER_AUTH if is_server else ssl.Purpose.CLIENT_AUTH, cafile=anchors
    )
    if not is_server:
        judging.verify_mode = ssl.CERT_REQUIRED
    if about == "crl":
        judging.load_verify_locations(str(directory / "crl.pem"))
        judging.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
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
                    return "NO\t" + plain(e)
                raise
        if len(done) == 2:
            return "OK"
    return "NO\tthe handshake did not end"


root = pathlib.Path(sys.argv[1])
for line in (root / "cases.tsv").read_text().splitlines():
    name, *asked = line.split("\t")
    try:
        print(name, judge(root / name, *asked), sep="\t")
    except ssl.SSLError as e:
        print(name, "SHOWN", plain(e), sep="\t")
