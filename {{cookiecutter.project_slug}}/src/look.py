"""Look at the data: write look.html, which works offline, and open it. It is not for Git."""

import sys
import webbrowser
from pathlib import Path

from skrub import TableReport

from tabular.files import read_tables
from tabular.messages import DataError, list_problems
from tabular.settings import SOURCE, Prepare, read_params, require

require(SOURCE)
params = read_params(Prepare)
try:
    table, _ = read_tables(SOURCE, params.read, params.target)
except DataError as error:
    sys.exit(list_problems(SOURCE.as_posix(), error.args))
page = Path("look.html").resolve()
TableReport(table).write_html(page)
print(f"Wrote {page.name}")
webbrowser.open(page.as_uri())
