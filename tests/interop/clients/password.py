"""Log in with a password, without TLS or, with a CA, with it; use a queue; stay if asked to.

password.py HOST PORT USER PASSWORD VHOST [--ca CA] [--name NAME] [--stay SECONDS]
"""
import argparse
import ssl

import pika

parser = argparse.ArgumentParser()
parser.add_argument("host")
parser.add_argument("port", type=int)
parser.add_argument("user")
parser.add_argument("password")
parser.add_argument("vhost")
parser.add_argument("--ca")
parser.add_argument("--name")
parser.add_argument("--stay", type=float, default=0)
given = parser.parse_args()

options = {}
if given.ca:
    options["ssl_options"] = pika.SSLOptions(ssl.create_default_context(cafile=given.ca), given.host)
if given.name:
    options["client_properties"] = {"connection_name": given.name}
connection = pika.BlockingConnection(
    pika.ConnectionParameters(
        given.host,
        given.port,
        given.vhost,
        credentials=pika.PlainCredentials(given.user, given.password),
        connection_attempts=1,
        socket_timeout=10,
        stack_timeout=20,
        **options,
    )
)
channel = connection.channel()
queue = channel.queue_declare("", exclusive=True).method.queue
channel.basic_publish("", queue, b"hello")
for _ in range(50):
    method, _, body = channel.basic_get(queue, auto_ack=True)
    if method:
        break
    connection.sleep(0.1)
assert body == b"hello", body
if given.stay:
    connection.sleep(given.stay)
connection.close()
print("login ok")
