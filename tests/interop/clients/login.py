"""Log in to a broker over AMQPS, declare and use a queue of one's own, say who one is.

login.py HOST PORT CA [CERTIFICATE KEY] [--vhost V] [--queue Q] [--user U --password-file F]
"""
import argparse
import ssl

import pika

parser = argparse.ArgumentParser()
parser.add_argument("host")
parser.add_argument("port", type=int)
parser.add_argument("ca")
parser.add_argument("pair", nargs="*")
parser.add_argument("--vhost", default="/")
parser.add_argument("--queue", help="declare it, publish to it and read it back")
parser.add_argument("--user", help="log in with PLAIN, not by the certificate")
parser.add_argument("--password-file")
given = parser.parse_args()

context = ssl.create_default_context(cafile=given.ca)
if given.pair:
    context.load_cert_chain(*given.pair)
credentials = pika.credentials.ExternalCredentials()
if given.user:
    credentials = pika.PlainCredentials(given.user, open(given.password_file).read().strip())
connection = pika.BlockingConnection(
    pika.ConnectionParameters(
        given.host,
        given.port,
        given.vhost,
        credentials=credentials,
        ssl_options=pika.SSLOptions(context, given.host),
        connection_attempts=1,
        socket_timeout=10,
        stack_timeout=20,
        blocked_connection_timeout=10,
    )
)
if given.queue:
    channel = connection.channel()
    channel.queue_declare(given.queue, exclusive=True)
    channel.basic_publish("", given.queue, b"hello")
    method, _, body = channel.basic_get(given.queue, auto_ack=True)
    for _ in range(50):
        if method:
            break
        connection.sleep(0.1)
        method, _, body = channel.basic_get(given.queue, auto_ack=True)
    assert body == b"hello", body
connection.close()
print("login ok")
