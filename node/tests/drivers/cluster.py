"""Three nodes as real processes on 127.0.0.1, .2 and .3, so that drivers reach all at one port."""

import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time

ADDRESSES = ["127.0.0.1", "127.0.0.2", "127.0.0.3"]
PATIENCE = 60


def until(what, condition, patience=PATIENCE):
    """Waits for `condition` to hold, and fails with `what` if it takes too long."""
    end = time.monotonic() + patience
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > end:
            raise AssertionError("waited in vain: " + what)
        time.sleep(0.05)


def free_ports(count):
    """Ports that are free on all three addresses, below those given to outgoing connections."""
    found = []
    while len(found) < count:
        port = random.randrange(20_000, 32_000)
        held = []
        try:
            for address in ADDRESSES:
                held.append(socket.create_server((address, port)))
        except OSError:
            continue
        finally:
            for one in held:
                one.close()
        if port not in found:
            found.append(port)
    return found


class Cluster:
    """Founded by all three; their data is gone with it."""

    def __init__(self, program):
        self.program = program
        self.folder = tempfile.mkdtemp(prefix="helenus-drivers-")
        self.peer_port, self.cql_port, self.client_port, self.http_port = free_ports(4)
        self.processes = [None] * len(ADDRESSES)

    def __enter__(self):
        for number in range(len(ADDRESSES)):
            self.start(number, wait=False)
        for number in range(len(ADDRESSES)):
            self.ready(number)
        return self

    def __exit__(self, kind, *_):
        for process in filter(None, self.processes):
            process.kill()
            process.wait()
        if kind is None:
            shutil.rmtree(self.folder)
        else:
            print("data and logs are in", self.folder)

    def path(self, number, name):
        return os.path.join(self.folder, f"{name}{number}")

    def start(self, number, wait=True):
        if os.path.exists(self.path(number, "ready")):
            os.remove(self.path(number, "ready"))
        seeds = ",".join(f"{address}:{self.peer_port}" for address in ADDRESSES)
        arguments = {
            "--listen": ADDRESSES[number],
            "--peer-port": self.peer_port,
            "--cql-port": self.cql_port,
            "--client-port": self.client_port,
            "--http-port": self.http_port,
            "--seeds": seeds,
            "--cluster-name": "drivers",
            "--memory": "128MiB",
            "--data-dir": self.path(number, "data"),
            "--ready-file": self.path(number, "ready"),
        }
        command = [self.program, "start"]
        for flag, value in arguments.items():
            command += [flag, str(value)]
        log = open(self.path(number, "log"), "ab")
        # What the caller's environment sets is not for these nodes.
        environment = {name: value for name, value in os.environ.items() if not name.startswith("HELENUS_")}
        self.processes[number] = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
        if wait:
            self.ready(number)

    def ready(self, number):
        def is_ready():
            assert self.processes[number].poll() is None, f"node {number} ended"
            return os.path.exists(self.path(number, "ready"))

        until(f"node {number} serves", is_ready)

    def stop(self, number):
        """In good order: it drains first."""
        self.processes[number].send_signal(signal.SIGTERM)
        self.processes[number].wait(PATIENCE)
        self.processes[number] = None
