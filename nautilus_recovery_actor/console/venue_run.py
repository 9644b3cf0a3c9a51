"""
A paper venue in the foreground.
"""

import argparse
import secrets
import signal
import sys
from contextlib import ExitStack
from decimal import Decimal

from nautilus_recovery_actor.console import venue_text
from nautilus_recovery_actor.console.common import DONE
from nautilus_recovery_actor.console.common import CommandError
from nautilus_recovery_actor.console.common import say
from nautilus_recovery_actor.console.common import say_in_lines
from nautilus_recovery_actor.console.common import sentence
from nautilus_recovery_actor.testkit import EmbeddedValkey
from nautilus_recovery_actor.testkit import PaperVenue
from nautilus_recovery_actor.testkit import PaperVenueError
from nautilus_recovery_actor.testkit import ValkeyError
from nautilus_recovery_actor.testkit.records import Oms


_MAX_SEED = 10_000


def list_offer() -> int:
    """Print what the venue takes and refuses."""
    say_in_lines(venue_text.offer())
    return DONE


def run(arguments: argparse.Namespace, prices: dict[str, Decimal]) -> int:
    """Run the venue until it is interrupted."""
    for number in (
        signal.SIGINT,
        signal.SIGTERM,
    ):  # A shell ignores the first for what it starts aside
        signal.signal(number, signal.default_int_handler)
    try:
        with ExitStack() as stack:
            venue = _open(stack, arguments, prices)
            venue.wait_until_ended()
    except KeyboardInterrupt:
        say("\nEnded: what the paper venue held is gone")
        return DONE
    except (PaperVenueError, ValkeyError) as e:
        raise CommandError(sentence(str(e))) from None
    raise CommandError(
        f"The paper venue at port {arguments.port} has ended by itself: start it anew"
    )


def _open(
    stack: ExitStack, arguments: argparse.Namespace, prices: dict[str, Decimal]
) -> PaperVenue:
    seed = secrets.randbelow(_MAX_SEED) if arguments.seed is None else arguments.seed
    oms = Oms.HEDGING if arguments.hedging else Oms.NETTING
    venue = stack.enter_context(PaperVenue(oms=oms, port=arguments.port))
    for symbol, px in prices.items():
        venue.set_price(symbol, px)
    if arguments.valkey:
        # A check of the node's server asks for one that writes to disk
        stack.enter_context(EmbeddedValkey(appendonly=True, port=arguments.redis_port))
    venue.walk(seed, arguments.interval, arguments.still)
    shown = venue_text.Setting(
        port=venue.port,
        prices=prices,
        oms=oms.value,
        seed=None if arguments.still else seed,
        interval_secs=arguments.interval,
        redis_port=arguments.redis_port if arguments.valkey else None,
    )
    for line in venue_text.block(shown):
        say(line)
    sys.stdout.flush()  # A pipe would hold it back until the end
    return venue
