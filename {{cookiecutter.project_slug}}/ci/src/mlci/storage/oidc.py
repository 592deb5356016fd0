"""Sign in to the storage by the token in which CI says which repository this is: no key is stored.

The token lies in a file, and the storage's own SDK exchanges it for credentials of about an hour
whenever it needs some. `remote.json` says for whom the token is and how the SDK finds the file.
"""

import json
import os
import string
import threading
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

RENEWAL = 240  # seconds; GitHub's tokens are valid for about five minutes
TIME_LIMIT = 30  # seconds to wait for a token


def id_token(audience: str) -> str:
    """Return a token for the audience, or an empty string outside CI.

    Raises:
        ValueError: CI refuses it.
    """
    url = os.environ.get("ACTIONS_ID_TOKEN_REQUEST_URL")
    if not url:
        return os.environ.get("DVC_ID_TOKEN", "")  # GitLab's, valid as long as the job may run
    bearer = os.environ.get("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "")
    request = urllib.request.Request(
        f"{url}&audience={urllib.parse.quote(audience, safe='')}",
        headers={"Authorization": f"bearer {bearer}"},
    )
    try:
        with urllib.request.urlopen(request, timeout=TIME_LIMIT) as answer:
            return str(json.load(answer)["value"])
    except (OSError, ValueError, KeyError) as error:
        raise ValueError(f"GitHub gave no identity token: {error}") from None


def write(path: Path, text: str) -> None:
    """Write a file that only this user can read, so that no reader sees half of it."""
    new = path.with_suffix(".new")
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
    new.replace(path)


@contextmanager
def signed_in(how: dict[str, Any], environment: dict[str, str], folder: Path) -> Iterator[None]:
    """Let the SDK find a token that stays fresh; outside CI leave the user's own sign-in alone.

    Args:
        how: The entry `oidc` of remote.json.
        environment: That of DVC's processes, which is added to.
        folder: A private folder, in which the token lies until the end.
    """
    audience = string.Template(how["audience"]).safe_substitute(environment)
    token, config, ended = folder / "token", folder / "config.json", threading.Event()
    first = id_token(audience)
    if not first:
        yield
        return
    write(token, first)
    if how["config"]:
        text = string.Template(json.dumps(how["config"])).safe_substitute(environment)
        write(config, text.replace("{token}", token.as_posix()))
    for name, value in how["environment"].items():
        environment[name] = value.replace("{token}", str(token)).replace("{config}", str(config))

    def renew() -> None:
        while not ended.wait(RENEWAL):
            write(token, id_token(audience))

    threading.Thread(target=renew, daemon=True).start()
    try:
        yield
    finally:
        ended.set()
