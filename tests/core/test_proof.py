"""
What a venue has answered twice in a row, and what explains two answers that differ.
"""

from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nautilus_recovery_actor.core import verdict
from nautilus_recovery_actor.core.enums import DiscrepancyKind as Kind
from nautilus_recovery_actor.core.enums import FailureReason
from nautilus_recovery_actor.core.enums import RecoveryOutcome
from nautilus_recovery_actor.core.observation import Answer
from nautilus_recovery_actor.core.observation import Observation
from nautilus_recovery_actor.core.observation import VenueOrder
from nautilus_recovery_actor.core.observation import VenuePosition
from nautilus_recovery_actor.core.origins import origins
from nautilus_recovery_actor.core.proof import Proof
from nautilus_recovery_actor.core.proof import prove
from nautilus_recovery_actor.core.proof import unasked
from tests.core.builders import ACCOUNT
from tests.core.builders import BTC
from tests.core.builders import ETH
from tests.core.builders import OTHER_ACCOUNT
from tests.core.builders import PLAIN
from tests.core.builders import TS_REPORT
from tests.core.builders import cached_order
from tests.core.builders import cached_position
from tests.core.builders import fill
from tests.core.builders import judge
from tests.core.builders import observation
from tests.core.builders import venue_order
from tests.core.builders import venue_position
from tests.core.builders import venue_report


LONG_2 = (venue_position("2"),)
FLAT = (venue_position("0"),)
replace = msgspec.structs.replace


def answer(
    positions: tuple[VenuePosition, ...] = (),
    orders: tuple[VenueOrder, ...] = (),
    ts: int = TS_REPORT + 100,
    account_id: str = ACCOUNT,
    problem: str | None = None,
    seen_events: int = 0,
    seen_live_fills: int = 0,
) -> Answer:
    return Answer(
        account_id=account_id,
        ts=ts,
        venue="PAPER",
        seen_events=seen_events,
        seen_live_fills=seen_live_fills,
        positions=positions,
        orders=orders,
        problem=problem,
    )


def asked(*answers: Answer, **fields: Any) -> Observation:
    """
    Return an observation of an account that was asked, and holds 2.
    """
    values: dict[str, Any] = {
        "reports": [venue_report(LONG_2)],
        "before": [cached_position("2")],
        "after": [cached_position("2")],
        "required": [ACCOUNT],
        "asked_accounts": frozenset({ACCOUNT}),
        "reporting": frozenset({ACCOUNT}),
    }
    return observation(answers=answers, **(values | fields))


def proven(observed: Observation) -> Proof:
    return prove(observed, origins(observed), PLAIN)


def unproven(observed: Observation) -> list[tuple[str, str, str]]:
    """
    Return what is not proven: account, instrument, and what was said.
    """
    return [
        (one.account_id, one.instrument_id, one.venue)
        for one in verdict.judge(observed, PLAIN).report.discrepancies
        if one.kind is Kind.UNPROVEN_REPORT
    ]


# -- TWO THAT AGREE, AND TWO THAT DO NOT --


def test_two_answers_that_agree_prove() -> None:
    """
    The time of the second is in the report, and how many there were.
    """
    judgment = verdict.judge(asked(answer(LONG_2)), PLAIN)
    assert judgment.report.outcome is RecoveryOutcome.CLEAN
    (account,) = judgment.report.accounts
    assert (account.answers, account.ts_proof) == (2, TS_REPORT + 100)
    assert account.ts_report == TS_REPORT
    assert not judgment.is_pending
    assert judgment.outdated == frozenset()


def test_two_answers_that_differ_prove_nothing_about_that_instrument() -> None:
    """
    Whichever of them the cache equals; the others may trade, and a third may decide.
    """
    other = venue_position("1", ETH)
    for held in ("2", "3"):
        observed = asked(
            answer((venue_position("3"), other)),
            reports=[venue_report((*LONG_2, other))],
            after=[cached_position(held), cached_position("1", ETH, "P-2")],
        )
        judgment = verdict.judge(observed, PLAIN)
        assert unproven(observed) == [(ACCOUNT, BTC, "2, then 3")]
        assert judgment.report.blocked_instruments == (BTC,)
        assert judgment.report.accounts[0].ts_proof is None
        assert judgment.is_pending


