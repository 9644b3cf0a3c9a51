"""
What an operator withdrew while a strategy was stopped stays withdrawn when it runs again.
"""

from tests.core.builders import BTC
from tests.core.test_following import hear
from tests.core.test_following import overridden
from tests.core.test_following import warming


def test_a_release_that_was_withdrawn_while_the_strategy_was_stopped_opens_nothing() -> None:
    """Not even for the time of `on_trading_enabled`."""
    following = warming(1, BTC)
    hear(following, overridden(1, BTC))  # Released during the warm-up
    assert following.warmed_up(is_running=False) == []  # It stopped meanwhile
    hear(following, overridden(1), is_running=False)  # Withdrawn
    (result,) = following.catch_up()
    hear(following, result)
    following.informed(result, is_running=True)
    following.warmed_up(is_running=True)
    # Here a strategy is called that it may trade
    assert following.gate.is_open
    assert not following.gate.is_open_for(BTC)
