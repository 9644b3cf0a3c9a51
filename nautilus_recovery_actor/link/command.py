"""
An operator's commands to the monitor.

A component of the node sends one to the endpoint ``RecoveryMonitor.command``; from outside
`nautilus_recovery_actor.outside.remote` sends it over Redis.
"""

import math
import time
from typing import Any
from typing import Literal
from typing import Self
from typing import get_args
from uuid import UUID
from uuid import uuid4

import msgspec

from nautilus_recovery_actor.core.delivery import MAX_VALID_SECS
from nautilus_recovery_actor.link.whoami import user_at_host


Action = Literal["release", "withdraw", "resume", "verify", "repair"]

MAX_RELEASE_SECS = 86_400.0
VALID_SECS = 10.0


class _Fields(msgspec.Struct, frozen=True):
    trader_id: str
    command_id: str
    action: Action
    instrument_id: str
    reason: str
    secs: float
    operator: str
    ts_event: int
    ts_init: int
    # The newest fields: what wrote none is read as well
    ts_expires: int | None = None
    plan_id: str = ""


class OperatorCommand:
    """
    Represents a decision of a human about what may trade.

    Parameters
    ----------
    trader_id : str
        The trader that it is for. The monitors of all others ignore it.
    command_id : str
        A UUID, which the answer repeats.
    action : {'release', 'withdraw', 'resume', 'verify', 'repair'}
        What to do: ``release`` a blocked instrument for a time, ``withdraw`` a release before it
        expires, ``resume`` after a storm of epochs, ``verify`` by asking the venues now, or carry
        out the ``repair`` that is planned.
    instrument_id : str
        The instrument to release, withdraw or repair; empty for ``resume`` and ``verify``, and to
        repair all.
    reason : str
        Why, in one line. It is logged and kept in the report.
    secs : float
        How long (seconds) a release lasts, at most 24 hours; zero for the other actions.
    operator : str
        Who decided.
    ts_event : int
        UNIX timestamp (nanoseconds) of the decision.
    ts_init : int
        UNIX timestamp (nanoseconds) when the command was made.
    ts_expires : int, optional
        UNIX timestamp (nanoseconds) until which the sender waits for an answer, by default 10
        seconds after `ts_init`. A node that is starting or busy hears a command late.
    plan_id : str, optional
        Which plan a ``repair`` is to carry out, as `plan_id` names it: one that has changed since
        it was read is not carried out.

    Raises
    ------
    ValueError
        If a value is missing or invalid; the text says what to give instead.

    """

    def __init__(
        self,
        trader_id: str,
        command_id: str,
        action: Action,
        instrument_id: str,
        reason: str,
        secs: float,
        operator: str,
        ts_event: int,
        ts_init: int,
        ts_expires: int | None = None,
        plan_id: str = "",
    ) -> None:
        _check_action(action, instrument_id, secs)
        if (action == "repair") != bool(plan_id):
            raise ValueError("A repair needs the ID of its plan, and nothing else has one")
        if ts_expires is not None and ts_expires - ts_init > _to_ns(MAX_VALID_SECS):
            raise ValueError("The wait for an answer is too long: give at most 3600 s")
        _check_line(trader_id, "trader: give the trader ID of the node, for example 'LIVE-001'")
        _check_line(reason, "reason: say in one line of plain text why")
        _check_line(operator, "operator: say in one line of plain text who decided")
        try:
            UUID(command_id)
        except ValueError:
            raise ValueError(
                f"The command ID '{command_id}' is not a UUID: give a new one"
            ) from None
        self.trader_id = trader_id
        self.command_id = command_id
        self.action: Action = action
        self.instrument_id = instrument_id
        self.reason = reason
        self.secs = secs
        self.operator = operator
        self.ts_expires = ts_init + _to_ns(VALID_SECS) if ts_expires is None else ts_expires
        self.plan_id = plan_id
        self.ts_event = ts_event
        self.ts_init = ts_init

    def __eq__(self, other: object) -> bool:
        return isinstance(other, OperatorCommand) and self.to_dict() == other.to_dict()

    def __hash__(self) -> int:
        return hash(self.command_id)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(trader_id={self.trader_id}, action={self.action}, "
            f"instrument_id={self.instrument_id}, secs={self.secs:g}, operator={self.operator}, "
            f"reason='{self.reason}')"
        )

    @classmethod
    def new(
        cls,
        trader_id: str,
        action: Action,
        reason: str,
        instrument_id: str = "",
        secs: float = 0.0,
        operator: str | None = None,
        valid_secs: float = VALID_SECS,
        plan_id: str = "",
    ) -> Self:
        """
        Return a new command, given now, with its own ID.

        Parameters are those of the class, and

        operator : str, optional
            Who decided, by default the user and host of this process.
        valid_secs : float, default 10.0
            How long (seconds) to wait for the answer.

        """
        if not 0 < valid_secs <= MAX_VALID_SECS:
            raise ValueError(f"Invalid wait for an answer, {valid_secs:g} s: give at most 3600 s")
        now = time.time_ns()
        return cls(
            trader_id=trader_id,
            command_id=str(uuid4()),
            action=action,
            instrument_id=instrument_id,
            reason=reason,
            secs=secs,
            operator=user_at_host() if operator is None else operator,
            ts_event=now,
            ts_init=now,
            ts_expires=now + _to_ns(valid_secs),
            plan_id=plan_id,
        )

    def is_expired(self, now: int) -> bool:
        """
        Return whether the sender no longer waits: it has reported that nothing was done.

        Parameters
        ----------
        now : int
            UNIX timestamp (nanoseconds), of a clock that agrees with the sender's.

        """
        return now >= self.ts_expires

    def to_dict(self) -> dict[str, Any]:
        """
        Return the command as values that JSON and msgpack encoders take.
        """
        fields = {name: getattr(self, name) for name in _Fields.__struct_fields__}
        return {"type": type(self).__name__, **fields}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """
        Return the command that `to_dict` wrote. Unknown fields are ignored.

        Raises
        ------
        ValueError
            If a value is missing, of the wrong type or invalid.

        """
        try:
            fields = msgspec.convert(values, _Fields)
        except msgspec.ValidationError as e:
            raise ValueError(f"Damaged {cls.__name__}: {e}") from e
        return cls(**msgspec.structs.asdict(fields))

    def to_bytes(self) -> bytes:
        """
        Return the command as JSON.
        """
        return msgspec.json.encode(self.to_dict())

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """
        Return the command that `to_bytes` wrote.

        Raises
        ------
        ValueError
            If it is damaged.

        """
        try:
            fields = msgspec.json.decode(data, type=_Fields)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as e:
            raise ValueError(f"Damaged {cls.__name__}: {e}") from e
        return cls(**msgspec.structs.asdict(fields))


