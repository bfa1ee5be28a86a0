"""Small services for .ci/run: README commands, test counts, the closing summary."""

import re
import sys
import xml.etree.ElementTree as ET
from pathlib import Path


def readme_command(number: int) -> str:
    """The number-th (from 1) ```bash block of the README."""
    text = Path(__file__).parent.parent.joinpath("README.md").read_text()
    return re.findall(r"^```bash\n(.*?)^```", text, re.MULTILINE | re.DOTALL)[number - 1]


def count(xml: str, status: int) -> tuple[int, int, int]:
    """Passed, failed and skipped tests of a JUnit file; a bad end is a failure at least."""
    try:
        suites = list(ET.parse(xml).getroot().iter("testsuite"))
    except (OSError, ET.ParseError):
        return 0, 1, 0
    total, skipped, failed = (
        sum(sum(int(s.get(k, 0)) for k in keys) for s in suites)
        for keys in (["tests"], ["skipped"], ["failures", "errors"])
    )
    if status and not failed:
        failed = 1
    return max(0, total - failed - skipped), failed, skipped


def summary(path: str, seconds: str) -> int:
    """Prints a table and a closing line in pytest's words; 1 if anything failed or nothing ran."""
    rows = [line.split("\t") for line in Path(path).read_text().splitlines()]
    for name, passed, failed, skipped, took in rows:
        state = "FAILED" if int(failed) else "ok"
        counts = f"{passed:>6} passed {failed:>4} failed {skipped:>5} skipped"
        print(f"{name:18} {state:7} {counts} {took:>6} s")
    passed, failed, skipped = (sum(int(row[i]) for row in rows) for i in (1, 2, 3))
    print(f"{passed} passed, {failed} failed, {skipped} skipped in {seconds}s")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    task, *args = sys.argv[1:]
    if task == "command":
        print(readme_command(int(args[0])), end="")
    elif task == "count":
        print(*count(args[0], int(args[1])), sep="\n")
    elif task == "summary":
        sys.exit(summary(*args))
    else:
        sys.exit(f"report.py: unknown task {task!r}")