@pytest.mark.parametrize(
    ("third", "is_proven"), [("3", True), ("2", False), ("4", False)], ids=["last", "first", "new"]
)
def test_a_third_answer_decides_if_it_is_like_the_second(third: str, is_proven: bool) -> None:
    """
    In a row: two of three is not enough.
    """
    observed = asked(
        answer((venue_position("3"),)),
        answer((venue_position(third),), ts=TS_REPORT + 200),
        after=[cached_position(third)],
    )
    proof = proven(observed)
    assert (proof.unproven == []) is is_proven
    assert (proof.pending == set()) is is_proven
    # The mass status was not what both say
    assert proof.outdated == ({ACCOUNT} if is_proven else set())
    assert judge(observed, PLAIN).blocked_instruments == (() if is_proven else (BTC,))


def test_the_cache_is_judged_by_what_was_answered_last() -> None:
    """
    A mass status that is outdated is asked for again, and the cache blocks until it is equal.
    """
    late = (venue_position("3"),)
    observed = asked(answer(late), answer(late, ts=TS_REPORT + 200))
    judgment = verdict.judge(observed, PLAIN)
    (one,) = judgment.report.discrepancies
    assert (one.kind, one.venue, one.cache) == (Kind.POSITION_QTY_MISMATCH, "3", "2")
    assert judgment.outdated == {ACCOUNT}
    again = replace(observed, reports=(venue_report(late, ts=TS_REPORT + 300),))
    again = replace(
        again,
        answers=(*observed.answers, answer(late, ts=TS_REPORT + 400)),
        after=(cached_position("3"),),
    )
    judgment = verdict.judge(again, PLAIN)
    assert judgment.outdated == frozenset()
    assert judgment.report.blocked_instruments == ()


def test_a_mass_status_that_is_newer_than_an_answer_is_compared_itself() -> None:
    """
    An answer from before it was asked for again does not make it outdated.
    """
    late = (venue_position("3"),)
    observed = asked(
        answer(LONG_2, ts=TS_REPORT - 100),
        answer(late, ts=TS_REPORT + 100),
        reports=[venue_report(late)],
        after=[cached_position("3")],
    )
    proof = proven(observed)
    assert proof.answers[ACCOUNT] == (3, TS_REPORT + 100)
    assert proof.outdated == set()


# -- NO SECOND ANSWER --


@pytest.mark.parametrize("problem", ["no answer within 10 s", None])
def test_an_account_without_a_second_answer_is_not_reconciled(problem: str | None) -> None:
    """
    Nothing of it may trade, and the reason is in the report.
    """
    answers = () if problem is None else (answer(problem=problem),)
    report = judge(asked(*answers), PLAIN)
    assert report.failure is FailureReason.NOT_RECONCILED
    (one,) = report.discrepancies
    assert (one.kind, one.instrument_id) == (Kind.UNPROVEN_REPORT, "")
    assert f"did not answer ({problem or 'no answer came'})" in one.detail
    assert proven(asked(*answers)).pending == ({ACCOUNT} if problem is None else set())
    assert report.message == one.detail
    assert report.message.startswith(f"{ACCOUNT} was asked again after the reconciliation")


def test_what_never_reported_and_what_did_not_answer_again_are_told_apart() -> None:
    """
    Each with its own reason and remedy.
    """
    report = judge(asked(answer(problem="timed out"), required=[ACCOUNT, "A-1"]), PLAIN)
    first, second = report.message.split("; ")
    assert first.startswith("No mass status from A-1: enable `reconciliation`")
    assert second.startswith(f"{ACCOUNT} was asked again after the reconciliation")
    assert "timed out" in second


def test_two_answers_that_agree_are_named_in_the_result() -> None:
    """
    A report that was not confirmed is only that.
    """
    once = judge(observation(reports=[venue_report()]), PLAIN)
    assert once.message == "Nothing was changed; equal to the venue's report"
    twice = judge(asked(answer(LONG_2)), PLAIN)
    assert twice.message == (
        "Nothing was changed; equal to the venue's report, confirmed by a second answer"
    )


def test_a_question_that_failed_once_is_forgotten_once_it_is_answered() -> None:
    """
    Another answer may prove what the next one alone does not.
    """
    failed, told = answer(problem="timed out"), answer(LONG_2, ts=TS_REPORT + 200)
    assert unproven(asked(failed, told)) == []
    observed = asked(failed, told, reports=[], required=[])
    assert proven(observed).pending == {ACCOUNT}
    observed = asked(told, replace(failed, ts=TS_REPORT + 300), reports=[], required=[])
    assert proven(observed).pending == set()


