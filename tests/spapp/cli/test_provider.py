"""`wxsp provider rotate`: keys replaced by whoever runs the machine (failure catalogue K01, K06, A02)."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import Result
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption
from cryptography.hazmat.primitives.serialization.pkcs12 import serialize_key_and_certificates
from tests.spapp.cli.conftest import NOW, Terminal
from tests.support.certificates import certificate_of, certificate_pem, private_pem, public_pem, rsa_key

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


def test_B13_a_candidate_is_handed_in_and_promoted_in_steps_and_rolled_back(terminal: Terminal) -> None:
    handed_in = rotate(terminal, "api_v2", "--candidate", "-", "--json", given=NEW_KEY.encode())
    too_early = rotate(terminal, "api_v2", "--promote", "--json")
    promoted = rotate(terminal, "api_v2", "--promote", "--despite", "演示", "--json")
    back = rotate(terminal, "api_v2", "--roll-back", "--json")
    forth = rotate(terminal, "api_v2", "--roll-back", "--json")
    none_left = rotate(terminal, "api_v2", "--promote", "--despite", "x", "--json")

    version = json.loads(handed_in.stdout)["version"]
    assert json.loads(handed_in.stdout)["state"] == "candidate"
    assert (too_early.exit_code, json.loads(too_early.stdout)["code"]) == (1, "key_change_refused")
    assert json.loads(promoted.stdout) == json.loads(handed_in.stdout) | {"state": "active"}
    assert (json.loads(back.stdout)["version"] < version, back.exit_code) == (True, 0)
    assert (json.loads(forth.stdout)["version"], forth.exit_code) == (version, 0)
    assert (none_left.exit_code, json.loads(none_left.stdout)["code"]) == (1, "not_found")
    for result in (handed_in, too_early, promoted, back, forth):
        assert NEW_KEY not in result.output


def test_B13_a_rehearsal_that_does_not_pass_ends_the_call_before_the_promotion(terminal: Terminal) -> None:
    signer = public_pem(rsa_key("wechat"))
    key_id = "PUB_KEY_ID_0119000001092026112100111101000000"
    steps = ("--candidate", "--rehearse", "--promote", "--id", key_id)
    told = rotate(terminal, "public_key", *steps, "-", "--json", given=signer)
    answer = json.loads(told.stdout)
    # There is no simulator that could be asked.
    assert (told.exit_code, answer["state"]) == (1, "candidate")
    assert (answer["rehearsal"]["result"], answer["rehearsal"]["asked"]) == ("unclear", "unclear")

    no_id = rotate(terminal, "public_key", "--candidate", "-", "--json", given=signer)
    assert (no_id.exit_code, codes(no_id)) == (1, [("#/id", "invalid_public_key_id")])


def test_K06_a_p12_file_opens_with_the_merchant_number_or_the_password_that_is_asked_for(
    terminal: Terminal,
) -> None:
    key = rsa_key("ours")
    certificate = certificate_of(key, MCH_ID, now=NOW)

    def p12(password: str) -> bytes:
        lock = BestAvailableEncryption(password.encode())
        return serialize_key_and_certificates(b"Tenpay Certificate", key, certificate, None, lock)

    usual = rotate(terminal, "certificate", "-", "--json", given=p12(MCH_ID))
    other = rotate(terminal, "certificate", "-", "--json", given=p12("another"))
    assert (usual.exit_code, json.loads(usual.stdout)["changed"]) == (0, True)
    assert (other.exit_code, codes(other)) == (1, [("#/password", "wrong_password")])


def test_steps_that_do_not_go_together_are_refused(terminal: Terminal) -> None:
    for words in ((), ("--roll-back", "--promote"), ("--roll-back", "-")):
        assert rotate(terminal, "api_v2", *words).exit_code == 1
    without_file = rotate(terminal, "api_v2", "--candidate", "--json")
    assert (without_file.exit_code, codes(without_file)) == (1, [("FILE", "missing")])
