"""Renew the pins of what the template generates, which Dependabot cannot read.

    python scripts/pins.py

Every action of the generated workflow goes to the commit of its latest release, and the image of the
other providers to the digest that its tag has now. It asks GitHub by `gh` and the registry by
`docker`, changes files of this checkout and commits nothing.
"""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
USES = re.compile(r"(?P<name>[\w.-]+/[\w.-]+)@(?P<sha>[0-9a-f]{40}) # (?P<version>v\d+\.\d+\.\d+)")
# An image that is known by its tag only gets its digest the first time.
IMAGE = re.compile(r'(?<=image": ")(?P<name>[^"@]+)(?:@(?P<digest>sha256:[0-9a-f]{64}))?(?=")')
DIGEST = re.compile("sha256:[0-9a-f]{64}")


def ask(*command: str) -> str:
    """Return what a command prints."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    return done.stdout.strip()


def latest(pin: re.Match[str]) -> str:
    """Return the pin of an action's latest release; an answer that is none leaves it as it is."""
    repository = f"repos/{pin['name']}"
    version = ask("gh", "api", f"{repository}/releases/latest", "--jq", ".tag_name")
    sha = ask("gh", "api", f"{repository}/commits/{version}", "--jq", ".sha")
    new = f"{pin['name']}@{sha} # {version}"
    return new if USES.fullmatch(new) else pin[0]


def latest_image(pin: re.Match[str]) -> str:
    """Return the pin of an image's tag as it is now."""
    form = "{{.Manifest.Digest}}"
    digest = ask("docker", "buildx", "imagetools", "inspect", pin["name"], "--format", form)
    return f"{pin['name']}@{digest}" if DIGEST.fullmatch(digest) else pin[0]


def renew(root: Path) -> list[str]:
    """Renew the pins of a checkout and return the names of the files that changed."""
    changed = []
    workflows = root.glob("*/.github/workflows/*.yml*")
    for path in [*sorted(workflows), root / "cookiecutter.json"]:
        before = path.read_text(encoding="utf-8")
        after = IMAGE.sub(latest_image, USES.sub(latest, before))
        if after != before:
            path.write_text(after, encoding="utf-8")
            changed.append(path.relative_to(root).as_posix())
    return changed


if __name__ == "__main__":
    try:
        print("\n".join(renew(ROOT)) or "Every pin is the latest.")
    except (OSError, subprocess.SubprocessError) as error:
        sys.exit(f"The pins could not be renewed: {error}")
