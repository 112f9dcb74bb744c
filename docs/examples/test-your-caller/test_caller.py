# SPDX-License-Identifier: Apache-2.0
"""A caller of RunTask that survives the failure AGENT, one that does not, and the test that tells them apart.

Build the simulator, then run the test:

    go build -o simulator ./hack/simulator
    SIMULATOR=./simulator python3 -m unittest -v docs/examples/test-your-caller/test_caller.py

It needs boto3 or botocore (Debian: python3-boto3). Replace run_task by your own code.
"""

import os
import re
import subprocess
import time
import unittest

try:
    from boto3 import client
except ImportError:  # botocore is enough, which comes with the Debian package awscli
    import botocore.session

    client = botocore.session.get_session().create_client

REQUEST = {"cluster": "demo", "taskDefinition": "demo", "count": 1, "startedBy": "nightly-report"}


def run_task(ecs, give_up_after=300, wait=0.05, longest_wait=1):
    """Starts one task. While agents are disconnected it tries again. Against AWS, wait longer."""
    deadline = time.monotonic() + give_up_after
    while True:
        answer = ecs.run_task(**REQUEST)
        if answer["tasks"]:
            return answer["tasks"][0]["taskArn"]
        reasons = sorted({failure["reason"] for failure in answer["failures"]})
        if "AGENT" not in reasons or time.monotonic() > deadline:
            raise RuntimeError(f"ECS started no task: {reasons}")
        time.sleep(wait)
        wait = min(2 * wait, longest_wait)


def run_task_once(ecs):
    """What not to do: run_task raised nothing, so it takes the task for started."""
    ecs.run_task(**REQUEST)


class CallerSurvivesAgent(unittest.TestCase):
    def setUp(self):
        """Starts a Region of its own for each test, whose agents return after two calls of RunTask."""
        simulator = subprocess.Popen(
            [os.environ["SIMULATOR"], "--scenario", "agent", "--recover-after-calls", "2", "--scale", "200"],
            stdout=subprocess.PIPE, text=True,
        )
        self.addCleanup(simulator.stdout.close)
        self.addCleanup(simulator.wait)
        self.addCleanup(simulator.terminate)
        settings = {}
        for line in simulator.stdout:
            settings.update(re.findall(r"(AWS_\w+)=(\S+)", line))
            if line.startswith("# Ready"):
                break
        else:
            self.fail("the simulator ended before it was ready")
        self.ecs = client(
            "ecs", endpoint_url=settings["AWS_ENDPOINT_URL"], region_name=settings["AWS_REGION"],
            aws_access_key_id=settings["AWS_ACCESS_KEY_ID"], aws_secret_access_key=settings["AWS_SECRET_ACCESS_KEY"],
        )

    def assert_started_once(self):
        """Asks ECS, not the caller: the task is there, and there is no second one."""
        tasks = self.ecs.list_tasks(cluster=REQUEST["cluster"], startedBy=REQUEST["startedBy"])["taskArns"]
        self.assertEqual(len(tasks), 1, tasks)

    def test_caller_that_retries(self):
        run_task(self.ecs)
        self.assert_started_once()

    @unittest.expectedFailure  # this caller loses the task
    def test_caller_that_ignores_failures(self):
        run_task_once(self.ecs)
        self.assert_started_once()


if __name__ == "__main__":
    unittest.main()
