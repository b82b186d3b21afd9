"""Connect to a broker over MQTTS with a device certificate and exchange a message.

mqtt.py HOST PORT CA CERTIFICATE KEY [TOPIC]
"""
import ssl
import sys
import threading

import paho.mqtt.client as mqtt

host, port, ca, cert, key = sys.argv[1:6]
topic = sys.argv[6] if len(sys.argv) > 6 else None
connected, subscribed, received, problem = threading.Event(), threading.Event(), threading.Event(), []


def on_connect(client, _data, _flags, reason, _properties):
    if reason.is_failure:
        problem.append(str(reason))
    connected.set()


client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id="certgen-test")
client.tls_set(ca_certs=ca, certfile=cert, keyfile=key, cert_reqs=ssl.CERT_REQUIRED)
client.on_connect = on_connect
client.on_subscribe = lambda *_: subscribed.set()
client.on_message = lambda *_: received.set()
client.connect(host, int(port), keepalive=20)
client.loop_start()
if not connected.wait(15):
    problem.append("no answer to CONNECT")
if not problem and topic:
    client.subscribe(topic, qos=1)
    if not subscribed.wait(10):
        problem.append("no answer to SUBSCRIBE")
    client.publish(topic, b"21.5", qos=1)
    if not received.wait(10):
        problem.append("the message did not come back")
client.disconnect()
client.loop_stop()
if problem:
    sys.exit("refused: " + "; ".join(problem))
print("mqtt ok")
