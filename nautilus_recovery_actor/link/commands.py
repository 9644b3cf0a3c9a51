"""
Hears operators' commands over the monitor's own connection, and sends the answers back.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from collections.abc import Sequence
from typing import Any

import msgspec
import redis

from nautilus_recovery_actor.core import delivery
from nautilus_recovery_actor.core import names
from nautilus_recovery_actor.core.delivery import CommandAnswer
from nautilus_recovery_actor.core.text import counted
from nautilus_recovery_actor.core.text import one_line
from nautilus_recovery_actor.link.client import SOCKET_SECS
from nautilus_recovery_actor.link.client import RedisUnusableError
from nautilus_recovery_actor.link.client import disconnect
from nautilus_recovery_actor.link.command import OperatorCommand
from nautilus_recovery_actor.link.log import Log
from nautilus_recovery_actor.link.process import steady_ns
from nautilus_recovery_actor.link.process import this_process
from nautilus_recovery_actor.link.server import Server


# How long the server holds back its answer while there is nothing, and how long it is known after
# that who listens
_WAIT_SECS = 5
_HEARD_SECS = 15
# While the server does not answer it is asked again after this, and then less and less often
_FIRST_PAUSE_SECS = 0.1
_LAST_PAUSE_SECS = 2.0
# How many entries are taken in one turn of the event loop, and how many until that is told
_AT_ONCE = 16
_TURNS = 1_000
# How many commands are known that have not been answered
_UNANSWERED = 1_000

# KEYS: the list, its bell, and the lease or who listens without one. ARGV: the token that has to
# hold the lease (empty: none has to), who listens and for how long that is known (milliseconds),
# how many entries, and the longest. Returns the time, and the entries, or just the size of what is
# longer. The bell is silenced when nothing is left.
TAKE = """
local t = redis.call('TIME')
local taken = {t[1] * 1000 + math.floor(t[2] / 1000)}
if ARGV[1] == '' then
  redis.call('SET', KEYS[3], ARGV[2], 'PX', ARGV[3])
elseif redis.call('HGET', KEYS[3], 'token') ~= ARGV[1] then
  return taken
