"""Takes the URL of an emitted celeryconfig apart as Celery does: DIRECTORY HOST PORT."""

import sys

import kombu

directory, host, port = sys.argv[1:]
sys.path.insert(0, directory)
import celeryconfig  # noqa: E402

broker = kombu.Connection(celeryconfig.broker_url)
found = (broker.hostname, broker.port, broker.virtual_host)
assert found == (host, int(port), "my_vhost"), found
