"""Receive by an emitted module what a command publishes: mqtt_emitted.py DEVICE_DIR TOPIC MESSAGE COMMAND...

DEVICE_DIR holds mqtt_client.py as it was written.
"""
import subprocess
import sys

sys.path.insert(0, sys.argv[1])
topic, message, command = sys.argv[2], sys.argv[3], sys.argv[4:]
import mqtt_client

received = []
publisher = None


def on_connect(device, userdata, flags, reason_code, properties):
    assert not reason_code.is_failure, reason_code
    device.subscribe(topic, qos=1)


def on_subscribe(device, userdata, mid, reason_codes, properties):
    global publisher
    assert not any(code.is_failure for code in reason_codes), reason_codes
    publisher = subprocess.Popen(command)


def on_message(device, userdata, published):
    received.append(published.payload.decode())
    device.disconnect()


device = mqtt_client.client("receiver")
device.on_connect, device.on_subscribe, device.on_message = on_connect, on_subscribe, on_message
mqtt_client.connect(device)
device.loop_forever()
publisher.wait(30)
assert received and received[0] == message, received
print("received")
