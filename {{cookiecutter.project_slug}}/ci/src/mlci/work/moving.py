"""Point the project at another storage, and take the data along."""

import re
import shlex
from pathlib import Path

from mlci.storage import checks as storage
from mlci.storage import transfer
from mlci.storage.remote import NAME, options, spec
from mlci.work.diagnosis import CONFIG, dvc, remote, show


def use_remote(url: str, endpoint: str | None, limit: float) -> int:
    """Point the project at another storage of its kind, push the data there, return the exit code.

    What this clone lacks is fetched from the old storage first, if that lets it. An address that
    does not work is not kept.
    """
    schemes = spec()["schemes"]
    pattern = rf"({'|'.join(schemes)})://{spec()['address']}" if schemes else r"(?!.*://).*\S.*"
    if not re.fullmatch(pattern, url) or re.search(r"//[^/]*:[^/]*@", url):
        wanted = f"an address with {schemes[0]}://" if schemes else "the path of a folder"
        print(f"ci use-remote takes {wanted}, without a password, as {spec()['url']}; got {url!r}.")
        return 2
    if endpoint is not None and not spec()["endpoint_option"]:
        print(f"--endpoint must be left out: this storage has none ({spec()['title']}).")
        return 2
    if failed := [check for check in (dvc(), remote()) if check.state == "failed"]:
        show(failed)
        return 1
    before, moved = CONFIG.read_bytes(), False
    if run_dvc("fetch"):
        print("The old storage did not help: going on with what this clone has.")
    try:
        moved = move(url if schemes else str(Path(url).expanduser().resolve()), endpoint, limit)
    finally:
        if not moved:
            CONFIG.write_bytes(before)
            print("Nothing was changed: .dvc/config has the old address again.")
    if moved:
        print("Next: git commit .dvc/config, store the secrets as SECRETS.md says, git push.")
    return 0 if moved else 1


def move(address: str, endpoint: str | None, limit: float) -> bool:
    """Change the address, check the storage there, push to it; return whether all of it worked."""
    option = spec()["endpoint_option"]
    changes = [["url", address]]
    if endpoint:
        changes += [[option, endpoint]]
    elif endpoint is not None and option in options():
        changes += [["--unset", option]]
    if any(run_dvc("remote", "modify", NAME, *change) for change in changes):
        return False
    checks = storage.examine(limit)[:2]
    show(checks)
    return all(check.state != "failed" for check in checks) and not run_dvc("push")


def run_dvc(*arguments: str) -> int:
    """Show a DVC command, run it with the remote's credentials, and return its exit code."""
    print("$", shlex.join(["dvc", *arguments]), flush=True)
    return transfer.start("dvc", *arguments).wait()
