"""A web server on this machine that serves a folder."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


@contextmanager
def serve(
    folder: Path, ranges: bool = True, failures: int = 0, cuts: int = 0, error: int = 503
) -> Iterator[tuple[str, list[tuple[str, str, str]]]]:
    """Serve a folder while the block runs.

    Args:
        folder: What is served.
        ranges: Whether parts of files are sent where they are asked for.
        failures: So many requests are first answered with an error.
        cuts: So many answers with content are broken off in their middle.
        error: The number of that error.

    Yields:
        The address, and a list that fills with method, path and range of every request.
    """
    server = FolderServer(folder, ranges, failures, cuts, error)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", server.requests
    finally:
        server.shutdown()
        server.server_close()


class FolderServer(ThreadingHTTPServer):
    """What :func:`serve` was asked for, and what happened so far."""

    def __init__(self, folder: Path, ranges: bool, failures: int, cuts: int, error: int) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.folder, self.ranges, self.failures, self.cuts, self.error = folder, ranges, failures, cuts, error
        self.requests: list[tuple[str, str, str]] = []
        self.cut: list[str] = []


class Handler(BaseHTTPRequestHandler):
    """Answers one request."""

    server: FolderServer

    def do_GET(self) -> None:
        self._answer(body=True)

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def _answer(self, body: bool) -> None:
        self.server.requests.append((self.command, self.path, self.headers.get("Range", "")))
        file = self.server.folder / self.path.lstrip("/")
        if len(self.server.requests) <= self.server.failures:
            self.send_error(self.server.error)
        elif not file.is_file():
            self.send_error(404)
        else:
            content = self._head(file.read_bytes())
            if body:
                self._body(content)

    def _head(self, whole: bytes) -> bytes:
        """Send status and headers; gives what of the file was asked for."""
        content, asked = whole, self._asked
        if self.server.ranges and asked:
            first, _, last = asked.partition("-")
            content = whole[int(first) : int(last or len(whole)) + 1]
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {first}-{int(first) + len(content) - 1}/{len(whole)}")
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Accept-Ranges", "bytes" if self.server.ranges else "none")
        self.end_headers()
        return content

    def _body(self, content: bytes) -> None:
        cut = self.server.cut
        if len(cut) < self.server.cuts and (self._asked or not self.server.ranges):
            cut.append(self.path)
            content = content[: len(content) // 2]
            self.close_connection = True
        self.wfile.write(content)

    @property
    def _asked(self) -> str:
        """The bytes asked for, as ``first-last`` or ``first-``; empty for the whole file."""
        return self.headers.get("Range", "").removeprefix("bytes=")

    def log_message(self, *_: object) -> None:
        """Say nothing."""
