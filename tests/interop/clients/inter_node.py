"""Knock at the inter-node port as another node would: inter_node.py HOST PORT CA [CERTIFICATE KEY]

The TLS handshake says whether the certificate is that of a peer; with TLS 1.3 a refusal arrives after the client has
finished, so a first message is sent and an answer awaited. What counts is the certificate: a refusal is a TLS alert;
that the node then hangs up on a peer which does not speak on is not one.
"""
import socket
import ssl
import sys

host, port, ca, *pair = sys.argv[1:]
context = ssl.create_default_context(cafile=ca)
context.check_hostname = False
if pair:
    context.load_cert_chain(*pair)
with socket.create_connection((host, int(port)), timeout=10) as plain:
    with context.wrap_socket(plain) as tls:
        tls.sendall(b"\x00\x01?")
        answer = tls.recv(64)
print("let in, and answered", answer)
