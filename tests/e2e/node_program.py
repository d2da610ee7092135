"""A program for Node that a test asks things, a line of JSON each way: what only npm's packages can do."""

import json
import subprocess
import threading
from pathlib import Path

from gangway import PATIENCE


class NodeProgram:
    """Started with the test that asks it, ended by the end of its input, and by nothing that happens to the test."""

    def __init__(self, script, *arguments):
        program = ["setpriv", "--pdeathsig", "KILL", "node", str(Path(__file__).with_name(script)), *arguments]
        self.process = subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.turn = threading.Lock()

    def ask(self, order, **fields):
        """Returns what the program answers; its error is the test's."""
        with self.turn:
            guard = threading.Timer(3 * PATIENCE, self.process.kill)  # a program that hangs answers with its end
            guard.start()
            try:
                self.process.stdin.write(json.dumps({"order": order, **fields}) + "\n")
                self.process.stdin.flush()
                line = self.process.stdout.readline()
            finally:
                guard.cancel()
        if not line:
            raise AssertionError(f"{self.process.args[4]} ended while it was asked {order}")
        answer = json.loads(line)
        if "error" in answer:
            raise AssertionError(f"{order}: {answer['error']}")
        return answer.get("result")

    def end(self):
        self.process.stdin.close()
        try:
            self.process.wait(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
