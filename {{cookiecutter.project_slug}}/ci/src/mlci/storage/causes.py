"""What the libraries of all storages say when they fail, and what it means."""

import re
from typing import NamedTuple

ELSEWHERE = "uv run ci use-remote URL"
LATER = "uv run ci doctor --limit 60"
# These stand for commands that depend on the project; `checks` knows them.
CREDENTIALS = "credentials"  # gives the secrets to DVC
ADDRESS = "address"  # changes where DVC looks
SCHEME = "scheme"  # the same, from https to http or back

REFUSED = "it refuses the credentials: they are wrong or lack a permission"
# From the most special to the most general.
CAUSES = [
    (r"not a git repository", "DVC needs Git", "git init"),
    (
        r"there is no folder",
        "its drive is not mounted, or it has still to be made",
        "mkdir FOLDER",
    ),
    (
        r"shared object|[Uu]nable to load|DLL load failed",
        "a program that it needs is not on this machine; SECRETS.md names it",
        "",
    ),
    (
        r"quota metric|[Rr]ate ?[Ll]imit",
        "it was asked too often: try again later",
        LATER,
    ),
    (
        r"No space left|Errno (28|122)\b|\b507\b|[Ii]nsufficient ?Storage|[Qq]uota|[Ss]torage ?[Ff]ull",
        "it is full, or its quota is used up",
        ELSEWHERE,
    ),
    (
        r"config profile \(\s*\)",
        "the variable AWS_PROFILE is set, and empty",
        "unset AWS_PROFILE",
    ),
    (
        r"config profile \(.+\) could not be found",
        "the variable AWS_PROFILE names a profile that this machine does not have",
        "aws configure",
    ),
    (
        r"WRONG_VERSION_NUMBER|wrong version number|record layer failure",
        "the server there speaks http, not https",
        SCHEME,
    ),
    (
        r"HTTP request (was sent )?to (an )?HTTPS",
        "the server there speaks https, not http",
        SCHEME,
    ),
    (
        r"certificate|SSL|TLS",
        "its TLS certificate is not trusted",
        "uv run dvc remote modify --local {name} ssl_verify /path/to/ca.pem",
    ),
    (
        (
            r"PermanentRedirect|AuthorizationHeaderMalformed|IllegalLocationConstraint|\b301\b"
            r"|must be addressed using|region \S+ is wrong"
        ),
        "the bucket is in another region",
        "uv run dvc remote modify {name} region REGION",
    ),
    (r"[Ee]xpired", "the credentials have expired", CREDENTIALS),
    (
        (
            r"locate credentials|Partial credentials|requires either|require both|set `"
            r"|find credentials|Anonymous caller"
        ),
        "no credentials were found",
        CREDENTIALS,
    ),
    (
        (
            r"NoSuchBucket|NoSuchContainer|ContainerNotFound|(bucket|container) does not exist"
            r"|No such (bucket|container|file)|[Ff]ile not found|\b404\b|FileNotFoundError"
        ),
        "the bucket, container or folder does not exist",
        ELSEWHERE,
    ),
    (
        (
            r"\b40[13]\b|Forbidden|[Dd]enied|InvalidAccessKeyId|Signature|[Aa]uthenticat|invalid_grant"
            r"|Unauthorized|Invalid Credentials|[Pp]assphrase|KeyImportError|token is malformed"
        ),
        REFUSED,
        CREDENTIALS,
    ),
    (
        r"\b50[0-4]\b|reduce your request|[Ii]nternal (server )?error|[Ss]erver ?[Bb]usy",
        "server error or overload: try again later",
        LATER,
    ),
    (
        (
            r"[Cc]onnect|getaddrinfo|Name or service|unreachable|ServiceRequestError|[Tt]imed? ?out"
            r"|Max retries|Errno (-2|-3|10\d|11\d)\b|Invalid endpoint"
        ),
        "there is no answer: a wrong address, or no network",
        ADDRESS,
    ),
]


class Cause(NamedTuple):
    """What an error means, what mends it, and the line that says so."""

    words: str
    mend: str
    line: str


def find_cause(error: str) -> Cause | None:
    """Return what an error means, where it is known.

    Args:
        error: The error and all that led to it, one per line.
    """
    for pattern, words, mend in CAUSES:
        for line in error.splitlines():
            if re.search(pattern, line):
                return Cause(words, mend, line)
    return None


def is_refusal(error: str) -> bool:
    """Tell whether the storage answered, and does not let this key do what it was asked."""
    found = find_cause(error)
    return found is not None and found.words == REFUSED
