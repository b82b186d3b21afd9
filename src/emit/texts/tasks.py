@header@
# A task to begin with. The broker, the certificates and the queues are in celeryconfig.py.
from celery import Celery

app = Celery("tasks")
app.config_from_object("celeryconfig")


@app.task(name="tasks.add")
def add(x, y):
    return x + y
