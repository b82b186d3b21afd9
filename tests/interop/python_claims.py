"""What the client libraries do with settings that are wrong: one line for each, `NAME: EXCEPTION: TEXT` or `NAME: connected`.

The server is Python's own, with the certificate and key that are given; it says nothing, so that a client which got through
the handshake ends there.
"""

import asyncio
import logging
import socket
import ssl
import sys
import threading
import warnings

import aio_pika
import kombu
import paho.mqtt.client as mqtt
import pika

CERTIFICATE, KEY, CA = sys.argv[1:]
warnings.simplefilter("ignore")
logging.disable(logging.CRITICAL)

context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(CERTIFICATE, KEY)
server = socket.create_server(("127.0.0.1", 0))
PORT = server.getsockname()[1]
# What the server saw of the last client: "tls" once the handshake was done and the client spoke, else "no tls".
seen = {}


def serve():
    while True:
        connection, _ = server.accept()
        connection.settimeout(5)
        try:
            with context.wrap_socket(connection, server_side=True) as wrapped:
                seen["last"] = "tls" if wrapped.recv(8) else "no tls"
        except OSError:
            seen["last"] = "no tls"
            connection.close()


threading.Thread(target=serve, daemon=True).start()


def answer(call):
    try:
        call()
        return "returned"
    except Exception as e:  # whatever it is, it is the answer
        return f"{type(e).__name__}: {e}"


def say(name, call):
    print(f"{name}: {answer(call)}", flush=True)


def meet(name, call):
    seen.pop("last", None)
    said = answer(call)
    for _ in range(40):
        if "last" in seen:
            break
        threading.Event().wait(0.05)
    # A client that spoke AMQP over TLS has taken the certificate; that the silent server then closed is no part of the claim.
    print(f"{name}: {'connected' if seen.get('last') == 'tls' else said}", flush=True)


def name_error():
    exec('if _name_ == "_main_": pass', {})


def with_kombu(host="127.0.0.1", login_method=None, **options):
    connection = kombu.Connection(
        hostname=host, port=PORT, transport="pyamqp", login_method=login_method, ssl=options, connect_timeout=20
    )
    connection.connect()


def with_aio_pika(**options):
    asyncio.run(aio_pika.connect(host="localhost", port=PORT, timeout=20, **options))


def with_paho(insecure=False, **options):
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
    client.tls_set(**options)
    if insecure:
        client.tls_insecure_set(True)
    client.connect("127.0.0.1", PORT)


def with_context(made):
    with socket.create_connection(("127.0.0.1", PORT)) as connection:
        with made.wrap_socket(connection, server_hostname="127.0.0.1") as wrapped:
            wrapped.send(b"AMQP\0\0\x09\x01")


def with_pika(**options):
    pika.BlockingConnection(pika.ConnectionParameters(host="127.0.0.1", port=PORT, connection_attempts=1, **options))


verified = {"ca_certs": CA, "cert_reqs": ssl.CERT_REQUIRED}
trusting = ssl.create_default_context(cafile=CA)

say("pika use_ssl", lambda: pika.SSLOptions(use_ssl=True, certfile="a"))
say("pika context of a mapping", lambda: pika.SSLOptions({}))
say("pika options of a mapping", lambda: pika.ConnectionParameters(ssl_options={"a": 1}))
say("pika options of a context", lambda: pika.ConnectionParameters(ssl_options=trusting))
say("pika ssl", lambda: pika.ConnectionParameters(ssl=True))
meet("pika checks the host", lambda: with_pika(ssl_options=pika.SSLOptions(trusting)))
meet("pika plain", with_pika)
print("pika port with tls:", pika.ConnectionParameters(ssl_options=pika.SSLOptions(trusting)).port)

meet("kombu without server_hostname", lambda: with_kombu(**verified))
meet("kombu PROTOCOL_TLS_CLIENT", lambda: with_kombu(**verified, ssl_version=ssl.PROTOCOL_TLS_CLIENT))
meet("kombu server_hostname", lambda: with_kombu(**verified, server_hostname="elsewhere.example.org"))
meet("kombu localhost and None", lambda: with_kombu(host="localhost", **verified, server_hostname=None))
meet("kombu localhost and its name", lambda: with_kombu(host="localhost", **verified, server_hostname="localhost"))
meet("kombu no options", with_kombu)
meet("kombu without cert_reqs", lambda: with_kombu(ca_certs=CERTIFICATE))
meet("kombu another version without cert_reqs", lambda: with_kombu(ssl_version=ssl.PROTOCOL_TLSv1_2))
say("kombu cafile", lambda: with_kombu(**verified, cafile=CA))
say("kombu cert_reqs of a text", lambda: with_kombu(ca_certs=CA, cert_reqs="CERT_REQUIRED"))
say("kombu lower case", lambda: with_kombu(**verified, login_method="external"))
say("kombu no key", lambda: with_kombu(**verified, certfile=CERTIFICATE))
print("kombu default login method:", kombu.Connection("amqps://h").transport.default_connection_params["login_method"])
print("kombu default user:", kombu.Connection("amqps://h").transport.default_connection_params["userid"])

meet("aio-pika ca_certs", lambda: with_aio_pika(ssl=True, ssl_options={"ca_certs": CA}))
meet("aio-pika cafile", lambda: with_aio_pika(ssl=True, ssl_options={"cafile": CA}))
meet("aio-pika no_verify_ssl", lambda: with_aio_pika(ssl=True, ssl_options={"no_verify_ssl": 1}))
meet("aio-pika context without ssl", lambda: with_aio_pika(ssl_context=trusting))
meet("aio-pika options without ssl", lambda: with_aio_pika(ssl_options={"cafile": CA}))
print("aio-pika url with tls:", aio_pika.connection.make_url(host="h", ssl=True))

meet("paho another name", lambda: with_paho(ca_certs=CA))
meet("paho insecure", lambda: with_paho(ca_certs=CA, insecure=True))
meet("paho CERT_NONE", lambda: with_paho(cert_reqs=ssl.CERT_NONE))
say("paho cafile", lambda: with_paho(cafile=CA))
print("paho default port:", mqtt.Client.connect.__defaults__[0])

meet("ssl CLIENT_AUTH", lambda: with_context(ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)))
meet("ssl PROTOCOL_TLS", lambda: with_context(ssl.SSLContext(ssl.PROTOCOL_TLS)))
meet("ssl PROTOCOL_TLS_CLIENT", lambda: with_context(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)))
meet("ssl own authority unknown", lambda: with_context(ssl.create_default_context()))
say("ssl PROTOCOL_SSLv3", lambda: ssl.PROTOCOL_SSLv3)
say("misspelt name", name_error)
