"""What the two hot paths cost. These numbers may fall; a change that raises them fails here."""

from __future__ import annotations

from tests.support.counting import counted
from tests.support.till import PEER, Till, wanted


async def test_an_order_takes_two_commits_and_three_statements_each_way(till: Till) -> None:
    await till.placed("warm")
    loads = till.keyring.loads
    with counted(till.database) as cost:
        placed = await till.orders.place(till.caller, wanted("T2"), peer=PEER)
    print(f"order path: {cost}")
    assert placed.pay_params is not None
    assert cost.commits == 2
    assert len(cost.statements) == 6, cost.statements
    assert till.keyring.loads == loads  # no key is read, opened or parsed in steady state


async def test_a_mini_program_order_costs_one_price_more(till: Till) -> None:
    from sptenants.orders.commands import PricedOrder

    await till.placed("warm")
    with counted(till.database) as cost:
        await till.orders.place_priced(till.payer(), PricedOrder("latte", 2), peer=PEER)
    print(f"mini-program order path: {cost}")
    assert (cost.commits, len(cost.statements)) == (2, 7), cost.statements


async def test_a_notification_takes_one_commit(till: Till) -> None:
    order = await till.placed()
    body = await till.paid_body(order)
    with counted(till.database) as cost:
        answer = await till.tell(body)
    print(f"notification path: {cost}")
    assert answer.settled
    assert cost.commits == 1
    assert len(cost.statements) == 7, cost.statements


async def test_a_repeated_notification_takes_one_commit_and_three_statements(till: Till) -> None:
    order = await till.placed()
    body = await till.paid_body(order)
    await till.tell(body)
    with counted(till.database) as cost:
        await till.tell(body)
    print(f"repeated notification: {cost}")
    assert (cost.commits, len(cost.statements)) == (1, 3), cost.statements
