"""A small Hugging Face Hub on this machine, which answers what ``huggingface_hub`` asks when it fetches files."""

import hashlib
import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlparse

COMMIT = "5" * 40


@contextmanager
def serve(repository, files):
    """Serve ``files`` (path to bytes) as ``repository``; lends the address and the list of fetched paths."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.repository, server.files, server.fetched = repository, files, []
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", server.fetched
    finally:
        server.shutdown()
        server.server_close()


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        repository, path = self.server.repository, urlparse(self.path).path
        if path == f"/api/models/{repository}/revision/main":
            self.answer(json.dumps({"id": repository, "sha": COMMIT, "siblings": []}).encode())
        elif path == f"/api/models/{repository}/tree/{COMMIT}":
            files = self.server.files.items()
            listing = [{"type": "file", "path": name, "size": len(b), "oid": digest(b)} for name, b in files]
            self.answer(json.dumps(listing).encode())
        elif path.startswith(f"/{repository}/resolve/"):
            self.file(path.split("/", 5)[5])
        else:
            self.refuse("RepoNotFound")

    do_HEAD = do_GET

    def file(self, name):
        if name not in self.server.files:
            self.refuse("EntryNotFound")
            return
        if self.command == "GET":
            self.server.fetched.append(name)
        content = self.server.files[name]
        self.answer(content, **{"ETag": f'"{digest(content)}"', "X-Repo-Commit": COMMIT})

    def answer(self, content, **headers):
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)

    def refuse(self, code):
        self.send_response(404)
        self.send_header("X-Error-Code", code)
        self.end_headers()

    def log_message(self, *arguments):
        pass


def digest(content):
    return hashlib.sha1(content).hexdigest()
