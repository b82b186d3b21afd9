"""Connect with every client library of Python that people use, and say what each of them prints.

provoke.py HOST PORT [--ca CA] [--cert CERT --key KEY] [--vhost V] [--with ssl12,ssl13,pika,kombu] [--mechanism PLAIN]
           [--strict] [--plain] [--old]

Prints a JSON list of [who, text]; an empty text: it worked. A text is the last line of the traceback, as a user sees it.
"""
import argparse
import json
import logging
import socket
import ssl
import traceback
import urllib.parse
import warnings

import kombu
import pika

parser = argparse.ArgumentParser()
parser.add_argument("host")
parser.add_argument("port", type=int)
parser.add_argument("--ca")
parser.add_argument("--cert")
parser.add_argument("--key")
parser.add_argument("--vhost", default="/")
parser.add_argument("--with", dest="clients", default="ssl12,ssl13,pika,kombu")
parser.add_argument("--mechanism", default="EXTERNAL")
parser.add_argument("--strict", action="store_true", help="verify as Python 3.13 does")
parser.add_argument("--plain", action="store_true", help="no TLS")
parser.add_argument("--old", action="store_true", help="nothing newer than TLS 1.1")
given = parser.parse_args()

logging.disable(logging.CRITICAL)
warnings.simplefilter("ignore")


def context(version=None):
    made = ssl.create_default_context(cafile=given.ca)
    if given.cert:
        made.load_cert_chain(given.cert, given.key)
    if given.strict:
        made.verify_flags |= ssl.VERIFY_X509_STRICT | ssl.VERIFY_X509_PARTIAL_CHAIN
    if given.old:
        made.set_ciphers("DEFAULT@SECLEVEL=0")
        made.minimum_version, made.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    elif version:
        made.minimum_version = made.maximum_version = version
    return made


def handshake(version):
    with socket.create_connection((given.host, given.port), timeout=10) as tcp:
        with context(version).wrap_socket(tcp, server_hostname=given.host) as tls:
            tls.sendall(b"AMQP\0\0\x09\x01")
            tls.recv(4096)


def with_pika():
    external = given.mechanism == "EXTERNAL"
    credentials = pika.credentials.ExternalCredentials() if external else pika.PlainCredentials("guest", "guest")
    pika.BlockingConnection(
        pika.ConnectionParameters(
            given.host,
            given.port,
            given.vhost,
            credentials=credentials,
            ssl_options=None if given.plain else pika.SSLOptions(context(), given.host),
            connection_attempts=1,
            socket_timeout=10,
            stack_timeout=15,
            blocked_connection_timeout=10,
        )
    ).close()


def with_kombu():
    tls = {"ca_certs": given.ca, "cert_reqs": ssl.CERT_REQUIRED, "server_hostname": given.host}
    if given.cert:
        tls |= {"certfile": given.cert, "keyfile": given.key}
    vhost = urllib.parse.quote(given.vhost, safe="")
    scheme, options = ("amqp", {}) if given.plain else ("amqps", {"ssl": tls})
    user = "" if given.mechanism == "EXTERNAL" else "guest:guest@"
    with kombu.Connection(
        f"{scheme}://{user}{given.host}:{given.port}/{vhost}",
        login_method=given.mechanism,
        connect_timeout=10,
        **options,
    ) as connection:
        connection.connect()


ways = {
    "ssl12": ("python TLS 1.2", lambda: handshake(ssl.TLSVersion.TLSv1_2)),
    "ssl13": ("python TLS 1.3", lambda: handshake(ssl.TLSVersion.TLSv1_3)),
    "pika": ("pika", with_pika),
    "kombu": ("kombu", with_kombu),
}
said = []
for way in given.clients.split(","):
    who, run = ways[way]
    text = ""
    try:
        run()
    except Exception as problem:
        text = traceback.format_exception_only(problem)[-1].strip()
    said.append([who, text])
print(json.dumps(said))
