@header@
# Use it with: from mqtt_client import client, connect
# To try it: python mqtt_client.py
import os
import ssl

import paho.mqtt.client as mqtt

@constants@


def key_password():
    """The password of the key, if it has one."""
    if not KEY_PASSWORD_FILE:
        return None
    with open(KEY_PASSWORD_FILE, encoding="utf-8") as file:
        return file.readline().rstrip("\r\n")


def client(client_id=""):
    """A client that is not connected yet; the user is the name in the certificate, so it has no user name of its own."""
    context = ssl.create_default_context(cafile=CA_FILE)  # trusts these authorities alone, and checks the host name
    context.load_cert_chain(CERTIFICATE_FILE, KEY_FILE, key_password())
    made = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=client_id)
    made.tls_set_context(context)
    return made


def connect(made):
    """Connects it, once its callbacks are set."""
    made.connect(HOST, PORT)
    return made


if __name__ == "__main__":

    def on_connect(made, userdata, flags, reason_code, properties):
        print("refused:" if reason_code.is_failure else "logged in", reason_code)
        made.disconnect()

    trial = client()
    trial.on_connect = on_connect
    connect(trial).loop_forever()
