"""Passes on what it reads, but for TensorFlow's start-up notes; a process of its own.

`quiet_start` starts it by its path. It imports next to nothing, so that it is there at once.
"""

import os
import sys

# Parts of lines that TensorFlow writes whenever it is imported, as of 2.21. The last one is what
# it says at its first operation where CUDA's driver library is not installed; any other number
# there is a driver that fails.
NOTES = (
    b"All log messages before absl::InitializeLog() is called are written to STDERR",
    b"oneDNN custom operations are on.",
    b"Could not find cuda drivers on your machine, GPU will not be used.",
    b"This TensorFlow binary is optimized to use available CPU instructions",
    b"To enable the following instructions:",
    b"failed call to cuInit: INTERNAL: CUDA error: Failed call to cuInit: UNKNOWN ERROR (303)",
)


def main() -> None:
    """Say on the file descriptor that was named that all is ready; then pass lines on."""
    ready = int(sys.argv[1])
    os.write(ready, b"1")
    os.close(ready)
    for line in sys.stdin.buffer:
        if not any(note in line for note in NOTES):
            sys.stdout.buffer.write(line)
            sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
