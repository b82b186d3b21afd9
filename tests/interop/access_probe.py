"""What `--access celery|mqtt|publish|consume|monitor` must allow, measured on a real broker.

The regular expressions are read from src/emit/rabbitmq/access.rs, the only place where they are written. For each
access the probe starts from them, runs everything that such a user does, and expects all of it to work; then it drops
one alternative after the other and expects something to fail, so that none is there for nothing.

    PYTHON access_probe.py [--broker 3.10] [--broker 4.0 --root DEBIAN13_ROOT] [--only celery] [--trace]

PYTHON needs pika, celery and paho-mqtt. 3.10 is the RabbitMQ of this machine, 4.0 the one inside DEBIAN13_ROOT (its own
mount name space, so root is needed). Nodes are private: own names, ports, directory, cookie and epmd, loopback only, stopped
by pid. Exit code 0: as written; 1: something differs, named on stdout.
"""

import argparse
import base64
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

SOURCE = pathlib.Path(__file__).resolve().parents[2] / "src/emit/rabbitmq/access.rs"
UUID = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
PASSWORD = "probe"
KINDS = ("configure", "write", "read")


def tables():
    """The constants of access.rs: {"CELERY_CONFIGURE": ["QUEUE", ...]}."""
    text = SOURCE.read_text()
    found = {}
    for name, body in re.findall(r"const ([A-Z_]+): &\[&str\] = &\[(.*?)\];", text, re.S):
        found[name] = re.findall(r'r?"([^"]*)"', body)
    return found


