"""
Which steps make the cache equal to what two agreeing answers of the venue say.

`plan` plans, from plain values alone: `place` is what is known of an instrument, `changes` finds
what differs of its orders, `positions` what explains the quantity that the venue holds, `untold`
what nobody reports a trade of, `parts` moves what is real to where it belongs, `orders` brings
orders up to date, `steps` are its words. A step invents no trade and no PnL: what nobody traded is
booked at the position's own open price.
"""
