from decimal import Decimal

import msgspec
import pytest

from nautilus_recovery_actor.core.enums import DiscrepancyKind
from nautilus_recovery_actor.core.enums import FillOrigin
from nautilus_recovery_actor.core.enums import Severity
from nautilus_recovery_actor.core.report import RecoveryReport
from tests.core.builders import discrepancy
from tests.core.builders import full_report


MINIMAL = {"trader_id": "T-1", "recovery_id": "x", "epoch": 3, "trigger": "startup"}


def test_full_report_reads_back_equal() -> None:
    """
    Every field survives the way through bytes and through a dictionary.
    """
    report = full_report()
    assert RecoveryReport.from_bytes(report.to_bytes()) == report
    assert RecoveryReport.from_dict(report.to_dict()) == report


def test_decimals_keep_every_digit() -> None:
    """
    Quantities and prices are written as text, so no digit and no trailing zero is lost.
    """
    report = full_report()
    (change,) = report.to_dict()["positions"]
    assert change["qty_before"] == "0.100"
    assert change["qty_venue"] == "0.30000000000000000001"
    (back,) = RecoveryReport.from_bytes(report.to_bytes()).positions
    assert str(back.qty_before) == "0.100"
    assert back.qty_venue == Decimal("0.30000000000000000001")


def test_dictionary_holds_nothing_but_plain_values() -> None:
    """
    Every JSON and msgpack encoder takes the dictionary, its enums as their names.
    """
    values = full_report().to_dict()

    def is_plain(value: object) -> bool:
        if isinstance(value, dict):
            return all(type(k) is str and is_plain(v) for k, v in value.items())
        if isinstance(value, list | tuple):
            return all(is_plain(v) for v in value)
        return value is None or type(value) in (str, int, bool)

    assert is_plain(values)
    assert values["outcome"] == "DEGRADED"
    assert values["fill_counts"] == {"INFERRED": 1, "VENUE": 2_000}
    assert values["discrepancies"][0]["kind"] == "POSITION_QTY_MISMATCH"


def test_words_read_back_as_enums() -> None:
    """
    A stored report gives enums again, not their names.
    """
    report = RecoveryReport.from_dict(full_report().to_dict())
    assert [type(origin) for origin in report.fill_counts] == [FillOrigin, FillOrigin]
    assert report.discrepancies[0].kind is DiscrepancyKind.POSITION_QTY_MISMATCH


def test_report_of_a_newer_version_is_readable() -> None:
    """
    Fields that this version does not know are passed over, at the top and inside.
    """
    values = full_report().to_dict()
    values["added_later"] = {"nested": [1, 2]}
    values["positions"][0]["added_later"] = "x"
    values["discrepancies"][0]["added_later"] = 1
    assert RecoveryReport.from_dict(values) == full_report()
    assert RecoveryReport.from_bytes(msgspec.json.encode(values)) == full_report()


def test_report_of_an_older_version_is_readable() -> None:
    """
    Fields with a default may be missing.
    """
    report = RecoveryReport.from_bytes(msgspec.json.encode(MINIMAL))
    assert report == RecoveryReport(trader_id="T-1", recovery_id="x", epoch=3, trigger="startup")
    assert (report.outcome, report.failure, report.message) == (None, None, "")
    assert (report.fills, report.fill_counts, report.blocked_instruments) == ((), {}, ())
    assert (report.shadow, report.overrides) == (False, ())
    values = full_report().to_dict()
    del values["discrepancies"][0]["resolved"]
    del values["accounts"][0]["is_connected"], values["accounts"][0]["ts_account"]
    del values["overrides"][0]["ts_ended"]
    older = RecoveryReport.from_dict(values)
    assert older.discrepancies[0].resolved is False
    assert (older.accounts[0].is_connected, older.accounts[0].ts_account) == (None, None)
    assert older.overrides[0].ts_ended is None


@pytest.mark.parametrize("field", sorted(MINIMAL))
def test_report_without_its_identity_is_refused(field: str) -> None:
    """
    What names the epoch must be there.
    """
    values = {name: value for name, value in MINIMAL.items() if name != field}
    with pytest.raises(msgspec.ValidationError, match=field):
        RecoveryReport.from_dict(values)


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"null", b'{"epoch":"three"}'])
def test_bytes_that_are_no_report_are_refused(data: bytes) -> None:
    """
    Damaged and foreign bytes raise the documented error.
    """
    with pytest.raises(msgspec.DecodeError):
        RecoveryReport.from_bytes(data)


@pytest.mark.parametrize("severity", list(Severity))
@pytest.mark.parametrize("resolved", [False, True])
def test_difference_blocks_while_it_stands_and_is_severe_enough(
    severity: Severity, resolved: bool
) -> None:
    """
    Only a `BLOCK` that was not resolved stops trading.
    """
    found = discrepancy(severity=severity, resolved=resolved)
    assert found.is_blocking is (severity is Severity.BLOCK and not resolved)


def test_report_is_frozen_and_its_counts_are_its_own() -> None:
    """
    Two reports share no dictionary, and no field can be set.
    """
    one = RecoveryReport(trader_id="T-1", recovery_id="x", epoch=3, trigger="startup")
    two = RecoveryReport(trader_id="T-1", recovery_id="x", epoch=3, trigger="startup")
    assert one.fill_counts is not two.fill_counts
    with pytest.raises(AttributeError):
        one.epoch = 4  # type: ignore[misc]
