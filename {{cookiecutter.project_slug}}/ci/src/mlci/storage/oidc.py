"""Sign in to the storage by the token in which CI says which repository this is: no key is stored.

The token lies in a file, and the storage's own SDK exchanges it for credentials of about an hour
whenever it needs some. `remote.json` says for whom the token is and how the SDK finds the file.
"""

import json
import os
import string
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, MutableMapping
from pathlib import Path
from typing import Any

RENEWAL = 240  # seconds; GitHub's tokens are valid for about five minutes
RETRY = 10  # seconds after which a token that was refused is asked for again
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


def sign_in(
    how: dict[str, Any],
    environment: MutableMapping[str, str],
    write: Callable[[str, str], str],
) -> list[str]:
    """Let the SDK find a token that stays fresh; outside CI leave the user's own sign-in alone.

    Args:
        how: The entry `oidc` of remote.json.
        environment: That of this process, which is added to.
        write: Writes a private file in the place of the one of that name; returns its path.

    Returns:
        The variables that were set.

    Raises:
        ValueError: CI refuses a token.
    """
    audience = string.Template(how["audience"]).safe_substitute(environment)
    first = id_token(audience)
    if not first:
        return []
    token, config = write("token", first), ""
    if how["config"]:
        text = string.Template(json.dumps(how["config"])).safe_substitute(environment)
        config = write("config.json", text.replace("{token}", Path(token).as_posix()))
    for name, value in how["environment"].items():
        environment[name] = value.replace("{token}", token).replace("{config}", config)

    def renew() -> None:
        pause: float = RENEWAL
        while True:
            time.sleep(pause)
            try:
                write("token", id_token(audience))
                pause = RENEWAL
            except ValueError:  # the old one is good for another minute
                pause = RETRY

    threading.Thread(target=renew, daemon=True).start()
    return [*how["environment"]]
