"""
What decides: pure functions over plain values, on msgspec and the standard library alone. No clock,
no I/O, nothing of NautilusTrader, so that any host can run it.

The ways in, each the only place of its decision:

- `recovery.decide`: what happened -> what to do; one epoch after another. `epoch.decide` is its
  inside: the life of one epoch. `happenings` has the words of both sides.
- `verdict.judge`: what was seen (`observation`) -> the report and its outcome. `compare` finds what
  differs, `origins` where a fill came from, `policy` how much a difference matters, `strategies`
  what happened to each strategy.
- `gate`: may this instrument trade, and what each message means for that. `following`: what else a
  consumer does with a message.
- `protection`, `order_ids`, `lost`, `overrides`, `liveness`, `checkpoint`, `journal`: a rule each.
- `wording`: a report in words. `names`: the keys, endpoints and topics.

What it answers for, each with a property test:

- I1 at most one terminal message per epoch, and exactly one once the deadline has passed;
- I2 none that allows trading before the trader started, nor while flagged events keep arriving;
- I3 a gate is open only under the completion of the newest epoch that it knows;
- I4 every flagged fill counts once, and quantity after = before + signed fills;
- I5 the same observation gives the same report;
- I7 an error of the host ends the epoch as a failure, and opens nothing.
"""
