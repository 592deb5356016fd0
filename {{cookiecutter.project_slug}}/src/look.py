"""Look at the data: write look.html, which works offline, and open it. It is not for Git."""

import webbrowser
from pathlib import Path

from skrub import TableReport

from project import SOURCE, Prepare, read_params
from tables import read_tables


def main() -> None:
    params = read_params(Prepare)
    page = Path("look.html").resolve()
    TableReport(read_tables(SOURCE, params.read, params.target)).write_html(page)
    print(f"Wrote {page.name}")
    webbrowser.open(page.as_uri())


if __name__ == "__main__":
    main()
