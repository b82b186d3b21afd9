"""Log in as a client and stay: says how it ended.

stay.py HOST PORT CA CERTIFICATE KEY VHOST SECONDS
"""
import ssl
import sys
import time

import pika

host, port, ca, certificate, key, vhost, seconds = sys.argv[1:]
context = ssl.create_default_context(cafile=ca)
context.load_cert_chain(certificate, key)
parameters = pika.ConnectionParameters(
    host,
    int(port),
    vhost,
    credentials=pika.credentials.ExternalCredentials(),
    ssl_options=pika.SSLOptions(context, host),
    connection_attempts=1,
    socket_timeout=10,
    stack_timeout=20,
)
connection = pika.BlockingConnection(parameters)
until = time.monotonic() + float(seconds)
try:
    while time.monotonic() < until:
        connection.process_data_events(time_limit=0.5)
except pika.exceptions.AMQPError as why:
    print("cut off:", repr(why))
    sys.exit(0)
print("never cut off")
sys.exit(1)
