"""`wxsp provider rotate`: keys replaced by whoever runs the machine (failure catalogue K01, K06, A02)."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import Result
from tests.spapp.cli.conftest import NOW, Terminal
from tests.support.certificates import certificate_of, certificate_pem, private_pem, rsa_key

MCH_ID = "1900000109"
NEW_KEY = "n" * 28 + "a71f"
NOWHERE = "prv_01JD3K8W7Q4M6X0B2T9V5H1CZN"


def rotate(terminal: Terminal, kind: str, *words: str, given: bytes | None = None) -> Result:
    return terminal.run(
        "provider", "rotate", "--provider", terminal.provider_id, "--kind", kind, *words, given=given
    )


def codes(result: Result) -> list[tuple[str, str]]:
    """Return pointer and code of each error that was printed for machines."""
    return [(error["pointer"], error["code"]) for error in json.loads(result.stdout)["errors"]]


def test_K01_a_key_is_replaced_from_a_file_and_the_same_again_changes_nothing(
    terminal: Terminal, tmp_path: Path
) -> None:
    file = tmp_path / "key.txt"
    file.write_text(f"{NEW_KEY}\n")

    first = rotate(terminal, "api_v2", str(file), "--json")
    again = rotate(terminal, "api_v2", "-", "--json", given=NEW_KEY.encode())
    words = rotate(terminal, "api_v2", str(file))

    answer = json.loads(first.stdout)
    assert (first.exit_code, answer["provider_id"], answer["kind"], answer["changed"]) == (
        0,
        terminal.provider_id,
        "api_v2",
        True,
    )
    assert (again.exit_code, json.loads(again.stdout)) == (0, answer | {"changed": False})
    assert (words.exit_code, "未更改" in words.stdout) == (0, True)
    for result in (first, again, words):
        assert NEW_KEY not in result.output


def test_what_cannot_be_a_key_is_refused_and_not_repeated(terminal: Terminal) -> None:
    short = rotate(terminal, "api_v2", "-", "--json", given=b"n" * 31)
    foreign = rotate(terminal, "api_v2", "-", given="密钥".encode() * 6)
    nobody = terminal.run(
        *("provider", "rotate", "--provider", NOWHERE, "--kind", "api_v2", "-", "--json"),
        given=NEW_KEY.encode(),
    )
    no_file = rotate(terminal, "api_v2", "/no/such/file")

    assert (short.exit_code, codes(short)) == (1, [("#/api_v2_key", "invalid_key")])
    assert (foreign.exit_code, foreign.stdout) == (1, "")
    assert (nobody.exit_code, json.loads(nobody.stdout)["code"]) == (1, "not_found")
    assert no_file.exit_code == 2
    for result in (short, foreign, nobody):
        assert "n" * 28 not in result.output


def test_K06_a_certificate_and_its_key_come_in_either_order(terminal: Terminal, tmp_path: Path) -> None:
    key = rsa_key("ours")
    certificate, private = certificate_pem(certificate_of(key, MCH_ID, now=NOW)), private_pem(key)
    file = tmp_path / "pair.pem"
    file.write_bytes(private + certificate)

    first = rotate(terminal, "certificate", "-", "--json", given=certificate + private)
    again = rotate(terminal, "certificate", str(file), "--json")

    assert [(result.exit_code, json.loads(result.stdout)["changed"]) for result in (first, again)] == [
        (0, True),
        (0, False),
    ]
    for result in (first, again):
        assert "BEGIN" not in result.output
        assert private.decode().splitlines()[5] not in result.output


def test_K06_a_wrong_pair_is_refused_and_the_key_is_not_repeated(terminal: Terminal) -> None:
    key, other = rsa_key("ours"), rsa_key("another")
    ours = certificate_pem(certificate_of(key, MCH_ID, now=NOW))
    foreign = certificate_pem(certificate_of(key, "1900000999", now=NOW))
    lines = private_pem(key).decode().splitlines() + private_pem(other).decode().splitlines()
    for given, pointer in (
        (ours + private_pem(other), "#/client_key_pem"),
        (foreign + private_pem(key), "#/client_cert_pem"),
        (ours, "FILE"),
        (b"", "FILE"),
    ):
        refused = rotate(terminal, "certificate", "-", "--json", given=given)

        assert (refused.exit_code, [at for at, _code in codes(refused)]) == (1, [pointer])
        assert not any(line in refused.output for line in lines if len(line) > 40)
