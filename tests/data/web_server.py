"""A web server on this machine that serves a folder."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


@contextmanager
def serve(  # noqa: C901
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
    requests: list[tuple[str, str, str]] = []
    cut: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(body=True)

        def do_HEAD(self) -> None:
            self._answer(body=False)

        def _answer(self, body: bool) -> None:
            requests.append((self.command, self.path, self.headers.get("Range", "")))
            file = folder / self.path.lstrip("/")
            if len(requests) <= failures:
                self.send_error(error)
                return
            if not file.is_file():
                self.send_error(404)
                return
            content, status = file.read_bytes(), 200
            asked = self.headers.get("Range", "").removeprefix("bytes=")
            length = len(content)
            if ranges and asked:
                first, _, last = asked.partition("-")
                status, content = 206, content[int(first) : int(last or length) + 1]
            self.send_response(status)
            if status == 206:
                self.send_header("Content-Range", f"bytes {first}-{int(first) + len(content) - 1}/{length}")
            self.send_header("Content-Length", str(len(content)))
            self.send_header("Accept-Ranges", "bytes" if ranges else "none")
            self.end_headers()
            if body and len(cut) < cuts and (asked or not ranges):
                cut.append(self.path)
                self.wfile.write(content[: len(content) // 2])
                self.close_connection = True
            elif body:
                self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", requests
    finally:
        server.shutdown()
        server.server_close()