def anchored(alternatives, queues=("celery",)):
    names = []
    for alternative in alternatives:
        if alternative == "QUEUE":
            names += [re.escape(queue) for queue in queues]
        else:
            names.append(alternative.replace("UUID", UUID))
    return "^(" + "|".join(names) + ")$" if names else "^$"


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Broker:
    def __init__(self, version, root=None):
        self.version, self.root = version, root
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix=f"certgen-probe-{version}-"))
        self.amqp, self.mqtt, self.api, self.dist, self.epmd = (free_port() for _ in range(5))
        self.process = None

    def __enter__(self):
        d = self.dir
        (d / "rabbitmq.conf").write_text(
            f"listeners.tcp.1 = 127.0.0.1:{self.amqp}\n"
            f"management.tcp.ip = 127.0.0.1\nmanagement.tcp.port = {self.api}\n"
            f"mqtt.listeners.tcp.1 = 127.0.0.1:{self.mqtt}\nmqtt.vhost = probe\n"
            "default_user = root\ndefault_pass = root\ndefault_vhost = probe\nlog.console = false\n"
        )
        (d / "plugins").write_text("[rabbitmq_management,rabbitmq_mqtt].\n")
        (d / "env.conf").write_text("")
        (d / ".erlang.cookie").write_text("CERTGENPROBE")
        (d / ".erlang.cookie").chmod(0o600)
        if self.root:
            home = next((pathlib.Path(self.root) / "usr/lib/rabbitmq/lib").glob("rabbitmq_server-*"))
            script = "/" + str((home / "sbin/rabbitmq-server").relative_to(self.root))
            command = ["unshare", "-m", "sh", "-c",
                       'mount --bind /tmp "$1/tmp" && mount -t proc proc "$1/proc" && exec chroot "$1" "$2"',
                       "sh", str(self.root), script]
        else:
            home = next(pathlib.Path("/usr/lib/rabbitmq/lib").glob("rabbitmq_server-*"))
            command = [str(home / "sbin/rabbitmq-server")]
        environment = {
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": str(d), "LANG": "C.UTF-8",
            "RABBITMQ_NODENAME": f"probe{self.amqp}@localhost", "RABBITMQ_DIST_PORT": str(self.dist),
            "ERL_EPMD_PORT": str(self.epmd), "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_MNESIA_BASE": str(d / "data"), "RABBITMQ_LOG_BASE": str(d / "log"),
            "RABBITMQ_LOGS": str(d / "log/node.log"), "RABBITMQ_PID_FILE": str(d / "node.pid"),
            "RABBITMQ_CONFIG_FILE": str(d / "rabbitmq.conf"), "RABBITMQ_ENABLED_PLUGINS_FILE": str(d / "plugins"),
            "RABBITMQ_CONF_ENV_FILE": str(d / "env.conf"), "RABBITMQ_GENERATED_CONFIG_DIR": str(d / "generated"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
        }
        self.process = subprocess.Popen(command, env=environment, cwd=d, stdin=subprocess.DEVNULL,
                                        stdout=open(d / "out", "wb"), stderr=subprocess.STDOUT, start_new_session=True)
        for _ in range(240):
            try:
                self.call("GET", "overview")
                for port in (self.amqp, self.mqtt):
                    socket.create_connection(("127.0.0.1", port), 2).close()
                return self
            except OSError:
                if self.process.poll() is not None:
                    break
                time.sleep(0.5)
        print((d / "out").read_text(errors="replace")[-2000:])
        self.__exit__()
        raise SystemExit(f"RabbitMQ {self.version} did not start")

    def __exit__(self, *_):
        group = self.process.pid
        for number, patience in ((signal.SIGTERM, 30), (signal.SIGKILL, 5)):
            try:
                os.killpg(group, number)
            except ProcessLookupError:
                break
            try:
                self.process.wait(patience)
            except subprocess.TimeoutExpired:
                continue
        while self.stray():  # epmd in a session of its own; a rabbitmqctl that the stopping script started
            time.sleep(0.5)
        shutil.rmtree(self.dir, ignore_errors=True)

    def stray(self):
        """Kills what still runs with this broker's home, and says whether there was anything."""
        found = False
        for entry in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                if f"HOME={self.dir}\0".encode() in (entry / "environ").read_bytes():
                    os.kill(int(entry.name), signal.SIGKILL)
                    found = True
            except OSError:
                pass
        return found

    def call(self, method, path, body=None, user="root:root"):
        request = urllib.request.Request(f"http://127.0.0.1:{self.api}/api/{path}", method=method,
                                         data=None if body is None else json.dumps(body).encode())
        request.add_header("Authorization", "Basic " + base64.b64encode(user.encode()).decode())
        request.add_header("Content-Type", "application/json")
        with urllib.request.urlopen(request, timeout=10) as answer:
            text = answer.read()
            return json.loads(text) if text else None

    def user(self, name, permissions, tags=(), topics=()):
        """A fresh user (so nothing is cached) with these permissions in vhost probe."""
        try:
            self.call("DELETE", f"users/{name}")
        except urllib.error.HTTPError:
            pass
        self.call("PUT", f"users/{name}", {"password": PASSWORD, "tags": ",".join(tags)})
        self.call("PUT", f"permissions/probe/{name}", dict(zip(KINDS, permissions)))
        for exchange, write, read in topics:
            self.call("PUT", f"topic-permissions/probe/{name}", {"exchange": exchange, "write": write, "read": read})

    def clean(self):
        for queue in self.call("GET", "queues/probe"):
            try:
                self.call("DELETE", "queues/probe/" + urllib.parse.quote(queue["name"], safe=""))
            except urllib.error.HTTPError:
                pass
        for exchange in self.call("GET", "exchanges/probe"):
            if exchange["name"] and not exchange["name"].startswith("amq."):
                self.call("DELETE", "exchanges/probe/" + urllib.parse.quote(exchange["name"], safe=""))

    def refusals(self):
        text = (self.dir / "log/node.log").read_text(errors="replace")
        return re.findall(r"(configure|write|read) access to ((?:exchange|queue|topic) '[^']*')", text)


# --- celery ---------------------------------------------------------------------------------------------------------

APP = '''
import os
from celery import Celery
app = Celery("probeapp", broker=os.environ["PROBE_URL"], backend="rpc://")
app.conf.update(task_default_queue=os.environ.get("PROBE_DEFAULT", "celery"), broker_connection_retry=False,
                broker_connection_retry_on_startup=False, worker_send_task_events=True, task_send_sent_event=True,
                broker_transport_options={"max_retries": 0}, task_publish_retry=False, broker_connection_timeout=5,
                broker_heartbeat=0)
@app.task(name="add")
def add(a, b):
    return a + b
@app.task(name="again", bind=True, max_retries=1)
def again(self):
    if self.request.retries == 0:
        raise self.retry(countdown=0)
    return "retried"
'''

CLIENT = r'''
import json, os, sys, threading, time
from probeapp import app, add, again
queue = os.environ.get("PROBE_QUEUE")
steps = {}
def step(name, run):
    try:
        steps[name] = bool(run())
    except BaseException as e:
        steps[name] = False
        print(name, type(e).__name__, str(e)[:200], file=sys.stderr)
seen = set()
ready = threading.Event()
def watch():
    try:
        with app.connection_for_read() as connection:
            receiver = app.events.Receiver(connection, handlers={"*": lambda e: seen.add(e["type"])})
            with receiver.consumer_context() as (connection, channel, consumers):
                ready.set()
                end = time.time() + 12
                while time.time() < end and not {"task-succeeded", "task-sent"} <= seen:
                    try:
                        connection.drain_events(timeout=1)
                    except TimeoutError:
                        pass
    except BaseException as e:
        print("watch", type(e).__name__, str(e)[:200], file=sys.stderr)
        ready.set()
watcher = threading.Thread(target=watch, daemon=True)
watcher.start()
ready.wait(8)
step("task", lambda: add.apply_async((2, 3), queue=queue).get(timeout=6) == 5)
step("retry", lambda: again.apply_async(queue=queue).get(timeout=6) == "retried")
step("ping", lambda: app.control.inspect(timeout=3).ping())
step("control", lambda: app.control.broadcast("rate_limit", {"task_name": "add", "rate_limit": "100/s"}, reply=True, timeout=3))
step("registered", lambda: app.control.inspect(timeout=3).registered())
watcher.join(8)
steps["events"] = {"task-succeeded", "task-sent"} <= seen
step("purge", lambda: app.control.purge() is not None)
print(json.dumps(steps))
'''


def celery(broker, permissions, queues=("celery",), full=False, user="celery"):
    """Every step of a worker and of a client that sends tasks: {step: worked}."""
    broker.clean()
    broker.user(user, permissions)
    work = pathlib.Path(tempfile.mkdtemp(dir=broker.dir))
    (work / "probeapp.py").write_text(APP)
    (work / "client.py").write_text(CLIENT)
    environment = dict(os.environ, PROBE_URL=f"amqp://{user}:{PASSWORD}@127.0.0.1:{broker.amqp}/probe", PYTHONPATH=str(work),
                       PROBE_DEFAULT=queues[0], PROBE_QUEUE=queues[-1], HOME=str(work))
    workers, steps = [], {}

    def worker(name):
        log = open(work / f"{name}.log", "wb")
        process = subprocess.Popen([sys.executable, "-m", "celery", "-A", "probeapp", "worker", "-E", "-P", "threads", "-c", "2",
                                    "-n", f"{name}@host.example", "-l", "info", "-Q", ",".join(queues)],
                                   env=environment, cwd=work, stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
        workers.append(process)
        deadline = time.time() + 20
        while time.time() < deadline and process.poll() is None:
            text = (work / f"{name}.log").read_text(errors="replace")
            if " ready." in text:
                return text
            time.sleep(0.2)
        return ""

    try:
        steps["worker"] = bool(worker("w1"))
        if full:
            steps["mingle"] = "sync with 1 nodes" in worker("w2")
        if steps["worker"]:
            answer = subprocess.run([sys.executable, "client.py"], env=environment, cwd=work, capture_output=True, timeout=120)
            steps.update(json.loads(answer.stdout.decode().strip().splitlines()[-1]))
            steps["worker stays"] = workers[0].poll() is None
            text = (work / "w1.log").read_text(errors="replace")
            steps["no refusal in the worker's log"] = "ACCESS_REFUSED" not in text
        if full and not all(steps.values()):
            print((work / "w1.log").read_text(errors="replace")[-3000:])
            print(answer.stderr.decode()[-2000:])
    finally:
        for process in workers:
            process.kill()
            process.wait()
    return steps


# --- mqtt -----------------------------------------------------------------------------------------------------------

def mqtt(broker, permissions, topics=(), delayed=False):
    """Every step of a device. A will with a delay (MQTT 5.0) needs write access to the default exchange, so it is refused."""
    import paho.mqtt.client as paho
    from paho.mqtt.packettypes import PacketTypes
    from paho.mqtt.properties import Properties

    broker.clean()
    broker.user("device", permissions, topics=topics)
    steps = {}

    def connect(name, protocol=paho.MQTTv311, will=None, clean=True, expiry=0, delay=0):
        got, up, down = [], threading.Event(), threading.Event()
        extra = {"clean_session": clean} if protocol != paho.MQTTv5 else {}
        client = paho.Client(paho.CallbackAPIVersion.VERSION2, client_id=name, protocol=protocol, reconnect_on_failure=False, **extra)
        client.username_pw_set("device", PASSWORD)
        client.on_message = lambda c, u, m: got.append((m.topic, m.payload, m.retain))
        client.on_connect = lambda c, u, f, code, p: up.set() if not code.is_failure else None
        client.on_disconnect = lambda *a: down.set()
        if will:
            properties = None
            if delay:
                properties = Properties(PacketTypes.WILLMESSAGE)
                properties.WillDelayInterval = delay
            client.will_set(will, b"gone", qos=1, properties=properties)
        keywords = {}
        if protocol == paho.MQTTv5:
            properties = Properties(PacketTypes.CONNECT)
            properties.SessionExpiryInterval = expiry
            keywords = {"clean_start": clean, "properties": properties}
        client.connect("127.0.0.1", broker.mqtt, 30, **keywords)
        client.loop_start()
        up.wait(4)
        client.got, client.down, client.up = got, down, up
        return client

    def subscribed(client, topic, qos):
        done, codes = threading.Event(), []

        def on_subscribe(c, u, mid, reasons, p):
            codes.extend(reasons)
            done.set()
        client.on_subscribe = on_subscribe
        client.subscribe(topic, qos)
        return done.wait(3) and not any(code.is_failure for code in codes)

    def eventually(check, seconds=4):
        end = time.time() + seconds
        while time.time() < end:
            if check():
                return True
            time.sleep(0.05)
        return False

    def scenario(prefix, protocol):
        a = connect(f"{prefix}-a", protocol)
        steps[f"{prefix} connect"] = a.up.is_set()
        for qos in (0, 1):
            steps[f"{prefix} subscribe qos{qos}"] = subscribed(a, f"{prefix}/q{qos}/#", qos)
            a.publish(f"{prefix}/q{qos}/x", b"hello", qos=qos)
            steps[f"{prefix} publish qos{qos}"] = eventually(lambda: (f"{prefix}/q{qos}/x", b"hello", False) in a.got)
        a.publish(f"{prefix}/kept", b"kept", qos=1, retain=True)
        time.sleep(0.3)
        b = connect(f"{prefix}-b", protocol, clean=False, expiry=60)
        steps[f"{prefix} persistent subscribe"] = subscribed(b, f"{prefix}/kept", 1)
        steps[f"{prefix} retained"] = eventually(lambda: any(m[2] for m in b.got))
        steps[f"{prefix} subscribe will"] = subscribed(b, f"{prefix}/will", 1)
        c = connect(f"{prefix}-c", protocol, will=f"{prefix}/will")
        c._sock_close()  # no DISCONNECT: the broker sends the will
        steps[f"{prefix} will"] = eventually(lambda: (f"{prefix}/will", b"gone", False) in b.got)
        if protocol == paho.MQTTv5:
            c.loop_stop()
            b.got.clear()
            c = connect(f"{prefix}-d", protocol, will=f"{prefix}/will", expiry=60, delay=1)
            c._sock_close()
            came = eventually(lambda: (f"{prefix}/will", b"gone", False) in b.got, 6)
            steps[f"{prefix} delayed will " + ("comes" if delayed else "is refused")] = came == delayed
        done = threading.Event()
        a.on_unsubscribe = lambda *x: done.set()
        a.unsubscribe(f"{prefix}/q0/#")
        steps[f"{prefix} unsubscribe"] = done.wait(3)
        for client in (a, b, c):
            client.disconnect()
            client.loop_stop()
        b = connect(f"{prefix}-b", protocol, clean=False, expiry=60)  # the session is resumed
        steps[f"{prefix} resume"] = b.up.is_set()
        b.disconnect()
        b.loop_stop()

    scenario("v3", paho.MQTTv311)
    if broker.version != "3.10":
        scenario("v5", paho.MQTTv5)
    return steps


# --- plain AMQP -----------------------------------------------------------------------------------------------------

def amqp(broker, user):
    import pika
    return pika.BlockingConnection(pika.ConnectionParameters("127.0.0.1", broker.amqp, "probe", pika.PlainCredentials(user, PASSWORD)))


def attempt(broker, user, run):
    """Whether `run(channel)` is allowed; a refusal is an answer, everything else an error."""
    import pika
    connection = amqp(broker, user)
    try:
        run(connection.channel())
        return True
    except pika.exceptions.ChannelClosedByBroker as e:
        if e.reply_code != 403:
            raise
        return False
    finally:
        if connection.is_open:
            connection.close()


def confirmed_publish(exchange, key):
    def run(channel):
        channel.confirm_delivery()
        channel.basic_publish(exchange, key, b"x")
    return run


def one_message(queue):
    def run(channel):
        for _method, _properties, _body in channel.consume(queue, inactivity_timeout=1):
            if _method:
                channel.basic_ack(_method.delivery_tag)
            break
        channel.cancel()
        channel.basic_get(queue, auto_ack=True)
        channel.queue_purge(queue)
    return run


def publish(broker, permissions):
    broker.clean()
    broker.call("PUT", "exchanges/probe/events.x", {"type": "topic"})
    broker.call("PUT", "exchanges/probe/eventsyx", {"type": "topic"})
    broker.call("PUT", "queues/probe/in", {})
    broker.user("p", permissions)
    allowed = {"publish": attempt(broker, "p", confirmed_publish("events.x", "a.b")),
               "passive declare": attempt(broker, "p", lambda c: c.exchange_declare("events.x", passive=True))}
    denied = {"another exchange": attempt(broker, "p", confirmed_publish("eventsyx", "a")),
              "default exchange": attempt(broker, "p", confirmed_publish("", "in")),
              "declare": attempt(broker, "p", lambda c: c.exchange_declare("events.x", "topic", durable=True)),
              "read": attempt(broker, "p", one_message("in"))}
    return allowed, denied


def consume(broker, permissions):
    broker.clean()
    broker.call("PUT", "queues/probe/in.box", {})
    broker.call("PUT", "queues/probe/inxbox", {})
    broker.user("c", permissions)
    allowed = {"consume, get, ack, purge": attempt(broker, "c", one_message("in.box")),
               "passive declare": attempt(broker, "c", lambda c: c.queue_declare("in.box", passive=True))}
    denied = {"another queue": attempt(broker, "c", one_message("inxbox")),
              "declare": attempt(broker, "c", lambda c: c.queue_declare("in.box", durable=True)),
              "publish": attempt(broker, "c", confirmed_publish("", "in.box")),
              "bind": attempt(broker, "c", lambda c: c.queue_bind("in.box", "amq.topic", "#"))}
    return allowed, denied


def monitor(broker, permissions, tags):
    broker.clean()
    broker.call("PUT", "queues/probe/in.box", {})
    broker.user("m", permissions, tags)

    def api(method, path, body=None):
        try:
            broker.call(method, path, body, f"m:{PASSWORD}")
            return True
        except urllib.error.HTTPError as e:
            if e.code not in (401, 403):
                raise
            return False
    allowed = {f"GET {path}": api("GET", path) for path in ("overview", "nodes", "connections", "queues", "queues/probe/in.box", "exchanges")}
    allowed["passive declare"] = attempt(broker, "m", lambda c: c.queue_declare("in.box", passive=True))
    denied = {"consume": attempt(broker, "m", one_message("in.box")),
              "publish": attempt(broker, "m", confirmed_publish("", "in.box")),
              "PUT queue": api("PUT", "queues/probe/other", {}),
              "GET messages": api("POST", "queues/probe/in.box/get", {"count": 1, "ackmode": "ack_requeue_true", "encoding": "auto"}),
              "users": api("GET", "users"), "definitions": api("GET", "definitions"),
              "PUT user": api("PUT", "users/x", {"password": "x", "tags": "administrator"})}
    return allowed, denied


# --- the judgement --------------------------------------------------------------------------------------------------

class Report:
    def __init__(self):
        self.wrong = 0

    def line(self, good, text):
        self.wrong += not good
        print(("ok    " if good else "WRONG ") + text, flush=True)


def failed(steps):
    return [name for name, worked in steps.items() if not worked]


def minimal(report, title, tables, prefix, run, queues=("celery",)):
    """All of `prefix`'s alternatives: everything works; without any one of them something does not."""
    full = [tables[f"{prefix}_{kind.upper()}"] for kind in KINDS]
    missing = failed(run([anchored(a, queues) for a in full], True))
    report.line(not missing, f"{title}: as written, everything works" + (f", but not: {missing}" if missing else ""))
    if missing:
        return
    for index, kind in enumerate(KINDS):
        for alternative in full[index]:
            narrower = list(full)
            narrower[index] = [a for a in full[index] if a != alternative]
            missing = failed(run([anchored(a, queues) for a in narrower], False))
            report.line(bool(missing), f"{title}: {kind} without {alternative}: " + (f"fails: {missing}" if missing else "everything still works"))


def both(report, title, result):
    allowed, denied = result
    report.line(not failed(allowed), f"{title}: allowed: {', '.join(allowed)}" + (f"; refused: {failed(allowed)}" if failed(allowed) else ""))
    through = [name for name, worked in denied.items() if worked]
    report.line(not through, f"{title}: refused: {', '.join(denied)}" + (f"; allowed: {through}" if through else ""))


def judge(broker, only, report, trace):
    found = tables()
    title = f"RabbitMQ {broker.version}"
    if "celery" in only:
        if trace:
            print(celery(broker, [".*"] * 3, full=True))
            print([queue["name"] for queue in broker.call("GET", "queues/probe")])
        minimal(report, f"{title} celery", found, "CELERY", lambda p, full: celery(broker, p, full=full))
        report.line(True, f"{title} celery: refusals seen: {sorted(set(broker.refusals()))}")
        named = ("images.hi-res", "default")
        permissions = [anchored(found[f"CELERY_{kind.upper()}"], named) for kind in KINDS]
        missing = failed(celery(broker, permissions, named, full=True))
        report.line(not missing, f"{title} celery:{','.join(named)}: everything works" + (f", but not: {missing}" if missing else ""))
        missing = failed(celery(broker, permissions, ("celery",)))
        report.line(bool(missing), f"{title} celery:{','.join(named)}: queue celery is refused")
    if "mqtt" in only:
        minimal(report, f"{title} mqtt", found, "MQTT", lambda p, full: mqtt(broker, p))
        if broker.version != "3.10":
            wider = [anchored(found[f"MQTT_{kind.upper()}"] + [r"mqtt-will-.+", r"amq\.default"]) for kind in KINDS]
            missing = failed(mqtt(broker, wider, delayed=True))
            report.line(not missing, f"{title} mqtt, mqtt-will-.+ and amq.default: a delayed will comes too" + (f", but not: {missing}" if missing else ""))
    if "publish" in only:
        both(report, f"{title} publish:events.x", publish(broker, ["^$", r"^(events\.x)$", "^$"]))
    if "consume" in only:
        both(report, f"{title} consume:in.box", consume(broker, ["^$", "^$", r"^(in\.box)$"]))
    if "monitor" in only:
        both(report, f"{title} monitor", monitor(broker, ["^$"] * 3, ["monitoring"]))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--broker", action="append", choices=["3.10", "4.0"])
    parser.add_argument("--root", help="Debian 13 root that holds RabbitMQ 4.0")
    parser.add_argument("--only", action="append", choices=["celery", "mqtt", "publish", "consume", "monitor"])
    parser.add_argument("--trace", action="store_true", help="show what celery makes when everything is allowed")
    arguments = parser.parse_args()
    report = Report()
    for version in arguments.broker or ["3.10"]:
        if version == "4.0" and not arguments.root:
            parser.error("--broker 4.0 needs --root")
        with Broker(version, arguments.root if version == "4.0" else None) as broker:
            judge(broker, arguments.only or ["celery", "mqtt", "publish", "consume", "monitor"], report, arguments.trace)
    return 1 if report.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
