"""Run a Celery worker from an emitted module and give it work: celery_emitted.py WORKER_DIR SENDER_DIR QUEUES OTHER_HOST

The directories hold celeryconfig.py as it was written. OTHER_HOST is a name of the broker that its certificate lacks.
"""
import os
import subprocess
import sys
import tempfile
import threading
import time

APP = """
from celery import Celery
app = Celery("tasks")
app.config_from_object("celeryconfig")
@app.task(name="tasks.add")
def add(x, y):
    return x + y
"""

worker_dir, sender_dir, queues, other_host = sys.argv[1:]
sys.path.insert(0, sender_dir)
environment = {**os.environ, "PYTHONPATH": worker_dir}


def worker_command(*options):
    return [sys.executable, "-B", "-m", "celery", "-A", "tasks", "worker", "-P", "solo", "-l", "INFO", *options]


with tempfile.TemporaryDirectory() as directory:
    with open(os.path.join(directory, "tasks.py"), "w") as f:
        f.write(APP)
    os.chdir(directory)
    log = open(os.path.join(directory, "worker.log"), "w+")
    worker = subprocess.Popen(
        worker_command("-E", "-Q", queues, "-n", "w@test"), env=environment, stdout=log, stderr=subprocess.STDOUT
    )
    try:
        from celery import Celery

        app = Celery("sender")
        app.config_from_object("celeryconfig")

        seen = []

        def watch():
            with app.connection() as connection:
                receiver = app.events.Receiver(connection, handlers={"task-succeeded": seen.append})
                receiver.capture(limit=None, timeout=50, wakeup=True)

        threading.Thread(target=watch, daemon=True).start()
        pong = []
        for _ in range(10):
            pong = app.control.ping(timeout=2)
            if pong:
                break
        assert pong, "remote control: no answer to ping"
        for queue in queues.split(","):
            result = app.send_task("tasks.add", (2, 3), queue=queue).get(timeout=20)
            assert result == 5, result
        for _ in range(50):
            if len(seen) >= len(queues.split(",")):
                break
            time.sleep(0.1)
        assert seen, "no event of the task came"
    except BaseException:
        time.sleep(0.5)
        log.seek(0)
        print(log.read())
        raise
    finally:
        worker.terminate()
        worker.wait(20)

    # The same worker with another name for the same broker.
    impostor = subprocess.run(
        [
            sys.executable,
            "-B",
            "-c",
            "import tasks\nwith tasks.app.connection() as c:\n c.ensure_connection(max_retries=1, interval_start=0)",
        ],
        env={**environment, "AMQPS_HOST": other_host},
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert impostor.returncode != 0 and "CERTIFICATE_VERIFY_FAILED" in impostor.stderr, impostor
print("tasks ok, control ok, events ok, another name refused")
