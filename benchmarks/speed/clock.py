"""What a contestant is told by the benchmark that starts it, and tells it on its last line."""

import argparse
import json
import resource
import time


def arguments() -> argparse.Namespace:
    """The name of the problem and the number of trials."""
    parser = argparse.ArgumentParser()
    parser.add_argument("problem")
    parser.add_argument("--trials", type=int, required=True)
    return parser.parse_args()


def cpu() -> float:
    """Seconds that all cores together have worked for this process and its ended children."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


def report(began: float, before: float) -> None:
    """Say when the first trial began, that all is done now, and what the cores have worked.

    Args:
        began: Seconds since 1970.
        before: What `cpu` was before the sweep.
    """
    print(json.dumps({"began": began, "ended": time.time(), "cpu": cpu() - before}), flush=True)
