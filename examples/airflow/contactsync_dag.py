"""A nightly sync with Airflow, with the channels split between two shards.

Copy this file to the folder of the DAGs, and put contactsync on the PATH of the workers. Each shard has a journal, which must
stay on one disk from night to night: give the tasks a queue whose worker has that disk.
"""

from __future__ import annotations

import json
import subprocess
from datetime import datetime, timedelta

try:  # Airflow 3
    from airflow.sdk import dag, task
    from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException
except ImportError:  # Airflow 2
    from airflow.decorators import dag, task
    from airflow.exceptions import AirflowException, AirflowFailException, AirflowSkipException

SHARDS = 2

# How the task ends for each exit code. None is a success. AirflowException fails the try, and the task is tried again up
# to `retries` times; AirflowFailException fails the task at once; AirflowSkipException skips it.
FOLLOWS = {
    # exit 0: done
    0: None,
    # exit 1: an unexpected failure, such as a full disk: try again
    1: AirflowException,
    # exit 2: wrong usage or configuration: a retry would end in the same way
    2: AirflowFailException,
    # exit 3: done, but some rows were rejected: a success, and the list of rejects names them
    3: None,
    # exit 4: stopped before the end: the next try continues the run
    4: AirflowException,
    # exit 5: the token is refused
    5: AirflowFailException,
    # exit 6: another run holds the channel, and does the work
    6: AirflowSkipException,
    # exit 7: refused by a guard, such as --max-changes: a person must look
    7: AirflowFailException,
}


@dag(
    dag_id="contactsync",
    schedule="30 2 * * *",
    start_date=datetime(2026, 1, 1),
    catchup=False,
    # A second run of the same shard would end with exit code 6.
    max_active_runs=1,
)
def contactsync():
    # contactsync repeats single calls itself, so few retries of the whole are enough. The time-out is longer than --for.
    @task(retries=3, retry_delay=timedelta(minutes=10), execution_timeout=timedelta(minutes=100))
    def sync(shard: int) -> dict | None:
        command = [
            "contactsync",
            "sync",
            "/srv/crm/contacts.csv",
            "--config=/etc/contactsync/contactsync.toml",
            f"--shard={shard}/{SHARDS}",
            f"--journal=/var/lib/contactsync/shard-{shard}.db",
            f"--rejects=/var/lib/contactsync/shard-{shard}.rejected.csv",
            "--for=90m",
            "--json",
            "--no-progress",
        ]
        # Standard error goes to the log of the task. The environment has the tokens that `token_env` names.
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            try:
                summary, _ = process.communicate()
            except BaseException:
                # A time-out, or a task that is cleared: contactsync finishes the calls in flight and ends with code 4.
                process.terminate()
                raise
        # A negative code is a signal: the next try continues.
        failure = FOLLOWS.get(process.returncode, AirflowException)
        if failure:
            raise failure(f"contactsync ended with code {process.returncode}")
        return json.loads(summary)

    sync.expand(shard=list(range(SHARDS)))


contactsync()
