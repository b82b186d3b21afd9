"""Log in over and over, each time with the files as they lie then: reconnect.py HOST DIRECTORY REPORT

DIRECTORY is that of a client, or a link to one. Each login declares a queue of its own, publishes to it and reads it
back. REPORT is replaced all the time by what happened so far; the end comes when REPORT.stop is there.
"""
import json
import os
import ssl
import sys
import time

import pika

host, directory, report = sys.argv[1:]
told = {"done": 0, "torn": 0, "failed": []}


def context():
    """Certificate and key are two files: who reads them while they are replaced may get one of each, and reads again."""
    for _ in range(100):
        there = os.path.realpath(directory)
        here = ssl.create_default_context(cafile=os.path.join(there, "ca_certificate.pem"))
        try:
            here.load_cert_chain(os.path.join(there, "client_certificate.pem"), os.path.join(there, "client_key.pem"))
            return here
        except ssl.SSLError as why:
            if "KEY_VALUES_MISMATCH" not in str(why):
                raise
            told["torn"] += 1
            time.sleep(0.01)
    raise RuntimeError("certificate and key do not belong together")


def login():
    parameters = pika.ConnectionParameters(
        host,
        5671,
        credentials=pika.credentials.ExternalCredentials(),
        ssl_options=pika.SSLOptions(context(), host),
        connection_attempts=1,
        socket_timeout=15,
        stack_timeout=30,
        blocked_connection_timeout=15,
    )
    connection = pika.BlockingConnection(parameters)
    try:
        channel = connection.channel()
        queue = channel.queue_declare("", exclusive=True).method.queue
        channel.confirm_delivery()
        channel.basic_publish("", queue, b"hello")
        method, _, body = channel.basic_get(queue, auto_ack=True)
        assert method and body == b"hello", body
    finally:
        if connection.is_open:
            connection.close()


def tell():
    with open(report + ".new", "w") as f:
        json.dump(told, f)
    os.rename(report + ".new", report)


while not os.path.exists(report + ".stop"):
    try:
        login()
        told["done"] += 1
    except Exception as why:
        told["failed"].append(repr(why))
        time.sleep(0.1)
    tell()
