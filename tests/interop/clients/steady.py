"""Publish numbers and consume them on one connection for a long time: steady.py HOST OTHER DIRECTORY REPORT

The queue is replicated, and led by OTHER: what HOST is told goes over the links between the nodes. A number is
published when its confirm has come, and the next one after that; each delivery is acknowledged. REPORT is replaced all
the time by what happened so far; the end comes when REPORT.stop is there and the queue is empty.
"""
import json
import os
import ssl
import sys
import time

import pika

host, other, directory, report = sys.argv[1:]
QUEUE = "numbers"
PATIENCE = 30


def connect(to):
    context = ssl.create_default_context(cafile=os.path.join(directory, "ca_certificate.pem"))
    context.load_cert_chain(os.path.join(directory, "client_certificate.pem"), os.path.join(directory, "client_key.pem"))
    parameters = pika.ConnectionParameters(
        to,
        5671,
        credentials=pika.credentials.ExternalCredentials(),
        ssl_options=pika.SSLOptions(context, to),
        connection_attempts=1,
        socket_timeout=15,
        stack_timeout=30,
    )
    return pika.BlockingConnection(parameters)


# Who declares a queue has it led by the node that he is connected to.
first = connect(other)
first.channel().queue_declare(QUEUE, durable=True, arguments={"x-queue-type": "quorum"})
first.close()

told = {"published": 0, "done": 0, "redelivered": 0, "twice": [], "lost": [], "failed": []}
seen = set()


def receive(channel, method, _properties, body):
    number = int(body)
    if method.redelivered:
        told["redelivered"] += 1
    elif number in seen:
        told["twice"].append(number)
    seen.add(number)
    told["done"] = len(seen)
    channel.basic_ack(method.delivery_tag)


def tell():
    with open(report + ".new", "w") as f:
        json.dump(told, f)
    os.rename(report + ".new", report)


try:
    connection = connect(host)
    incoming, outgoing = connection.channel(), connection.channel()
    incoming.basic_qos(prefetch_count=20)
    incoming.basic_consume(QUEUE, receive)
    incoming.add_on_cancel_callback(lambda _: told["failed"].append("the consumer was cancelled"))
    outgoing.confirm_delivery()
    while not os.path.exists(report + ".stop"):
        outgoing.basic_publish("", QUEUE, str(told["published"] + 1).encode(), mandatory=True)
        told["published"] += 1
        connection.process_data_events(time_limit=0)
        tell()
    until = time.monotonic() + PATIENCE
    while len(seen) < told["published"] and time.monotonic() < until:
        connection.process_data_events(time_limit=0.2)
    connection.close()
except Exception as why:
    told["failed"].append(repr(why))
told["lost"] = sorted(set(range(1, told["published"] + 1)) - seen)
tell()
