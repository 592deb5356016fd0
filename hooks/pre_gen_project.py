"""Refuse answers that could not become a working project, before a file is written."""

import json
import re
import sys
import unicodedata
from collections.abc import Iterator
from importlib.metadata import distributions
from typing import Any

ANSWERS = json.loads(r"""{{ cookiecutter | tojson }}""")


def too_old() -> Iterator[str]:
    """Yield a sentence where this cookiecutter would not find `templates/`."""
    for installed in distributions(name="cookiecutter"):
        if tuple(map(int, installed.version.split(".")[:2])) < (2, 2):
            number = installed.version
            yield f"cookiecutter must be 2.2 or newer, as by `uvx cookiecutter`; it is {number}."


def problems(answers: dict[str, Any]) -> Iterator[str]:
    """Yield one sentence per bad answer: what is wrong, what is allowed, an example."""
    for name in ("project_name", "description", "author_name", "remote_url", "remote_endpoint"):
        if any(unicodedata.category(character) in ("Cc", "Cs") for character in answers[name]):
            yield f"{name} must be one line of text without control characters."

    slug = answers["project_slug"]  # cookiecutter.json has checked that it is no dangerous path
    if not re.fullmatch(r"[A-Za-z]([A-Za-z0-9_-]*[A-Za-z0-9])?", slug):
        yield (
            "project_slug must start with a letter, end with a letter or digit, and hold only"
            f" letters, digits, - and _, for example churn-model; it was {slug!r}."
        )
    if re.sub(r"[-_]+", "-", slug).lower() in answers["_reserved_slugs"]:
        yield (
            "project_slug must not be the name of a package that the project itself uses:"
            f" {slug!r} would take its place; for example {slug}-project is free."
        )

    remote, url, endpoint = answers["remote"], answers["remote_url"], answers["remote_endpoint"]
    spec = answers["_remotes"][remote]
    example = spec["url"].format(slug=slug)
    pattern = r"(?!.*://)(?=.*\S)(?!.*[`$\"*?<>|])[ -~]+"
    wanted = "a folder's path in plain letters, without ` $ \" * ? < > |"
    if schemes := "|".join(spec["schemes"]):
        pattern = rf"({schemes})://{answers['_address']}"
        wanted = (
            schemes.replace("|", ":// or ") + ":// and a name in plain letters, digits, ._-/:@%+~,="
        )
    if re.match(r"[^/]*://[^/]*:[^/]*@", url):
        yield (
            "remote_url must hold no password, since it is committed to Git: give the address"
            f" alone, for example {example}; SECRETS.md of the project says where passwords go."
        )
    elif not re.fullmatch(pattern, url):
        yield f"remote_url must be {wanted}, for example {example}; it was {url!r}."
    if spec["endpoint"] and not endpoint:
        yield f"remote_endpoint must be given for {remote}, for example {spec['endpoint']}."
    elif endpoint and not spec["endpoint_option"]:
        yield f"remote_endpoint must be empty: the remote {remote} has none; it was {endpoint!r}."
    elif endpoint and not re.fullmatch(rf"https?://(?!.*@){answers['_address']}", endpoint):
        yield (
            "remote_endpoint must be an address in plain letters, without user or password,"
            f" for example https://minio.example.com:9000; it was {endpoint!r}."
        )
    if answers["credentials"] == "oidc" and (answers["ci"] == "bitbucket" or not spec["oidc"]):
        able = [name for name, other in answers["_remotes"].items() if other["oidc"]]
        yield f"credentials=oidc is for {able} and ci=github or gitlab, such as remote={able[0]}."


if __name__ == "__main__":
    if found := list(too_old()) or list(problems(ANSWERS)):
        if sys.stdin.isatty():  # nobody wants to type all answers again
            found += ["Correct your answers in ~/.cookiecutter_replay, then call it with --replay."]
        sys.exit("\n".join(found))
