"""
A webhook on loopback, which can fail, hang and count.
"""

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from http.server import ThreadingHTTPServer
from typing import Any
from typing import Self


class Webhook:
    """
    Takes what apprise posts to ``json://``.
    """

    def __init__(self) -> None:
        self.received: list[dict[str, Any]] = []
        self.attempts = 0
        # The answers to the next requests, 200 when they have run out
        self.answers: list[int] = []
        self.gate = threading.Event()
        self.gate.set()
        self._news = threading.Condition()
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                code = hook.take(json.loads(body))
                self.send_response(code)
                if code in (302, 307):
                    self.send_header("Location", "/login")
                self.end_headers()

            def do_GET(self) -> None:
                self.send_response(200)  # As the page for a login does
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.gate.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        return f"json://127.0.0.1:{self._server.server_port}/hook/s3cr3tpath"

    @property
    def titles(self) -> list[str]:
        return [one["title"] for one in self.received]

    def take(self, message: dict[str, Any]) -> int:
        with self._news:
            self.attempts += 1
            self._news.notify_all()
        self.gate.wait(60)
        with self._news:
            code = self.answers.pop(0) if self.answers else 200
            if code == 200:
                self.received.append(message)
            self._news.notify_all()
        return code

    def wait_for(self, is_so: Callable[["Webhook"], object], secs: float = 60) -> None:
        with self._news:
            assert self._news.wait_for(lambda: is_so(self), secs), (self.titles, self.attempts)
