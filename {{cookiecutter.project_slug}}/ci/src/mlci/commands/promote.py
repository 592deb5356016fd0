"""Make a branch of an experiment, a tag or another branch of the leaderboard.

Exit codes: 0 done, 2 there is no such experiment, or there is such a branch.
"""

from argparse import RawDescriptionHelpFormatter

from mlci.settings import Parser


def main(arguments: list[str]) -> int:
    """Make the branch and say what to type next; return the exit code."""
    parser = Parser("ci promote", description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("name", help="an experiment, branch, tag or sha of the leaderboard")
    parser.add_argument("branch", help="the branch to make")
    chosen = parser.parse_args(arguments)
    from mlci.history.promotion import make_branch

    sha = make_branch(chosen.name, chosen.branch)
    print(f"$ git branch {chosen.branch} {sha[:10]}")
    print(f"Next: git switch {chosen.branch}, uv run dvc checkout, uv run dvc push")
    return 0
