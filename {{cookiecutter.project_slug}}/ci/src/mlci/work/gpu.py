"""Check that the run sees a GPU, before it trains for hours on the processor instead."""

import subprocess
import sys


def gpus() -> list[str]:
    """Return the visible GPUs, one line each, as NVIDIA's driver lists them."""
    try:
        query = ["nvidia-smi", "--list-gpus"]
        listed = subprocess.run(query, capture_output=True, text=True, timeout=60, check=True)
    except (OSError, subprocess.SubprocessError):
        return []
    return [line for line in listed.stdout.splitlines() if line.startswith("GPU ")]


if __name__ == "__main__":
    if not (found := gpus()):
        sys.exit(
            "No GPU is visible to this run: its machine needs an NVIDIA driver and the NVIDIA"
            " Container Toolkit, and 'nvidia-smi --list-gpus' must list a GPU there."
        )
    print("\n".join(found))
