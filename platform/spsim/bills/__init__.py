"""Bills made of the simulator's own ledger, with the habits of the real ones (wechatpay-v2 4.8, 4.9; -v3 5).

* :mod:`.trade` and :mod:`.fund` - the lines, of payments, refunds and reversals in the books.
* :mod:`.planting` - lines that differ from the books on purpose.
* :mod:`.writing` - the text; :mod:`.making` - one whole bill as it was asked for.
* :mod:`.calls` - the paths of API v2; those of v3 are in :mod:`spsim.v3.bills`.
* :mod:`.controls` - the tester's hands.
"""