end
for _ = 1, tonumber(ARGV[4]) do
  local entry = redis.call('LPOP', KEYS[1])
  if not entry then
    redis.call('DEL', KEYS[2])
    break
  end
  if #entry > tonumber(ARGV[5]) then entry = #entry end
  taken[#taken + 1] = entry
end
return taken
"""

# KEYS: who listens without a lease. ARGV: who does not any more.
LEAVE = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
"""

_NS = 1_000_000_000
_MS = 1_000_000


class Commands:
    """
    Hears the commands for one monitor: those for the token of its lease, or without one (`None`)
    those for any node of its trader. `take` is called with each, and until when it counts by
    `steady_ns`.
    """

    def __init__(
        self,
        server: Server,
        token: str | None,
        log: Log,
        take: Callable[[OperatorCommand, int], None],
    ) -> None:
        self._server = server
        self._token = token
        self._log = log
        self._take = take
        self._here = msgspec.json.encode(this_process())
        where = {"token": token or names.UNLEASED}
        self._bell = server.namespace.own_key(names.COMMANDS_BELL.format(**where))
        self._keys = (
            server.namespace.own_key(names.COMMANDS.format(**where)),
            self._bell,
            server.namespace.own_key(names.LISTENER if token is None else names.LEASE),
        )
        self._client: Any = None
        self._is_away = False
        self._unanswered: dict[str, None] = {}
        self._answers: deque[CommandAnswer] = deque()
        self.answering: asyncio.Task[None] | None = None

    # -- HEARING --

    async def listen(self, may_listen: Callable[[], bool]) -> None:
        """Hear what comes from now on, whatever happens to the server, while it may be heard."""
        pause_secs = _FIRST_PAUSE_SECS
        while may_listen():
            self._client = self._server.listener()
            try:
                while may_listen():
                    await self._take_all()
                    pause_secs = _FIRST_PAUSE_SECS
                    self._say_back()
                    # A server that is gone without a word knows no timeout of a socket
                    async with asyncio.timeout(_WAIT_SECS + SOCKET_SECS):
                        await self._client.blpop([self._bell], timeout=_WAIT_SECS)
            except Exception as e:
                self._say_away(e)
            finally:
                client, self._client = self._client, None
                await disconnect(client)
            await asyncio.sleep(pause_secs)
            pause_secs = min(pause_secs * 2, _LAST_PAUSE_SECS)

    async def _take_all(self) -> None:
        ignored, why = 0, ""
        for _ in range(_TURNS):
            asked = steady_ns()
            async with asyncio.timeout(SOCKET_SECS * 2):
                now, *entries = await self._client.eval(TAKE, len(self._keys), *self._arguments())
            for entry in entries:
                problem = self._heard(entry, int(now) * _MS, asked)
                if problem:
                    ignored, why = ignored + 1, why or problem
                await asyncio.sleep(0)
            if len(entries) < _AT_ONCE:
                break
        if ignored:
            what = "An entry" if ignored == 1 else counted(ignored, "entry")
            self._log.warning(f"{what} of the list of operators' commands ignored: {why}")

    def _arguments(self) -> Sequence[object]:
        token = self._token or ""
        limits = (_HEARD_SECS * 1000, _AT_ONCE, delivery.MAX_BYTES)
        return (*self._keys, token, self._here, *limits)

    def _heard(self, entry: bytes | int, now: int, asked: int) -> str:
        # Return why it is ignored
        if isinstance(entry, int):
            return f"{entry} bytes, more than any command has"
        try:
            data, valid = delivery.received(entry, now)
            command = OperatorCommand.from_bytes(data)
        except ValueError as e:
            return one_line(str(e))[:200]
        if command.trader_id != self._server.namespace.trader_id:
            return f"for another trader, {one_line(command.trader_id)[:100]}"
        if len(self._unanswered) >= _UNANSWERED:
            del self._unanswered[next(iter(self._unanswered))]
        self._unanswered[command.command_id] = None
        self._take(command, asked + valid)
        return ""

    # -- ANSWERING --

    def answer(self, said: CommandAnswer) -> None:
        """Send an answer, if the command was heard here."""
        if said.command_id not in self._unanswered:
            return
        del self._unanswered[said.command_id]
        self._answers.append(said)
        if self.answering is None or self.answering.done():
            self.answering = asyncio.get_running_loop().create_task(self._answer())

    async def _answer(self) -> None:
        while self._answers:  # One may come while the connection is closed
            await self._send_answers()

    async def _send_answers(self) -> None:
        # On another connection: the one that listens waits
        client = self._server.listener()
        try:
            while self._answers:
                said = self._answers.popleft()
                name = names.ANSWER.format(command_id=said.command_id)
                key = self._server.namespace.own_key(name)
                async with asyncio.timeout(SOCKET_SECS * 2):
                    await client.rpush(key, msgspec.json.encode(said))
                    await client.expire(key, round(delivery.KEPT_SECS))
        except Exception as e:
            count = len(self._answers) + 1
            self._answers.clear()
            what = "An operator" if count == 1 else counted(count, "operator")
            self._log.error(f"{what} could not be answered: {self._server.why(e)}")
        finally:
            await disconnect(client)

    # -- THE END --

    def close(self) -> None:
        """Say that nobody listens any more. Waits for the server, but not for long."""
        if self._token is not None or self._is_away:
            return
        try:
            self._server.ask_now(LEAVE, (names.LISTENER,), self._here)
        except (redis.RedisError, RedisUnusableError, OSError) as e:
            self._log.warning(
                f"It still looks as if this node took commands: {self._server.why(e)}"
            )

    # -- THE LOG --

    def _say_away(self, error: BaseException) -> None:
        if not self._is_away:
            self._is_away = True
            self._log.warning(f"Operators' commands cannot be heard now: {self._server.why(error)}")

    def _say_back(self) -> None:
        if self._is_away:
            self._is_away = False
            self._log.info("Operators' commands are heard again")
