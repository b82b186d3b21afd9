"""Publish numbers and consume them on one connection for a long time: steady.py HOST OTHER DIRECTORY REPORT

The queue is replicated, and led by OTHER: what HOST is told goes over the links between the nodes. A number is
published when its confirm has come, and the next one after that; each delivery is acknowledged. A confirm that does not
come (a link that breaks between the nodes can swallow one) is waited for no longer than STALL: the number is published
again on another channel of the same connection, as a careful publisher does. REPORT is replaced all the time by what
happened so far; the end comes when REPORT.stop is there and the queue is empty.
"""
import json
import os
import signal
import ssl
import sys
import time

import pika

host, other, directory, report = sys.argv[1:]
QUEUE = "numbers"
PATIENCE = 30
STALL = 15


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

told = {"published": 0, "done": 0, "redelivered": 0, "stalled": [], "twice": [], "lost": [], "failed": []}
seen = set()


def receive(channel, method, _properties, body):
    number = int(body)
    if method.redelivered:
        told["redelivered"] += 1
    elif number in seen and number not in told["stalled"]:
        told["twice"].append(number)
    seen.add(number)
    told["done"] = len(seen)
    channel.basic_ack(method.delivery_tag)


class Stalled(Exception):
    pass


def stall(_signal, _frame):
    raise Stalled


def publish(connection, channel, number):
    """Returns the channel to go on with."""
    signal.alarm(STALL)
    try:
        channel.basic_publish("", QUEUE, str(number).encode(), mandatory=True)
        return channel
    except Stalled:
        told["stalled"].append(number)
        again = connection.channel()
        again.confirm_delivery()
        return publish(connection, again, number)
    finally:
        signal.alarm(0)


def tell():
    with open(report + ".new", "w") as f:
        json.dump(told, f)
    os.rename(report + ".new", report)


try:
    signal.signal(signal.SIGALRM, stall)
    connection = connect(host)
    incoming, outgoing = connection.channel(), connection.channel()
    incoming.basic_qos(prefetch_count=20)
    incoming.basic_consume(QUEUE, receive)
    incoming.add_on_cancel_callback(lambda _: told["failed"].append("the consumer was cancelled"))
    outgoing.confirm_delivery()
    while not os.path.exists(report + ".stop"):
        outgoing = publish(connection, outgoing, told["published"] + 1)
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
