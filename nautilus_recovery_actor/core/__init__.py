"""
The core: it decides, and does nothing else.

Pure functions over plain values, on msgspec and the standard library, without a clock and without
I/O. A host looks, hands in what it saw, and carries out what is decided.

The way in:

- `observation.Observation` is what a host saw of one epoch. `verdict.judge` makes a
  `report.RecoveryReport` of it under a `policy.Policy`; `verdict.describe` reports what was seen so
  far, without a result. `origins` has where each fill came from, `compare` what differs between
  venue and cache, `strategies` what happened to each strategy.
- `recovery.decide` leads from one epoch to the next, `epoch.decide` through one of them: what
  happened goes in, what to do comes out.
- `gate.RecoveryGate` answers whether an instrument may be traded, and why not; `following` has what
  a strategy does with each message.
- `overrides` has what an operator may release, `protection` what still protects a position,
  `checkpoint` what a strategy keeps over a kill.
- `journal` keeps and finds reports, `wording` puts them into words, `liveness` says whether a node
  is alive.

What holds, whatever happens (the tests look for a counterexample to each):

- An epoch ends at most once, and has ended when its deadline has passed.
- No epoch completes before the trader has started, nor before the events of reconciliation settled.
- A gate is open only under the completed recovery of the newest epoch.
- Each flagged fill is counted once: a position is afterwards what it was before, plus its fills.
- The same observation gives the same report.
- Nothing blocks, and nothing that was handed in is changed.
- Whatever raises in a host ends in a failure, and a failure opens no gate.
"""
