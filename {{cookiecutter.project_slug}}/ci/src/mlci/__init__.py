"""What CI runs, and anyone at home: the command `ci` of a project with DVC.

`commands` are the doors. Behind them `work` does what a run does and `writing` puts it into words,
tables and pictures; both read their facts from `history`, which knows Git and DVC and no Markdown.
`storage` stands apart: it knows the remote. Imports point downward only.
"""

import gc


def collect_rarely() -> None:
    """Let Python look for garbage less often.

    A sixth of a run was to look, over and over, through what DVC had just loaded.
    """
    gc.set_threshold(100_000)  # new objects; the default is 700
