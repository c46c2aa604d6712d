"""`wxsp demo`: everything on this machine, with one payment to watch."""

from __future__ import annotations

import click

from spapp.cli.common import as_json, refuse
from spapp.demo.children import ChildFailed
from spapp.demo.clients import DemoFailed
from spapp.demo.program import run


@click.command()
@click.option("--fresh", is_flag=True, help="清除演示数据重新开始 delete the demo's data and start over")
@click.option("--once", is_flag=True, help="完成演示后退出 end after the payment instead of staying up")
@as_json
def demo(fresh: bool, once: bool, as_json: bool) -> None:  # noqa: ARG001 - each step is a line either way
    """模拟器、网站、任务与一笔完整支付 simulator, web, worker and one payment, until Ctrl-C."""
    try:
        run(fresh=fresh, stay=not once)
    except (ChildFailed, DemoFailed) as error:
        refuse(str(error))