def test_without_a_mass_status_two_further_answers_prove() -> None:
    """
    For an epoch that nobody's report opened; what stands from before stands until then.
    """
    carried = [unasked(ACCOUNT, BTC, PLAIN)]
    fields: dict[str, Any] = {"reports": [], "required": [], "carried": carried}
    one = asked(answer(LONG_2), **fields)
    assert judge(one, PLAIN).blocked_instruments == (BTC,)
    assert verdict.judge(one, PLAIN).is_pending
    two = replace(one, answers=(*one.answers, answer(LONG_2, ts=TS_REPORT + 200)))
    judgment = verdict.judge(two, PLAIN)
    assert judgment.report.blocked_instruments == ()
    assert judgment.report.message == "Nothing was changed; equal to what the venue answered twice"
    assert not judgment.is_pending
    assert judgment.outdated == frozenset()


def test_an_account_that_must_send_a_mass_status_is_not_proven_by_answers() -> None:
    """
    The engine reconciles only what comes with it: it is asked for.
    """
    observed = asked(answer(LONG_2), answer(LONG_2, ts=TS_REPORT + 200), reports=[])
    judgment = verdict.judge(observed, PLAIN)
    assert judgment.report.failure is FailureReason.NOT_RECONCILED
    assert [one.kind for one in judgment.report.discrepancies] == [Kind.NO_MASS_STATUS]
    assert judgment.outdated == {ACCOUNT}


def test_an_account_that_nobody_could_ask_is_judged_by_what_it_sent() -> None:
    """
    A host that cannot ask has one answer, and does not wait for another.
    """
    judgment = verdict.judge(asked(asked_accounts=frozenset()), PLAIN)
    assert judgment.report.outcome is RecoveryOutcome.CLEAN
    assert judgment.report.accounts[0].ts_proof is None


def test_each_account_is_proven_by_its_own_answers() -> None:
    """
    One that does not answer, and one that differs, say nothing about the third.
    """
    third = "PAPER-003"
    accounts = (ACCOUNT, OTHER_ACCOUNT, third)
    observed = asked(
        answer(LONG_2),
        answer(problem="timed out", account_id=OTHER_ACCOUNT),
        answer((venue_position("5", ETH),), account_id=third),
        reports=[venue_report(LONG_2, account_id=one) for one in accounts],
        after=[cached_position("2", account_id=one, position_id=one) for one in accounts],
        required=accounts,
        asked_accounts=frozenset(accounts),
    )
    proof = proven(observed)
    assert [(one.account_id, one.instrument_id) for one in proof.unproven] == [
        (OTHER_ACCOUNT, ""),
        (third, BTC),
        (third, ETH),
    ]
    assert proof.answers == {
        ACCOUNT: (2, TS_REPORT + 100),
        OTHER_ACCOUNT: (1, None),
        third: (2, None),
    }
    assert proof.pending == {third}


# -- FLAT, AND LEFT OUT --


def test_flat_is_as_good_as_left_out_in_two_answers_and_is_kept() -> None:
    """
    A number said once is not forgotten, since most venues leave out what is flat.
    """
    observed = asked(answer(()), reports=[venue_report(FLAT)])
    proof = proven(observed)
    assert proof.unproven == []
    assert proof.reports[ACCOUNT].positions == (VenuePosition(BTC, Decimal(0)),)
    assert judge(observed, PLAIN).discrepancies[0].kind is Kind.POSITION_QTY_MISMATCH
    assert judge(replace(observed, after=()), PLAIN).blocked_instruments == ()


def test_left_out_twice_is_told_from_left_out_once() -> None:
    """
    Once alone proves nothing of what is held.
    """
    once = asked(reports=[venue_report()])
    assert proven(once).missing == set()
    assert [one.kind for one in judge(once, PLAIN).discrepancies] == [Kind.UNPROVEN_REPORT] * 2
    twice = asked(answer(), reports=[venue_report()])
    assert proven(twice).missing == {(ACCOUNT, BTC)}
    assert [one.kind for one in judge(twice, PLAIN).discrepancies] == [Kind.POSITION_NOT_AT_VENUE]


@pytest.mark.parametrize("is_first", [True, False])
def test_left_out_of_one_of_two_blocks(is_first: bool) -> None:
    """
    An answer that is empty after an error, the first or the second, opens no gate.
    """
    said = ((), LONG_2) if is_first else (LONG_2, ())
    observed = asked(answer(said[1]), reports=[venue_report(said[0])])
    assert judge(observed, PLAIN).blocked_instruments == (BTC,)
    assert verdict.judge(observed, PLAIN).is_pending


def test_orders_that_ended_are_known_from_the_mass_status() -> None:
    """
    A further answer has only those that are open.
    """
    ended = venue_order("O-2", "V-2", status="FILLED", is_open=False)
    is_open = venue_order()
    observed = asked(
        answer(LONG_2, (is_open,)), reports=[venue_report(LONG_2, (is_open, ended), fills=3)]
    )
    report = proven(observed).reports[ACCOUNT]
    assert report.orders == (is_open, ended)
    assert report.fills == 3


