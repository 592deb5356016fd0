"""Refuse answers that could not become a working project, before a file is written."""

import json
import re
import sys
import unicodedata
from collections.abc import Iterator
from typing import Any

ANSWERS = json.loads(r"""{{ cookiecutter | tojson }}""")


def problems(answers: dict[str, Any]) -> Iterator[str]:
    """Yield one sentence per bad answer: what is wrong, what is allowed, an example."""
    for name in ("project_name", "description", "author_name", "remote_url", "remote_endpoint"):
        if any(unicodedata.category(character) in ("Cc", "Cs") for character in answers[name]):
            yield f"{name} must be one line of text without control characters."

    slug = answers["project_slug"]  # cookiecutter.json has checked that it can be a folder
    if not re.fullmatch(r"[A-Za-z]([A-Za-z0-9_-]*[A-Za-z0-9])?", slug):
        yield (
            "project_slug must start with a letter and end with a letter or digit,"
            f" for example churn-model; it was {slug!r}."
        )
    if re.sub(r"[-_]+", "-", slug).lower() in answers["_reserved_slugs"]:
        yield (
            "project_slug must not be the name of a package that the project itself uses:"
            f" {slug!r} would take its place; for example {slug}-project is free."
        )

    remote, url, endpoint = answers["remote"], answers["remote_url"], answers["remote_endpoint"]
    spec = answers["_remotes"][remote]
    example = spec["url"].format(slug=slug)
    pattern, wanted = r"(?!.*://).*\S.*", "a folder's path"
    if schemes := "|".join(spec["schemes"]):
        pattern = rf"({schemes})://{answers['_address']}"
        wanted = schemes.replace("|", ":// or ") + ":// and a name"
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
    elif endpoint and not re.fullmatch(r"https?://[^/\s@?#]+(/[^\s?#]*)?", endpoint):
        yield (
            "remote_endpoint must be an address without user or password,"
            f" for example https://minio.example.com:9000; it was {endpoint!r}."
        )
    if answers["credentials"] == "oidc" and (answers["ci"] == "bitbucket" or not spec["oidc"]):
        able = [name for name, other in answers["_remotes"].items() if other["oidc"]]
        yield f"credentials=oidc is for {able} and ci=github or gitlab, such as remote={able[0]}."


if __name__ == "__main__":
    if found := list(problems(ANSWERS)):
        sys.exit("\n".join(found))
