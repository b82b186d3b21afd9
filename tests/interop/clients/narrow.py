"""What a Celery worker may not do: narrow.py WORKER_DIR OWNER_DIR

Both hold pika_connection.py as it was written, for clients of one virtual host; the owner may do everything there. A
permission of the worker that is wider than what Celery needs makes one of these succeed.
"""
import importlib.util
import os
import sys

import pika


def connect(directory):
    spec = importlib.util.spec_from_file_location("of_" + str(len(sys.modules)), os.path.join(directory, "pika_connection.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.connect()


def publish(channel, exchange):
    channel.confirm_delivery()
    channel.basic_publish(exchange, "x", b"x")


owner = connect(sys.argv[2]).channel()
owner.queue_declare("private")
owner.exchange_declare("private.exchange", "topic")

FORBIDDEN = {
    "declare a queue of another name": lambda c: c.queue_declare("other"),
    "declare a queue that begins like its own": lambda c: c.queue_declare("celery.other"),
    "declare a queue that ends like its own": lambda c: c.queue_declare("other-celery"),
    "declare an exchange of another name": lambda c: c.exchange_declare("other", "topic"),
    "delete a queue of somebody else": lambda c: c.queue_delete("private"),
    "read a queue of somebody else": lambda c: c.basic_get("private"),
    "purge a queue of somebody else": lambda c: c.queue_purge("private"),
    "bind a queue of somebody else": lambda c: c.queue_bind("private", "private.exchange", "#"),
    "bind its queue to amq.topic": lambda c: c.queue_bind("celery", "amq.topic", "#"),
    "publish to amq.topic": lambda c: publish(c, "amq.topic"),
    "publish to amq.fanout": lambda c: publish(c, "amq.fanout"),
    "publish to an exchange of somebody else": lambda c: publish(c, "private.exchange"),
}
ALLOWED = {
    "declare its queue": lambda c: c.queue_declare("celery", durable=True),
    "declare its events": lambda c: c.exchange_declare("celeryev", "topic", durable=True),
}

worker = connect(sys.argv[1])
wrong = []
for what, attempt in ALLOWED.items():
    try:
        attempt(worker.channel())
    except pika.exceptions.ChannelClosedByBroker as e:
        wrong.append(f"it cannot {what}: {e}")
for what, attempt in FORBIDDEN.items():
    try:
        attempt(worker.channel())
        wrong.append(f"it can {what}")
    except pika.exceptions.ChannelClosedByBroker as e:
        if e.reply_code != 403:
            wrong.append(f"{what}: {e}")
assert not wrong, "\n".join(wrong)
print(f"{len(FORBIDDEN)} things refused")
