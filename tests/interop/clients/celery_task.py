"""Run a Celery worker and give it a task: celery_task.py HOST PORT VHOST CA WORKER_CERT WORKER_KEY CLIENT_CERT CLIENT_KEY

The worker runs with its events, remote control and an rpc:// result back end: what a worker does on the least access.
"""
import os
import ssl
import subprocess
import sys
import tempfile
import time

APP = """
import ssl
from celery import Celery
app = Celery("tasks", broker={url!r}, backend="rpc://")
app.conf.broker_login_method = "EXTERNAL"
app.conf.broker_use_ssl = {{"ca_certs": {ca!r}, "certfile": {cert!r}, "keyfile": {key!r},
    "cert_reqs": ssl.CERT_REQUIRED, "server_hostname": {host!r}}}
app.conf.broker_connection_retry_on_startup = False
app.conf.broker_connection_retry = False
app.conf.worker_send_task_events = True
app.conf.task_send_sent_event = True
@app.task(name="tasks.add")
def add(x, y):
    return x + y
"""

host, port, vhost, ca, worker_cert, worker_key, client_cert, client_key = sys.argv[1:]
with tempfile.TemporaryDirectory() as directory:
    from urllib.parse import quote

    url = f"amqps://{host}:{port}/{quote(vhost, safe='')}"
    for name, cert, key in [("tasks", worker_cert, worker_key), ("caller", client_cert, client_key)]:
        with open(os.path.join(directory, name + ".py"), "w") as f:
            f.write(APP.format(url=url, ca=ca, cert=cert, key=key, host=host))
    log = open(os.path.join(directory, "worker.log"), "w+")
    worker = subprocess.Popen(
        [sys.executable, "-B", "-m", "celery", "-A", "tasks", "worker", "-E", "-P", "solo", "-l", "INFO", "-n", "w@test"],
        cwd=directory, stdout=log, stderr=subprocess.STDOUT,
    )
    try:
        sys.path.insert(0, directory)
        import caller

        result = caller.app.send_task("tasks.add", (2, 3)).get(timeout=40)
        assert result == 5, result
        pong = []
        for _ in range(5):
            pong = caller.app.control.ping(timeout=2)
            if pong:
                break
        assert pong, "remote control: no answer to ping"
        print("task ok, control ok")
    except BaseException:
        time.sleep(0.5)
        log.seek(0)
        print(log.read())
        raise
    finally:
        worker.terminate()
        worker.wait(20)
