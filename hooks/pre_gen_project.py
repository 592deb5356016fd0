"""Refuse answers that could not become a working project, before a file is written."""

import json
import re
import sys
import unicodedata
from collections.abc import Iterator
from urllib.parse import urlsplit

ANSWERS = json.loads(
    r'''
{{ cookiecutter | tojson }}
'''
)


def problems(answers: dict) -> Iterator[str]:
    """Yield one sentence per bad answer: what is wrong, what is allowed, an example."""
    yield from slug_problems(answers["project_slug"], answers["_reserved_slugs"])
    for name in ("project_name", "description", "author_name", "remote_url", "remote_endpoint"):
        if any(unicodedata.category(character) in ("Cc", "Cs") for character in answers[name]):
            yield f"{name} must be one line without control characters, got {answers[name]!r}."
    remote = answers["remote"]
    yield from url_problems(answers["remote_url"], remote, answers["_remotes"][remote])
    yield from endpoint_problems(answers["remote_endpoint"], remote, answers["_remotes"][remote])


def slug_problems(slug: str, reserved: list[str]) -> Iterator[str]:
    """Check the slug as a package name; cookiecutter.json has checked it as a folder name."""
    if not re.fullmatch(r"[A-Za-z]([A-Za-z0-9_-]*[A-Za-z0-9])?", slug):
        yield (
            "project_slug must start with a letter and end with a letter or digit,"
            f" for example churn-model, got {slug!r}."
        )
    if re.sub(r"[-_]+", "-", slug).lower() in reserved:
        yield (
            f"project_slug must not be the name of a package that the project uses, such as {slug},"
            f" or Python would look for that package in the project: try {slug}-project."
        )


def url_problems(url: str, remote: str, spec: dict) -> Iterator[str]:
    """Check that the URL belongs to the remote and holds no secret; it is committed to Git."""
    example = spec["url"].format(slug=ANSWERS["project_slug"])
    parts = urlsplit(url)
    if parts.password or (spec["schemes"] and (parts.query or parts.fragment)):
        yield (
            "remote_url must hold no password or token, since it is committed to Git:"
            f" give the address alone, for example {example}, and see SECRETS.md for the rest."
        )
    elif not spec["schemes"]:
        if not url.strip() or "://" in url:
            yield (
                f"remote_url of the remote {remote} must be the path of a folder,"
                f" for example {example}, got {url!r}."
            )
    elif parts.scheme not in spec["schemes"] or not parts.hostname or re.search(r"\s", url):
        schemes = " or ".join(f"{scheme}://" for scheme in spec["schemes"])
        yield (
            f"remote_url of the remote {remote} must start with {schemes} and a name,"
            f" for example {example}, got {url!r}."
        )


def endpoint_problems(endpoint: str, remote: str, spec: dict) -> Iterator[str]:
    """Check that an endpoint is an address, and given only to a remote that has one."""
    if not endpoint:
        return
    if not spec["endpoint_option"]:
        yield f"remote_endpoint must be empty for the remote {remote}, got {endpoint!r}."
        return
    parts = urlsplit(endpoint)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username:
        yield (
            "remote_endpoint must be an address without user or password,"
            f" for example https://minio.example.com:9000, got {endpoint!r}."
        )


if __name__ == "__main__":
    if found := list(problems(ANSWERS)):
        sys.exit("\n".join(found))