# -- WHAT EXPLAINS A DIFFERENCE --


def test_a_trade_in_between_explains_it() -> None:
    """
    To the last digit, of that instrument and account, and a made-up one explains nothing.
    """
    after = answer((venue_position("3"),), seen_live_fills=1)
    base = {"after": [cached_position("3")]}
    traded = fill("1", ts_init=TS_REPORT + 50)
    assert unproven(asked(after, live_fills=[traded], **base)) == []
    for wrong in (
        replace(traded, qty=Decimal("0.999")),
        replace(traded, qty=Decimal(-1)),
        replace(traded, instrument_id=ETH),
        replace(traded, account_id=OTHER_ACCOUNT),
    ):
        assert (ACCOUNT, BTC, "2, then 3") in unproven(asked(after, live_fills=[wrong], **base))
    flagged = replace(after, seen_live_fills=0, seen_events=1)
    for is_made_up in (False, True):
        made = replace(traded, is_made_up=is_made_up)
        assert bool(unproven(asked(flagged, fills=[made], **base))) is is_made_up


def test_a_trade_that_both_count_explains_nothing() -> None:
    """
    Nor one that neither can count.
    """
    before = venue_report(LONG_2, seen_live_fills=1)
    traded = fill("1", ts_init=TS_REPORT - 1)
    said = answer((venue_position("3"),), seen_live_fills=1)
    assert unproven(asked(said, reports=[before], live_fills=[traded]))
    late = replace(traded, ts_init=TS_REPORT + 500)
    said = replace(said, seen_live_fills=0)
    assert unproven(asked(said, live_fills=[late]))


@pytest.mark.parametrize("second", ["2", "3", "1", "4"])
def test_trades_that_cross_an_answer_may_be_in_it_in_their_order(second: str) -> None:
    """
    What came while the venue answered is counted up to some trade, and never the later one alone.
    """
    trades = [fill(qty, n, ts_init=TS_REPORT + 150) for n, qty in enumerate(("1", "-2", "3"))]
    said = answer((venue_position(second),), seen_live_fills=3)
    observed = asked(said, live_fills=trades, after=[cached_position("4")])
    assert unproven(observed) == []
    never = replace(observed, answers=(replace(said, positions=(venue_position("5"),)),))
    assert unproven(never)


def test_of_legs_each_is_explained_by_its_own_trades() -> None:
    """
    A trade of the other side is no explanation.
    """

    def legs(long: str, short: str) -> tuple[VenuePosition, ...]:
        return venue_position(long, leg="L"), venue_position(short, leg="S")

    for leg in ("L", "S"):
        observed = asked(
            answer(legs("3", "-1"), seen_live_fills=1),
            reports=[venue_report(legs("2", "-1"))],
            live_fills=[fill("1", ts_init=TS_REPORT + 50, position_id=leg)],
        )
        assert (proven(observed).unproven == []) is (leg == "L")


OPEN = venue_order()


