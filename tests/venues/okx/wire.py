"""
Instruments and balances, in the JSON in which OKX sends them.
"""

from collections.abc import Mapping
from decimal import Decimal

from tests.venues.okx.records import Json
from tests.venues.okx.records import blank
from tests.venues.okx.records import px_text


_ACCOUNT = blank(
    "adjEq borrowFroz imr isoEq mgnRatio mmr notionalUsd notionalUsdForBorrow notionalUsdForSwap "
    "notionalUsdForFutures notionalUsdForOption ordFroz upl availEq"
)
_BALANCE = blank(
    "accAvgPx borrowFroz clSpotInUseAmt crossLiab disEq fixedBal imr interest isoEq isoLiab isoUpl "
    "liab maxLoan maxSpotInUseAmt mgnRatio mmr notionalLever openAvgPx ordFrozen rewardBal "
    "smtSyncEq spotBal spotCopyTradingEq spotInUseAmt spotIsoBal spotUpl spotUplRatio stgyEq "
    "totalPnl totalPnlRatio twap upl uplLiab"
)
_INSTRUMENT = blank(
    "alias baseCcy category ctMult ctType ctVal ctValCcy expTime instFamily lever maxLmtAmt "
    "maxMktAmt optType quoteCcy settleCcy stk uly"
)


def account_json(balances: Mapping[str, Decimal], ts: int) -> Json:
    """
    Return the balance of each currency.
    """
    account = _ACCOUNT | {"totalEq": "0", "uTime": str(ts)}
    return {**account, "details": [_balance(ccy, held, ts) for ccy, held in balances.items()]}


def _balance(ccy: str, held: Decimal, ts: int) -> Json:
    amounts = dict.fromkeys(("availBal", "availEq", "cashBal", "eq", "eqUsd"), px_text(held))
    return {**_BALANCE, "ccy": ccy, "frozenBal": "0", "uTime": str(ts), **amounts}


def instrument_json(inst_id: str, code: int) -> Json:
    """
    Return an instrument: a perpetual swap of one base unit a contract, or a spot pair.
    """
    pair = inst_id.removesuffix("-SWAP")
    base, _, quote = pair.partition("-")
    maximums = ("maxLmtSz", "maxMktSz", "maxTwapSz", "maxIcebergSz", "maxTriggerSz", "maxStopSz")
    kind: Json = {
        "instType": "SPOT",
        "baseCcy": base,
        "quoteCcy": quote,
        "lotSz": "0.00000001",
        "minSz": "0.00001",
    }
    if pair != inst_id:
        kind = {
            "instType": "SWAP",
            "uly": pair,
            "instFamily": pair,
            "settleCcy": quote,
            "ctType": "linear",
            "ctVal": "1",
            "ctMult": "1",
            "ctValCcy": base,
            "lever": "100",
            "lotSz": "0.001",
            "minSz": "0.001",
        }
    return {
        **_INSTRUMENT,
        **dict.fromkeys(maximums, "100000"),
        "instId": inst_id,
        "instIdCode": code,
        "listTime": "1600000000000",
        "tickSz": "0.01",
        "ruleType": "normal",
        "state": "live",
        **kind,
    }
