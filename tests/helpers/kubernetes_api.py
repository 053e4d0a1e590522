"""A stand-in for Kubernetes: an API on loopback that grants what a Role grants, and "runs" pods.

It keeps objects as they are posted, answers lists and gets, and starts each executor pod as a
process by the image's entry point. Watches are opened and stay silent: Spark polls as well.
"""

import json
import os
import subprocess
import threading
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch"}


class KubernetesApi:
    """The API of one namespace.

    Parameters
    ----------
    rules : list of dict
        Of a Role: ``resources`` and ``verbs``; anything else is forbidden.
    run_pod : callable
        Takes a posted pod, returns its process.
    """

    def __init__(self, rules, run_pod):
        self.allowed = {(verb, resource) for rule in rules
                        for verb in rule["verbs"] for resource in rule["resources"]}
        self.run_pod = run_pod
        self.objects, self.processes = {}, {}
        self.asked, self.forbidden, self.created = set(), set(), []
        self.ended = threading.Event()
        handler = type("Handler", (_Handler,), {"api": self, "protocol_version": "HTTP/1.1"})
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *failure):
        self.ended.set()
        for process in self.processes.values():
            process.kill()
            process.wait()
        self.server.shutdown()
        self.server.server_close()

    def put(self, resource, found):
        """Keep an object, and start it if it is an executor's pod."""
        found["metadata"].setdefault("uid", str(uuid.uuid4()))
        found["metadata"].setdefault("resourceVersion", "1")
        found["metadata"].setdefault("creationTimestamp", "2026-01-01T00:00:00Z")
        name = found["metadata"]["name"]
        self.objects[resource, name] = found
        self.created.append(found)
        if resource == "pods" and "status" not in found:
            self.processes[name] = self.run_pod(found)
        return self.seen(resource, name)

    def seen(self, resource, name):
        """An object as it is now; a pod's phase is that of its process."""
        found = self.objects[resource, name]
        if name in self.processes:
            code = self.processes[name].poll()
            phase = {None: "Running", 0: "Succeeded"}.get(code, "Failed")
            state = ({"running": {}} if code is None else {"terminated": {"exitCode": code}})
            container = {"name": found["spec"]["containers"][0]["name"], "state": state,
                         "ready": code is None, "restartCount": 0, "image": "", "imageID": ""}
            found["status"] = {"phase": phase, "podIP": "127.0.0.1",
                               "containerStatuses": [container]}
        return found

    def remove(self, resource, name):
        if (process := self.processes.pop(name, None)) is not None:
            process.kill()
            process.wait()
        return self.objects.pop((resource, name))


class _Handler(BaseHTTPRequestHandler):
    """One request: which verb on which resource, is it allowed, what comes back."""

    api = None

    def log_message(self, *arguments):
        """Requests are recorded in `KubernetesApi.asked`, not printed."""

    def _answer(self):
        url = urlsplit(self.path)
        parts, query = url.path.strip("/").split("/"), parse_qs(url.query)
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length) or b"{}")
        resource, name = parts[4], parts[5] if len(parts) > 5 else None
        verb = self._verb(name, query)
        self.api.asked.add((verb, resource))
        if (verb, resource) not in self.api.allowed:
            self.api.forbidden.add((verb, resource))
            return self._send(403, {"kind": "Status", "code": 403, "message": f"{verb} {resource}"})
        if verb == "watch":
            return self._watch()
        if verb == "create":
            return self._send(201, self.api.put(resource, body))
        if name and (resource, name) not in self.api.objects:
            return self._send(404, {"kind": "Status", "code": 404, "reason": "NotFound"})
        return self._send(200, self._do(verb, resource, name, query))

    do_GET = do_POST = do_DELETE = do_PUT = do_PATCH = _answer

    def _verb(self, name, query):
        if self.command == "GET":
            return "watch" if query.get("watch") == ["true"] else "get" if name else "list"
        if self.command == "DELETE":
            return "delete" if name else "deletecollection"
        return VERBS[self.command]

    def _do(self, verb, resource, name, query):
        if verb == "get":
            return self.api.seen(resource, name)
        if verb == "delete":
            return self.api.remove(resource, name)
        if verb == "patch":
            return self.api.seen(resource, name)
        names = self._chosen(resource, query)
        if verb == "deletecollection":
            found = [self.api.remove(resource, name) for name in names]
        else:
            found = [self.api.seen(resource, name) for name in names]
        return {"kind": "List", "apiVersion": "v1", "metadata": {"resourceVersion": "1"},
                "items": found}

    def _chosen(self, resource, query):
        """Names of the objects that a selector of ``name=value`` and ``name!=value`` takes."""
        terms = [t for t in query.get("labelSelector", [""])[0].split(",") if t]
        refused = {tuple(t.split("!=")) for t in terms if "!=" in t}
        wanted = {tuple(t.split("=", 1)) for t in terms if "!=" not in t}

        def takes(found):
            labels = set(found["metadata"].get("labels", {}).items())
            return wanted <= labels and not refused & labels

        return [name for (kind, name), found in list(self.api.objects.items())
                if kind == resource and takes(found)]

    def _watch(self):
        """No web sockets here: the client then asks for a plain stream, which stays empty."""
        if self.headers.get("Upgrade"):
            return self._send(503, {"kind": "Status", "code": 503})
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.api.ended.wait()
        return None

    def _send(self, code, content):
        text = json.dumps(content).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)


def as_process(pod, entry, image, folder):
    """Start a pod's container as a process on this machine.

    Parameters
    ----------
    pod : dict
        As posted.
    entry : Path
        The image's entry point.
    image : dict
        The image's environment variables.
    folder : Path
        For its log and its scratch files.
    """
    container = pod["spec"]["containers"][0]
    fields = {"status.podIP": "127.0.0.1", "metadata.name": pod["metadata"]["name"]}
    given = {e["name"]: e["value"] if "value" in e
             else fields[e["valueFrom"]["fieldRef"]["fieldPath"]] for e in container["env"]}
    here = {"SPARK_LOCAL_DIRS": str(folder), "SPARK_CONF_DIR": str(folder)}
    with (folder / f"{pod['metadata']['name']}.log").open("wb") as log:
        return subprocess.Popen(["bash", entry, *container["args"]], cwd=folder, stdout=log,
                                stderr=subprocess.STDOUT, start_new_session=True,
                                env={"PATH": os.environ["PATH"], **given, **image, **here})
