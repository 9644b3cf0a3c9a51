import re
from contextlib import closing

import pytest

from nautilus_recovery_actor.outside.checks.findings import Finding
from nautilus_recovery_actor.outside.checks.findings import Rule
from nautilus_recovery_actor.outside.checks.server import look_at_server
from nautilus_recovery_actor.outside.checks.server_rules import RULES
from tests.server.faults import FAULTS
from tests.server.faults import OWN
from tests.server.faults import Fault


def look(url: str) -> dict[str, Finding]:
    return {finding.code: finding for finding in look_at_server(url, OWN, timeout_secs=1.5)}


@pytest.mark.parametrize(("rule", "scene"), FAULTS, ids=[scene.__name__ for _, scene in FAULTS])
def test_a_fault_is_found_and_its_neighbour_is_not(rule: Rule, scene: Fault) -> None:
    """Each on a real server, or on what a real client takes for one."""
    with closing(scene()) as shown:
        broken = look(next(shown))
        assert rule.code in broken, f"found only {set(broken)}"
        sound = look(next(shown))
        assert rule.code not in sound, sound[rule.code].message
        assert next(shown, None) is None
    finding = broken[rule.code]
    assert finding.severity == rule.severity
    assert re.fullmatch(r"Redis at \S+", finding.subject)
    assert finding.message.isprintable()


def test_each_rule_has_a_real_server_that_breaks_it() -> None:
    """A rule that nothing shows is a rule that nobody has seen work."""
    assert {rule.code for rule, _ in FAULTS} == {rule.code for rule in RULES}
    assert len({rule.code for rule in RULES}) == len(RULES)
