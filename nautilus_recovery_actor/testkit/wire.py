"""
The wire between a paper venue and its clients: a call is a served function and its arguments.

The venue marks a method with `served`, and a client passes that same method to `call`. So a call
is written once, and type checkers see one signature on both sides. Each line is one JSON object.
"""

import inspect
from collections.abc import Callable
from collections.abc import Coroutine
from typing import Any
from typing import Concatenate
from typing import Generic
from typing import ParamSpec
from typing import TypeVar
from typing import overload

import msgspec

from nautilus_recovery_actor.testkit.records import BalanceEvent
from nautilus_recovery_actor.testkit.records import CommandRejected
from nautilus_recovery_actor.testkit.records import OrderEvent
from nautilus_recovery_actor.testkit.records import Quote
from nautilus_recovery_actor.testkit.records import SendMassStatus


P = ParamSpec("P")
R = TypeVar("R")
F = TypeVar("F", bound=Callable[..., Any])

# A mass status of many thousand orders is one line
MAX_LINE_BYTES = 1 << 30


class CallError(Exception):
    """Raised when the venue refuses a call, or the connection is lost before its answer."""


class Request(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Ask the venue to perform a call; the reply carries the same ID."""

    id: int = 0
    call: str
    arguments: msgspec.Raw


class Answer(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """What the call returned."""

    id: int = 0
    value: msgspec.Raw


class Failed(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Why the call was not performed."""

    id: int = 0
    message: str


Reply = Answer | Failed
Push = OrderEvent | CommandRejected | BalanceEvent | Quote | SendMassStatus
Message = Request | Reply | Push

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Message)


def encode(message: Message) -> bytes:
    """Return the line for a message."""
    return _encoder.encode(message) + b"\n"


def decode(line: bytes) -> Message:
    """Return the message in a line, or raise `msgspec.MsgspecError`."""
    message: Message = _decoder.decode(line)
    return message


class _Served:
    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        self.owner, _, name = function.__qualname__.partition(".")
        self.kind = name.title().replace("_", "")
        self.signature = inspect.signature(function)
        fields = [
            (p.name, p.annotation) if p.default is p.empty else (p.name, p.annotation, p.default)
            for p in list(self.signature.parameters.values())[1:]  # Without self
        ]
        self.arguments = msgspec.json.Decoder(
            msgspec.defstruct(self.kind, fields, kw_only=True, forbid_unknown_fields=True)
        )
        self.answer = msgspec.json.Decoder(self.signature.return_annotation)


_SERVED: dict[str, _Served] = {}


def served(function: F) -> F:
    """Let clients call a method of the venue. A coroutine is answered when it ends."""
    _SERVED[function.__qualname__] = _Served(function)
    return function


class Call(Generic[R]):
    """A served method with the arguments to call it with."""

    def __init__(self, name: str, arguments: dict[str, Any]) -> None:
        self.kind = _SERVED[name].kind
        self._name = name
        self._arguments = msgspec.Raw(_encoder.encode(arguments))

    def line(self, request_id: int = 0) -> bytes:
        """Return the line that asks the venue to perform the call."""
        return encode(Request(id=request_id, call=self._name, arguments=self._arguments))

    def result(self, reply: Reply) -> R:
        """Return what the call returned, or raise `CallError` if it failed."""
        if isinstance(reply, Failed):
            raise CallError(f"{self.kind}: {reply.message}")
        try:
            result: R = _SERVED[self._name].answer.decode(reply.value)
        except msgspec.MsgspecError as e:
            raise CallError(f"{self.kind}: unexpected answer: {e}") from e
        return result


@overload
def call(
    function: Callable[Concatenate[Any, P], Coroutine[Any, Any, R]],
    /,
    *args: P.args,
    **kwargs: P.kwargs,
) -> Call[R]: ...


@overload
def call(
    function: Callable[Concatenate[Any, P], R], /, *args: P.args, **kwargs: P.kwargs
) -> Call[R]: ...


def call(function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Call[Any]:
    """Return the call of a served method, given as ``Class.method``, with the arguments."""
    name = function.__qualname__
    arguments = _SERVED[name].signature.bind(None, *args, **kwargs).arguments
    return Call(name, {k: v for k, v in arguments.items() if k != "self"})


def perform(request: Request, *targets: object) -> Any:
    """Perform a call on the target whose class serves it, and return what it returns."""
    called = _SERVED.get(request.call)
    target = next((t for t in targets if called and type(t).__name__ == called.owner), None)
    if called is None or target is None:
        raise CallError(f"the paper venue does not serve {request.call}")
    try:
        arguments = called.arguments.decode(request.arguments)
    except msgspec.MsgspecError as e:
        raise CallError(f"wrong arguments: {e}") from e
    return called.function(target, **msgspec.structs.asdict(arguments))


def answer(request_id: int, value: object) -> Answer:
    """Return the reply to a call that has been performed."""
    return Answer(id=request_id, value=msgspec.Raw(_encoder.encode(value)))
