"""What one order costs the whole application, from the HTTP request to the simulator and back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from tests.support.counting import counted
from tests.support.import_file import encoded
from tests.support.simulated import COFFEE, COFFEE_APP, MCH_ID, PAYER, PROVIDERS
from tests.support.visitor import PUBLIC_URL, site_environment

from spapp.asgi import create_app
from spapp.importer.apply import import_document
from spapp.wiring import Services, build
from spcore.clock import SystemClock
from spcore.settings import Settings
from spsim.serve import Running, running

ORDER = {
    "amount": 888,
    "description": "拿铁",
    "trade_type": "JSAPI",
    "sub_appid": COFFEE_APP,
    "openid": PAYER,
}


async def _open(services: Services) -> str:
    """Import the provider and return the key of its first tenant's server."""
    provider = PROVIDERS["providers"][0]
    tenant = provider["tenants"][0] | {"api_keys": [{"name": "server"}]}
    document = {"providers": [{**provider, "members": [], "tenants": [tenant]}]}
    assert (provider["mch_id"], tenant["sub_mch_id"]) == (MCH_ID, COFFEE)
    result = await import_document(
        services.database,
        services.vault,
        services.clock,
        encoded(document),
        services.settings.public_url,
    )
    (made,) = result.to_json()["providers"]
    secret: str = made["tenants"][0]["api_keys"][0]["secret"]
    return secret


@pytest.fixture
def simulator() -> Iterator[Running]:
    with running() as where:
        httpx.post(f"{where.url}/_sim/providers", json=PROVIDERS, trust_env=False).raise_for_status()
        yield where


@pytest.fixture
async def services(database_url: str, simulator: Running) -> Services:
    variables = site_environment(database_url) | {"WXSP_SIMULATOR_URL": simulator.url}
    return build(Settings.from_env(variables), SystemClock())


async def test_an_order_in_steady_state_opens_no_connection_reads_no_key_and_commits_twice(
    services: Services,
) -> None:
    app = create_app(services.settings, services)
    counter = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=PUBLIC_URL)
    async with app.lifespan(), counter:
        counter.headers["Authorization"] = f"Bearer {await _open(services)}"

        async def order(number: str) -> Any:
            answer = await counter.post("/v1/orders", json={**ORDER, "merchant_order_no": number})
            assert answer.status_code == 201, answer.text
            return answer.json()

        await order("warm-up")
        connections, loads = services.gateways.connections_opened, services.keyring.loads
        with counted(services.database) as cost:
            placed = await order("measured")
        assert services.gateways.connections_opened == connections == 1
        assert services.keyring.loads == loads == 1

    assert placed["pay_params"]["paySign"]
    assert cost.commits == 2
    assert len(cost.statements) == 7, cost.statements  # the credential, three before the call, three after
