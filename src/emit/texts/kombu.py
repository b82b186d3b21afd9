@header@
# Use it with: from kombu_connection import connection
# To try it: python kombu_connection.py
import os
import ssl

import kombu

@constants@


def connection():
    """The broker, and who we are: the user is the name in the certificate."""
    return kombu.Connection(
        hostname=HOST,
        port=PORT,
        virtual_host=VHOST,
        transport="pyamqp",
        login_method="EXTERNAL",  # upper case
        ssl={
            "ca_certs": CA_FILE,
            "certfile": CERTIFICATE_FILE,
            "keyfile": KEY_FILE,
            "cert_reqs": ssl.CERT_REQUIRED,
            "server_hostname": HOST,  # without it nobody checks the broker's name
        },
    )


if __name__ == "__main__":
    with connection() as broker:
        broker.connect()
    print("logged in")
