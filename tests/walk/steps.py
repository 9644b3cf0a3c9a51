"""
The steps of the walk.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Self
from typing import TypeVar

from nautilus_recovery_actor.testkit import PaperVenueControl
from nautilus_recovery_actor.testkit.records import OrderState
from tests.walk.browser import look
from tests.walk.terminal import Terminal
from tests.walk.terminal import WalkError
from tests.walk.terminal import quiet
from tests.walk.webhook import Webhook


T = TypeVar("T")

ROOT = Path(__file__).parents[2]
TRADER = "OWN-001"
ETH = "ETHUSDT-PERP"
_ENTRY = """#!/bin/sh
PYTHONPATH='{root}' exec '{python}' -c \
'import sys; from nautilus_recovery_cli import main; sys.exit(main())' "$@"
"""
_PYTHON = """#!/bin/sh
PYTHONPATH='{root}' exec '{python}' "$@"
"""


class Walk:
    """One walk, with all that it starts."""

    def __init__(self, out: Path, *, is_clone: bool, is_demo: bool) -> None:
        self.step = 0
        self._out = out
        self._is_clone = is_clone
        self._is_demo = is_demo
        self._directory = Path(tempfile.mkdtemp(prefix="walk-"))
        self._started: list[subprocess.Popen[bytes]] = []
        self._hook = Webhook()
        self._port, self._redis_port = _free_ports(2)
        keep = {k: v for k, v in os.environ.items() if k not in ("REDIS_URL", "RECOVERY_TRADER")}
        self._terminal = Terminal(
            self._directory, {**keep, "TERM": "xterm-256color", "COLUMNS": "80"}
        )
        self._board = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for process in reversed(self._started):
            if process.poll() is None:
                process.kill()
                process.wait()
        self._hook.close()
        shutil.rmtree(self._directory, ignore_errors=True)

    def go(self) -> None:
        """Take all steps."""
        self._install()
        self._start_venue()
        self._check()
        self._serve()
        bot = self._start_bot()
        self._kill(bot)
        self._trade_behind_its_back()
        bot = self._restart()
        self._see_what_is_wrong()
        self._repair()
        self._see_it_healed()
        self._stop(bot)
        if self._terminal.wide:
            self._say(f"\n{len(self._terminal.wide)} lines were wider than 80 columns:")
            for line in dict.fromkeys(self._terminal.wide):
                self._say(f"  {len(line)}: {line[:70]}...")

    # -- BEFORE THE BOT --

    def _install(self) -> None:
        if self._is_clone:
            self._title("Clone and install")
            clone = self._directory / "clone"
            self._run(f"git clone --quiet {ROOT} {clone}", secs=120)
            self._terminal.directory = clone
            self._path(clone / ".venv" / "bin")
            made = f"make PYTHON={sys.executable}"
            self._run(f"{made} demo" if self._is_demo else f"{made} .venv/bin/.installed", secs=600)
            source = clone
        else:
            bin_directory = self._directory / "bin"
            bin_directory.mkdir()
            for name, text in (("nautilus-recovery", _ENTRY), ("python", _PYTHON)):
                script = bin_directory / name
                script.write_text(text.format(root=ROOT, python=sys.executable))
                script.chmod(0o755)
            self._path(bin_directory)
            source = ROOT
            if self._is_demo:
                self._title("See the demo")
                self._run("nautilus-recovery demo", secs=300)
        bot = self._directory / "bot"
        bot.mkdir()
        text = (source / "examples" / "own_bot.py").read_text()
        text = text.replace("7777", str(self._port)).replace("7778", str(self._redis_port))
        (bot / "own_bot.py").write_text(text)
        self._terminal.directory = bot

    def _start_venue(self) -> None:
        self._title("A paper venue for your own bot")
        log = self._out / "paper.log"
        ports = f"--port {self._port} --redis-port {self._redis_port}"
        self._start(f"nautilus-recovery paper --valkey {ports}", log)
        self._wait("the venue says where it is", lambda: _printed(log, "Ctrl-C ends it"), 60)
        self._terminal.show(log.read_text())
        self._terminal.environment["REDIS_URL"] = f"redis://127.0.0.1:{self._redis_port}"

    def _check(self) -> None:
        self._title("Check the bot's configuration, before it starts")
        self._expect(
            self._run("nautilus-recovery check own_bot:config"), "nothing blocks the start"
        )

    def _serve(self) -> None:
        self._title("A board, and alerts to a webhook")
        log = self._out / "serve.log"
        redis_url = self._terminal.environment["REDIS_URL"]
        self._start(
            f"nautilus-recovery serve --redis {redis_url} --port 0 --alert {self._hook.url} "
            "--alert-after 1",
            log,
        )
        said = self._wait("the board says where it is", lambda: _printed(log, "http://"), 60)
        self._terminal.show(log.read_text())
        self._board = next(word for word in said.split() if word.startswith("http://"))
        self._wait("/healthz answers", lambda: self._get("/healthz", 200), 60)

    # -- THE FIRST LIFE --

    def _start_bot(self) -> "subprocess.Popen[bytes]":
        self._title("Start your bot")
        bot = self._start("python own_bot.py", self._out / "bot-1.log")
        self._wait("its gate opens", lambda: self._status("OPEN", "CLEAN"), 60)
        self._wait("it holds 1 with a stop-loss", self._is_in_position, 60)
        self._wait("that is stored", self._is_stored, 60)
        self._run(f"nautilus-recovery paper show --port {self._port}")
        self._expect(self._run(f"nautilus-recovery status --trader {TRADER}"), "OPEN")
        self._wait("/readyz says ready", lambda: self._get(f"/readyz?trader={TRADER}", 200), 60)
        self._look("GREEN", "1-trading")
        return bot

    def _kill(self, bot: "subprocess.Popen[bytes]") -> None:
        self._title("It dies: kill -9")
        bot.kill()
        bot.wait()
        self._say(f"$ kill -9 {bot.pid}")
        self._alert("NO HEARTBEAT")
        self._run(f"nautilus-recovery status --trader {TRADER}", code=None)
        self._get(f"/readyz?trader={TRADER}", 503)
        self._look("RED", "2-dead")

    def _trade_behind_its_back(self) -> None:
        self._title("While it is away, you sell by phone, and the venue loses its record of that")
        port = f"--port {self._port}"
        sold = f"nautilus-recovery paper trade {ETH} SELL 1 --unreported {port}"
        self._expect(self._run(sold), f"position {ETH} FLAT")
        self._expect(
            self._run(f"nautilus-recovery inspect --trader {TRADER}", code=None), "1 open position"
        )

    # -- THE SECOND LIFE --

    def _restart(self) -> "subprocess.Popen[bytes]":
        self._title("Start it again: it may not trade what is in doubt")
        bot = self._start("python own_bot.py", self._out / "bot-2.log")
        self._wait("its recovery is DEGRADED", lambda: self._status("DEGRADED", "Blocked"), 60)
        said = self._run(f"nautilus-recovery status --trader {TRADER}", code=None)
        self._expect(said, f"nautilus-recovery repair --trader {TRADER}")
        self._run(f"nautilus-recovery history --trader {TRADER}", code=None)
        return bot

    def _see_what_is_wrong(self) -> None:
        self._title("You are alerted, and the board shows it")
        self._alert("NO_HEARTBEAT is over")
        self._alert("DEGRADED")
        self._alert("nautilus-recovery repair --trader")
        self._get(f"/readyz?trader={TRADER}", 503)
        self._look("AMBER", "3-blocked")

    def _repair(self) -> None:
        self._title("Read the plan, and have it carried out")
        repair = f"nautilus-recovery repair --trader {TRADER}"
        self._expect(self._run(repair, answers="n", code=1), "Repair planned", "Nothing was done")
        self._expect(self._run(repair, answers="y"), "Repaired and proven")

    def _see_it_healed(self) -> None:
        self._title("It is proven, may trade again, and you hear of that")
        self._wait("it holds 1 with a stop-loss", self._is_in_position, 60)
        said = self._run(f"nautilus-recovery status --trader {TRADER}")
        self._expect(said, "OPEN", "Proven")
        self._alert("DEGRADED is over", "repaired and proven")
        self._wait("/readyz says ready", lambda: self._get(f"/readyz?trader={TRADER}", 200), 60)
        self._look("GREEN", "4-healed")

    def _stop(self, bot: "subprocess.Popen[bytes]") -> None:
        self._title("Stop the bot, the board and the venue")
        before = len(self._hook.messages)
        bot.send_signal(signal.SIGTERM)
        self._wait("the bot has ended", bot.poll, 60)
        self._wait("status says that it was stopped", lambda: self._status("was stopped"), 60)
        self._look("WHITE", "5-stopped")
        if len(self._hook.messages) > before:
            raise WalkError(f"a stop alerts: {self._hook.messages[-1].splitlines()[0]}")
        for process in (self._started[1], self._started[0]):
            process.send_signal(signal.SIGINT)
            code = self._wait("what was started has ended", process.poll, 60)
            if code:
                raise WalkError(f"it ended with {code}")
        self._terminal.show("\n".join((self._out / "paper.log").read_text().splitlines()[-1:]))

    # -- WHAT STEPS CONSIST OF --

    def _title(self, text: str) -> None:
        self.step += 1
        self._say(f"\n== {self.step}. {text}\n")

    def _say(self, text: str) -> None:
        self._terminal.say(text)

    def _path(self, directory: Path) -> None:
        path = self._terminal.environment["PATH"]
        self._terminal.environment["PATH"] = f"{directory}{os.pathsep}{path}"

    def _run(
        self, command: str, code: int | None = 0, secs: float = 60.0, answers: str = ""
    ) -> str:
        return self._terminal.run(command, code, secs, answers)

    def _start(self, command: str, log: Path) -> "subprocess.Popen[bytes]":
        process = self._terminal.start(command, log)
        self._started.append(process)
        return process

    def _wait(self, what: str, found: Callable[[], T | None], secs: float) -> T:
        return self._terminal.wait(what, found, secs)

    def _expect(self, printed: str, *parts: str) -> None:
        said = " ".join(printed.split())
        for part in parts:
            if part not in said:
                raise WalkError(f"it does not say {part!r}")

    def _alert(self, *parts: str) -> None:
        what = f"the alert {' '.join(parts)!r} arrives"
        message = self._wait(what, lambda: self._hook.found(TRADER, *parts), 60)
        self._terminal.show(message)

    def _look(self, light: str, name: str) -> None:
        text = look(self._board, light, TRADER, self._out, name)
        self._say(f"  (the board shows {light}: {' / '.join(text.split(chr(10))[:6])})")

    def _get(self, path: str, status: int) -> str | None:
        url = self._board.rstrip("/") + path
        try:
            with urllib.request.urlopen(url, timeout=30) as answer:
                found, text = answer.status, answer.read().decode()
        except urllib.error.HTTPError as e:
            found, text = e.code, e.read().decode()
        except OSError:
            return None
        return f"{found} {text}" if found == status else None

    def _status(self, *parts: str) -> str | None:
        said = quiet(f"nautilus-recovery status --trader {TRADER}", self._terminal)
        return said if all(part in said for part in parts) else None

    def _is_stored(self) -> bool | None:
        said = quiet(f"nautilus-recovery inspect --trader {TRADER}", self._terminal)
        return True if "1 open position, 1 open order" in said else None

    def _is_in_position(self) -> bool | None:
        control = PaperVenueControl(self._port, oms=None)
        try:
            state = control.state()
        finally:
            control.close()
        stops = [o for o in state.orders if o.state is OrderState.ACCEPTED]
        held = [p for p in state.positions if p.qty == 1]
        return True if len(stops) == 1 and held else None


def _printed(log: Path, part: str) -> str | None:
    text = log.read_text() if log.exists() else ""
    return next((line for line in text.splitlines() if part in line), None)


def _free_ports(count: int) -> list[int]:
    probes = [socket.socket() for _ in range(count)]
    for probe in probes:
        probe.bind(("127.0.0.1", 0))
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports
