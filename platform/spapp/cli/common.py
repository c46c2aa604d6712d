"""What commands share: settings, output, and how a refusal ends a program."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from typing import Any, NoReturn, TypeVar

import click

from spcore import logs
from spcore.errors import DomainError, InvalidInput, Text
from spcore.settings import InvalidSettings, Settings

F = TypeVar("F", bound=Callable[..., Any])


def as_json(command: F) -> F:
    """Give a command the option `--json`."""
    help_text = "机器可读输出 machine output on stdout"
    return click.option("--json", "as_json", is_flag=True, help=help_text)(command)


def settings() -> Settings:
    """Return the settings of the environment; ends the program with one line when they are wrong."""
    try:
        found = Settings.from_env(os.environ)
    except InvalidSettings as error:
        refuse(str(error))
    logs.configure(found.log_level)
    return found


def show(value: Any, *, machine: bool, human: str) -> None:
    """Print the result: `value` as one JSON line for machines, `human` for people."""
    click.echo(json.dumps(value, ensure_ascii=False, separators=(",", ":")) if machine else human)


def refuse(reason: Text | str) -> NoReturn:
    """End the program with exit code 1 and the reason on stderr."""
    click.echo(reason if isinstance(reason, str) else f"{reason.zh}\n{reason.en}", err=True)
    sys.exit(1)


def refuse_error(error: DomainError) -> NoReturn:
    """`refuse`, and with `--json` the same for machines: `{"ok":false,"code","detail","errors":[…]}`.

    Each error is `{"pointer","code","detail"}`, as in the API's problem details; texts are Chinese.
    """
    context = click.get_current_context(silent=True)
    if context is not None and context.params.get("as_json"):
        faults = error.faults if isinstance(error, InvalidInput) else ()
        errors = [{"pointer": each.pointer, "code": each.code, "detail": each.text.zh} for each in faults]
        refused = {"ok": False, "code": error.code, "detail": error.text.zh, "errors": errors}
        show(refused, machine=True, human="")
    refuse(error.text)
