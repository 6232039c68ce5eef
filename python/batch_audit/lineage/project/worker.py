"""The process that reads SQL: one task a line on stdin, one answer a line on stdout.

It may die of what it reads; that is why it is a process. It ends itself when a task takes too much CPU time, so a
hanging parser cannot outlive its limit whoever waits for it.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from typing import TextIO

RECURSION_LIMIT = 12_000
_STACK_BYTES = 512 * 1024 * 1024


def serve(source: TextIO, sink: TextIO, seconds: float) -> None:
    """Answer task after task until the input ends."""
    from batch_audit.lineage.project.task import Answer, Task, read

    for line in source:
        given = json.loads(line)
        # CPU time, because a process of low priority may wait for a long time without doing anything wrong.
        signal.setitimer(signal.ITIMER_PROF, seconds)
        try:
            answer = read(Task(**given))
        except RecursionError:
            answer = Answer(unknown=((None, "the SQL is nested too deeply to be read", ""),))
        except Exception as error:  # whatever goes wrong in one model is that model's unknown
            reason = f"the SQL could not be read: {type(error).__name__}: {error}"
            answer = Answer(unknown=((None, reason[:500], ""),))
        signal.setitimer(signal.ITIMER_PROF, 0)
        sink.write(answer.as_json() + "\n")
        sink.flush()


def main() -> None:
    """Read the limits from the command line, take a low priority and a large stack, and serve."""
    seconds, niceness = float(sys.argv[1]), int(sys.argv[2])
    os.nice(niceness)
    # Answers have a descriptor of their own, so that nothing that prints can break them.
    sink = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    source = os.fdopen(os.dup(0), encoding="utf-8")
    sys.setrecursionlimit(RECURSION_LIMIT)
    threading.stack_size(_STACK_BYTES)
    thread = threading.Thread(target=serve, args=(source, sink, seconds))
    thread.start()
    thread.join()


if __name__ == "__main__":
    main()
