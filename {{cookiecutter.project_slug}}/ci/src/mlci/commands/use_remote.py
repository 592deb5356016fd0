"""Use another storage from now on, of the same kind or of another, and push the data there.

    uv run ci use-remote s3://my-bucket/my-project
    uv run ci use-remote s3://my-bucket/my-project --endpoint https://minio.example.com
    uv run ci use-remote ../storage

Give the secrets of the new storage by the variables that SECRETS.md names for it. What this clone
lacks is fetched from the old storage first, if that lets it; the template renews the CI file,
SECRETS.md, ci/remote.json and pyproject.toml; .dvc/config changes last, after everything was pushed.
Until then nothing has changed. Exit codes: 0 done, 1 nothing was changed, 2 an argument cannot be.
"""

from argparse import RawDescriptionHelpFormatter

from mlci.settings import Parser


def main(arguments: list[str]) -> int:
    """Change the storage and return the exit code."""
    parser = Parser(
        "ci use-remote", description=__doc__, formatter_class=RawDescriptionHelpFormatter
    )
    parser.add_argument("url", metavar="URL", help="the address of the storage")
    parser.add_argument("--endpoint", metavar="URL", help="its endpoint, or ''")
    parser.add_argument(
        "--limit",
        type=float,
        default=60,
        metavar="SECONDS",
        help="for the check of it; default: 60",
    )
    chosen = parser.parse_args(arguments)
    from mlci.work.moving import change_remote

    return change_remote(chosen.url, chosen.endpoint, chosen.limit)
