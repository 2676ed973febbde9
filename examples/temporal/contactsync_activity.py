"""A sync as an activity of Temporal, with the channels split between shards: one activity for each shard.

    python contactsync_activity.py --sync SHARD SHARDS     run one shard without Temporal, and print what follows

A shard's journal must stay on one disk: run the worker of the task queue `contactsync-SHARD` on the machine that has it.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from dataclasses import asdict, dataclass
from datetime import timedelta

try:
    from temporalio import activity, workflow
    from temporalio.common import RetryPolicy
    from temporalio.exceptions import ApplicationError
except ImportError:  # Without Temporal, `--sync` still works.
    activity = workflow = None

CONTACTSYNC = os.environ.get("CONTACTSYNC", "contactsync")
INPUT = os.environ.get("CONTACTSYNC_INPUT", "/srv/crm/contacts.csv")
CONFIG = os.environ.get("CONTACTSYNC_CONFIG", "/etc/contactsync/contactsync.toml")
STATE = os.environ.get("CONTACTSYNC_STATE", "/var/lib/contactsync")

# The meaning of each exit code: whether it is a success, and if not, whether a retry can help.
OUTCOMES = {
    # exit 0: done
    0: ("finished", None),
    # exit 1: an unexpected failure, such as a full disk
    1: ("failed", True),
    # exit 2: wrong usage or configuration
    2: ("misconfigured", False),
    # exit 3: done, but some rows were rejected
    3: ("finished with rejected rows", None),
    # exit 4: stopped before the end: a retry continues the run
    4: ("stopped", True),
    # exit 5: the token is refused
    5: ("unauthorized", False),
    # exit 6: another run holds the channel
    6: ("held by another run", True),
    # exit 7: refused by a guard: a person must look
    7: ("refused by a guard", False),
}


@dataclass
class Outcome:
    """How a sync ended."""

    code: int
    name: str
    # None: a success. Otherwise whether a retry can help.
    retryable: bool | None
    # The summary that contactsync prints with --json; None when it printed none.
    summary: dict | None
    # The end of standard error.
    log: str


async def sync(shard: int, shards: int, heartbeat=lambda: None) -> Outcome:
    """Runs one shard to its end. When it is cancelled, contactsync finishes the calls in flight."""
    process = await asyncio.create_subprocess_exec(
        CONTACTSYNC,
        "sync",
        INPUT,
        "--config",
        CONFIG,
        "--shard",
        f"{shard}/{shards}",
        "--journal",
        f"{STATE}/shard-{shard}.db",
        "--rejects",
        f"{STATE}/shard-{shard}.rejected.csv",
        "--json",
        "--no-progress",
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    ended = asyncio.ensure_future(process.communicate())
    try:
        while not (await asyncio.wait({ended}, timeout=10))[0]:
            heartbeat()
    except asyncio.CancelledError:
        process.terminate()
        await ended
        raise
    stdout, stderr = ended.result()
    name, retryable = OUTCOMES.get(process.returncode, ("killed", True))
    summary = json.loads(stdout) if stdout.strip() else None
    return Outcome(process.returncode, name, retryable, summary, stderr.decode(errors="replace")[-2000:])


if activity:

    @activity.defn
    async def sync_shard(shard: int, shards: int) -> dict | None:
        """Runs one shard, and returns its summary."""
        outcome = await sync(shard, shards, activity.heartbeat)
        if outcome.retryable is None:
            return outcome.summary
        raise ApplicationError(
            f"contactsync ended with code {outcome.code}: {outcome.name}\n{outcome.log}",
            type=outcome.name,
            non_retryable=not outcome.retryable,
        )

    @workflow.defn
    class NightlySync:
        """All shards at the same time, each on the worker that has its journal."""

        @workflow.run
        async def run(self, shards: int) -> list[dict | None]:
            return await asyncio.gather(
                *(
                    workflow.execute_activity(
                        sync_shard,
                        args=[shard, shards],
                        task_queue=f"contactsync-{shard}",
                        start_to_close_timeout=timedelta(hours=5),
                        # A worker that dies is noticed after this time. Its successor needs the same journal.
                        heartbeat_timeout=timedelta(minutes=1),
                        retry_policy=RetryPolicy(
                            initial_interval=timedelta(minutes=1),
                            maximum_interval=timedelta(minutes=30),
                            maximum_attempts=5,
                        ),
                    )
                    for shard in range(shards)
                )
            )


if __name__ == "__main__":
    if len(sys.argv) != 4 or sys.argv[1] != "--sync":
        sys.exit(__doc__)
    result = asyncio.run(sync(int(sys.argv[2]), int(sys.argv[3])))
    print(json.dumps(asdict(result)))