@pytest.mark.parametrize(
    "changed",
    [
        {"qty": Decimal(2)},
        {"filled_qty": Decimal(1)},
        {"px": Decimal(10)},
        {"trigger_px": Decimal(10)},
        {"side": "SELL"},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_an_order_that_reads_otherwise_differs(changed: dict[str, Any]) -> None:
    """
    Unless it has changed here since.
    """
    observed = asked(answer(LONG_2, (replace(OPEN, **changed),)), reports=[])
    observed = replace(observed, reports=(venue_report(LONG_2, (OPEN,)),))
    assert [one.instrument_id for one in proven(observed).unproven] == [BTC]
    for order, is_explained in (
        (cached_order(ts_last=TS_REPORT), False),
        (cached_order(ts_last=TS_REPORT + 1), True),
        (cached_order(ts_init=TS_REPORT + 1, ts_last=0), True),
        (replace(cached_order(), ts_filled=TS_REPORT + 1), True),
        (cached_order("O-9", "V-9", ts_last=TS_REPORT + 1), False),
    ):
        told = replace(observed, orders=(order,))
        assert (proven(told).unproven == []) is is_explained


@pytest.mark.parametrize("is_gone", [True, False])
def test_an_order_that_is_gone_or_new_differs_unless_it_is_this_nodes_doing(is_gone: bool) -> None:
    """
    It is known by either of its ids, and a status alone is no difference.
    """
    orders = ((OPEN,), ()) if is_gone else ((), (OPEN,))
    observed = asked(answer(LONG_2, orders[1]), reports=[venue_report(LONG_2, orders[0])])
    (one,) = proven(observed).unproven
    assert "no open order" in one.venue
    assert "O-1 ACCEPTED" in one.venue
    names: list[tuple[str, str | None]] = [("O-1", "V-1"), ("O-1", None), ("O-7", "V-1")]
    for ids in names:
        mine = cached_order(ids[0], ids[1], ts_last=TS_REPORT + 50)
        assert proven(replace(observed, orders=(mine,))).unproven == []


def test_an_order_without_an_id_of_ours_is_not_explained_by_one_without_the_venues() -> None:
    """
    An order on its way has nothing to do with one that was placed elsewhere.
    """
    observed = asked(
        answer(LONG_2, (venue_order(None, "V-5"),)),
        orders=[cached_order("O-3", None, ts_init=TS_REPORT + 50)],
    )
    assert [one.instrument_id for one in proven(observed).unproven] == [BTC]


def test_another_status_of_an_open_order_is_no_difference() -> None:
    """
    The status goes with what was filled.
    """
    said = answer(LONG_2, (replace(OPEN, status="PENDING_CANCEL"),))
    assert proven(asked(said, reports=[venue_report(LONG_2, (OPEN,))])).unproven == []


# -- WHATEVER IS SAID --

QTY = st.sampled_from([Decimal(q) for q in ("-1", "0", "1", "2")])
SAID = st.dictionaries(st.sampled_from([BTC, ETH]), QTY, max_size=2).map(
    lambda said: tuple(VenuePosition(name, qty) for name, qty in said.items())
)
ANSWERS = st.lists(
    st.builds(
        answer,
        positions=SAID,
        orders=st.sampled_from([(), (OPEN,)]),
        account_id=st.sampled_from([ACCOUNT, OTHER_ACCOUNT]),
        problem=st.sampled_from([None, None, None, "timed out"]),
    ),
    max_size=5,
).map(lambda answers: tuple(replace(one, ts=2_000 + n) for n, one in enumerate(answers)))


def scene(said: tuple[VenuePosition, ...] | None, held: list[Decimal], answers: Any) -> Observation:
    accounts = (ACCOUNT, OTHER_ACCOUNT)
    return asked(
        *answers,
        reports=[venue_report(said, account_id=one) for one in accounts if said is not None],
        after=[
            cached_position(qty, name, f"{one}-{name}", one)
            for one in accounts
            for name, qty in zip((BTC, ETH), held, strict=True)
            if qty
        ],
        required=accounts,
        asked_accounts=frozenset(accounts),
        reporting=frozenset(accounts),
    )


@given(st.none() | SAID, st.lists(QTY, min_size=2, max_size=2), ANSWERS)
def test_nothing_may_trade_that_was_not_seen_twice_in_a_row(
    said: tuple[VenuePosition, ...] | None, held: list[Decimal], answers: tuple[Answer, ...]
) -> None:
    """
    Without trades in between: a place is open if the last two answers have what the cache has.
    """
    observed = scene(said, held, answers)
    report = judge(observed, PLAIN)
    if report.failure is not None:
        return
    for account_id in (ACCOUNT, OTHER_ACCOUNT):
        given = [one for one in answers if one.account_id == account_id and one.problem is None]
        series = [said or (), *(one.positions for one in given)]
        assert len(series) >= 2
        for name, qty in zip((BTC, ETH), held, strict=True):
            told = [{p.instrument_id: p.qty for p in one}.get(name, 0) for one in series[-2:]]
            if name not in report.blocked_instruments:
                assert told == [qty, qty]


@given(st.none() | SAID, st.lists(QTY, min_size=2, max_size=2), ANSWERS, st.randoms())
def test_the_order_in_which_things_are_listed_says_nothing(
    said: tuple[VenuePosition, ...] | None,
    held: list[Decimal],
    answers: tuple[Answer, ...],
    random: Any,
) -> None:
    """
    And twice the same question has the same answer.
    """
    observed = scene(said, held, answers)

    def shuffled(given: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(random.sample(given, len(given)))

    other = replace(
        observed,
        reports=shuffled(observed.reports),
        after=shuffled(observed.after),
        answers=shuffled(
            tuple(replace(one, positions=shuffled(one.positions)) for one in observed.answers)
        ),
    )
    judgment = verdict.judge(observed, PLAIN)
    assert verdict.judge(observed, PLAIN) == judgment
    assert verdict.judge(other, PLAIN) == judgment
