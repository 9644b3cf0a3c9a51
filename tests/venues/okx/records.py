"""
What OKX holds, and the JSON in which its REST and WebSocket API send it.
"""

from dataclasses import dataclass
from dataclasses import replace
from decimal import Decimal


Json = dict[str, object]

ZERO = Decimal(0)
FEE_RATE = Decimal("0.0005")
CONTRACT = Decimal(1)  # Of the base currency
LIVE = ("live", "partially_filled")


def blank(names: str) -> Json:
    """
    Return fields that are always sent, without a value.
    """
    return dict.fromkeys(names.split(), "")


_POSITION = blank(
    "baseBal ccy fee lever last markPx liqPx mmr interest tradeId notionalUsd upl uplRatio margin "
    "mgnRatio adl cTime realizedPnl uplLastPx uplRatioLastPx bePx fundingFee idxPx liqPenalty "
    "optVal pendingCloseOrdLiabVal pnl posCcy quoteBal quoteBorrowed quoteInterest spotInUseAmt "
    "spotInUseCcy usdPx"
)


def px_text(px: Decimal | None) -> str:
    return "" if px is None else f"{px:f}"


def inst_type(inst_id: str) -> str:
    return "SWAP" if inst_id.endswith("-SWAP") else "SPOT"


def fee_currency(inst_id: str, side: str) -> str:
    """
    Return what a fee is paid in: on spot, what is received.
    """
    base, quote, *_ = inst_id.split("-")
    return base if inst_type(inst_id) == "SPOT" and side == "buy" else quote


@dataclass
class Order:
    """
    A regular order, or the one that a triggered algo order placed.
    """

    ord_id: str
    cl_ord_id: str
    inst_id: str
    side: str
    ord_type: str
    sz: Decimal
    px: Decimal | None
    reduce_only: bool
    c_time: int
    u_time: int
    algo_id: str = ""
    algo_cl_ord_id: str = ""
    state: str = "live"
    category: str = "normal"
    filled: Decimal = ZERO
    value: Decimal = ZERO
    fee: Decimal = ZERO
    last_fill: "Fill | None" = None

    @property
    def sign(self) -> int:
        return 1 if self.side == "buy" else -1

    def json(self, fill: "Fill | None" = None) -> Json:
        """
        Return the order; in a push, with the fill that is its occasion.
        """
        avg_px = self.value / self.filled if self.filled else None
        return {
            "instType": inst_type(self.inst_id),
            "instId": self.inst_id,
            "ordId": self.ord_id,
            "clOrdId": self.cl_ord_id,
            "algoId": self.algo_id,
            "algoClOrdId": self.algo_cl_ord_id,
            "attachAlgoClOrdId": "",
            "attachAlgoOrds": [],
            "linkedAlgoOrd": {"algoId": ""},
            "tag": "",
            "ccy": "",
            "uly": "",
            "ordType": self.ord_type,
            "sz": px_text(self.sz),
            "px": px_text(self.px),
            "side": self.side,
            "posSide": "net",
            "tdMode": "isolated" if inst_type(self.inst_id) == "SWAP" else "cash",
            "lever": "",
            "reduceOnly": str(self.reduce_only).lower(),
            "tgtCcy": "",
            "state": self.state,
            "avgPx": px_text(avg_px),
            "fee": px_text(-self.fee),
            "feeCcy": fee_currency(self.inst_id, self.side),
            "rebate": "0",
            "rebateCcy": "",
            "pnl": "0",
            "source": "7" if self.algo_id else "",
            "cancelSource": "1" if self.state == "canceled" else "",
            "cancelSourceReason": "",
            "accFillSz": px_text(self.filled),
            "fillSz": px_text(fill.sz) if fill else "0",
            "fillPx": px_text(fill.px) if fill else "",
            "fillTime": str(fill.ts) if fill else "",
            "tradeId": fill.trade_id if fill else "",
            "execType": fill.exec_type if fill else "",
            "category": self.category,
            "cTime": str(self.c_time),
            "uTime": str(self.u_time),
        }


@dataclass
class Algo:
    """
    A conditional order that has not become a regular one, or has.
    """

    algo_id: str
    algo_cl_ord_id: str
    inst_id: str
    side: str
    ord_type: str
    sz: Decimal
    trigger_px: Decimal
    order_px: str
    reduce_only: bool
    rises: bool
    c_time: int
    u_time: int
    state: str = "live"
    ord_id: str = ""
    actual_sz: str = "0"
    actual_px: str = ""

    def json(self) -> Json:
        return {
            "instType": inst_type(self.inst_id),
            "instId": self.inst_id,
            "algoId": self.algo_id,
            "algoClOrdId": self.algo_cl_ord_id,
            "clOrdId": "",
            "ordId": self.ord_id,
            "ordType": self.ord_type,
            "state": self.state,
            "side": self.side,
            "posSide": "net",
            "sz": px_text(self.sz),
            "triggerPx": px_text(self.trigger_px),
            "triggerPxType": "last",
            "slTriggerPx": "",
            "slTriggerPxType": "",
            "slOrdPx": "",
            "tpTriggerPx": "",
            "tpTriggerPxType": "",
            "tpOrdPx": "",
            "ordPx": self.order_px,
            "tdMode": "isolated",
            "lever": "3",
            "ccy": "",
            "tgtCcy": "",
            "closeFraction": "",
            "reduceOnly": str(self.reduce_only).lower(),
            "actualSz": self.actual_sz,
            "actualPx": self.actual_px,
            "notionalUsd": "",
            "triggerTime": str(self.u_time) if self.ord_id else "",
            "tag": "",
            "cTime": str(self.c_time),
            "uTime": str(self.u_time),
        }


@dataclass(frozen=True)
class Fill:
    """
    A trade. OKX does not say which algo order it belongs to.
    """

    trade_id: str
    ord_id: str
    cl_ord_id: str
    inst_id: str
    side: str
    sz: Decimal
    px: Decimal
    fee: Decimal
    exec_type: str
    ts: int

    def json(self) -> Json:
        return {
            "instType": inst_type(self.inst_id),
            "instId": self.inst_id,
            "tradeId": self.trade_id,
            "ordId": self.ord_id,
            "clOrdId": self.cl_ord_id,
            "billId": self.trade_id,
            "tag": "",
            "fillPx": px_text(self.px),
            "fillSz": px_text(self.sz),
            "side": self.side,
            "posSide": "net",
            "execType": self.exec_type,
            "feeCcy": fee_currency(self.inst_id, self.side),
            "fee": px_text(-self.fee),
            "ts": str(self.ts),
        }


@dataclass(frozen=True)
class Position:
    """
    The net position of an instrument, in contracts.
    """

    inst_id: str
    qty: Decimal = ZERO
    avg_px: Decimal = ZERO
    u_time: int = 0

    def after(self, qty: Decimal, px: Decimal, ts: int) -> "Position":
        """
        Return the position after a signed quantity has traded.
        """
        held, new = self.qty, self.qty + qty
        if held * qty >= 0:
            avg_px = (self.avg_px * abs(held) + px * abs(qty)) / abs(new)
        else:
            avg_px = px if new * held < 0 else self.avg_px
        return replace(self, qty=new, avg_px=avg_px, u_time=ts)

    def json(self) -> Json:
        return {
            **_POSITION,
            "instType": inst_type(self.inst_id),
            "instId": self.inst_id,
            "mgnMode": "isolated",
            "posId": "1",
            "posSide": "net",
            "pos": px_text(self.qty),
            "availPos": px_text(self.qty),
            "avgPx": px_text(self.avg_px) if self.qty else "",
            "uTime": str(self.u_time),
        }
