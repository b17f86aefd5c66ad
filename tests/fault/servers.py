"""Servers of a running system that stand still for a while."""

from collections.abc import Awaitable, Callable

import psutil

from services.local.supervisor import Stack

Back = Callable[[], Awaitable[None]]


async def hung(stack: Stack) -> Back:
    """Every process of the database server stands still."""
    assert stack.postgres.child is not None
    return _suspended(psutil.Process(stack.postgres.child.pid))


async def stopped(stack: Stack) -> Back:
    """The database server is stopped."""
    await stack.postgres.stop()
    return stack.postgres.start


async def broker_hung(stack: Stack) -> Back:
    """The broker stands still."""
    assert stack.broker.child is not None
    return _suspended(psutil.Process(stack.broker.child.pid))


async def both_hung(stack: Stack) -> Back:
    """Neither the broker nor the database does anything."""
    back = [await broker_hung(stack), await hung(stack)]

    async def all_back() -> None:
        for each in back:
            await each()

    return all_back


async def none_hung(_: Stack) -> Back:
    """All is well."""

    async def nothing() -> None:
        """There is nothing to bring back."""

    return nothing


def _suspended(server: psutil.Process) -> Back:
    server.suspend()  # first, so that it starts no other
    processes = [server, *server.children(recursive=True)]
    for process in processes[1:]:
        process.suspend()

    async def back() -> None:
        for process in reversed(processes):
            process.resume()

    return back