def _check_action(action: str, instrument_id: str, secs: float) -> None:
    if action not in get_args(Action):
        raise ValueError(f"Unknown action '{action}': use {', '.join(get_args(Action))}")
    if action in ("resume", "verify"):
        if instrument_id:
            raise ValueError(f"A {action} concerns the whole node: do not name an instrument")
    elif instrument_id or action != "repair":
        _check_instrument(instrument_id)
    if action == "release":
        if not (math.isfinite(secs) and 0 < secs <= MAX_RELEASE_SECS):
            raise ValueError(
                f"A release cannot last {secs:g} s: give more than 0 and at most 24 hours"
            )
    elif secs != 0:
        raise ValueError(f"Only a release has a duration: give {action} a time of 0 s")


def _check_instrument(instrument_id: str) -> None:
    _check_line(instrument_id, "instrument: name one, for example 'ETHUSDT-PERP.BINANCE'")
    symbol, _, venue = instrument_id.rpartition(".")
    if not (symbol.strip() and venue.strip()):
        raise ValueError(
            f"'{instrument_id}' is not an instrument ID: give symbol and venue, "
            f"for example 'ETHUSDT-PERP.BINANCE'"
        )


def _check_line(text: str, needed: str) -> None:
    # What ends in a log must not look like several lines of it
    if not text.strip() or not text.isprintable():
        raise ValueError(f"{'Unprintable' if text.strip() else 'No'} {needed}")


def _to_ns(secs: float) -> int:
    return round(secs * 1_000_000_000)
