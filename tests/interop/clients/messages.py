"""Publish or fetch one message over AMQPS, with EXTERNAL.

messages.py HOST PORT CA CERTIFICATE KEY VHOST publish EXCHANGE ROUTING_KEY BODY
messages.py HOST PORT CA CERTIFICATE KEY VHOST declare EXCHANGE QUEUE        (a fanout exchange, if named, bound to a queue, if named)
messages.py HOST PORT CA CERTIFICATE KEY VHOST get QUEUE BODY                (waits for it)
"""
import ssl
import sys

import pika

host, port, ca, certificate, key, vhost, action, *rest = sys.argv[1:]
context = ssl.create_default_context(cafile=ca)
context.load_cert_chain(certificate, key)
connection = pika.BlockingConnection(
    pika.ConnectionParameters(
        host,
        int(port),
        vhost,
        credentials=pika.credentials.ExternalCredentials(),
        ssl_options=pika.SSLOptions(context, host),
        connection_attempts=1,
        socket_timeout=10,
        stack_timeout=20,
    )
)
channel = connection.channel()
if action == "declare":
    exchange, queue = rest
    if exchange:
        channel.exchange_declare(exchange, "fanout", durable=True)
    if queue:
        channel.queue_declare(queue, durable=True)
    if exchange and queue:
        channel.queue_bind(queue, exchange)
elif action == "publish":
    exchange, routing_key, body = rest
    channel.confirm_delivery()
    channel.basic_publish(exchange, routing_key, body.encode(), mandatory=True)
else:
    queue, body = rest
    found = None
    for method, _, found in channel.consume(queue, auto_ack=True, inactivity_timeout=25):
        break
    channel.cancel()
    assert found == body.encode(), found
connection.close()
print(action, "ok")
