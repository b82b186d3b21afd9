@header@
# Use it with: from pika_connection import connect
# To try it: python pika_connection.py
import os
import ssl

import pika

@constants@


def key_password():
    """The password of the key, if it has one."""
    if not KEY_PASSWORD_FILE:
        return None
    with open(KEY_PASSWORD_FILE, encoding="utf-8") as file:
        return file.readline().rstrip("\r\n")


def parameters():
    """The broker, and who we are: the user is the name in the certificate."""
    context = ssl.create_default_context(cafile=CA_FILE)  # trusts these authorities alone, and checks the host name
    context.load_cert_chain(CERTIFICATE_FILE, KEY_FILE, key_password())
    return pika.ConnectionParameters(
        host=HOST,
        port=PORT,
        virtual_host=VHOST,
        credentials=pika.credentials.ExternalCredentials(),
        ssl_options=pika.SSLOptions(context, server_hostname=HOST),
    )


def connect():
    """A blocking connection; give parameters() to the other adapters."""
    return pika.BlockingConnection(parameters())


if __name__ == "__main__":
    connect().close()
    print("logged in")
