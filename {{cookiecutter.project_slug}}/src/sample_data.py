{%- if cookiecutter.task == 'classification' -%}
"""Write the digits that scikit-learn brings to data/source, until your own data takes their place.

1,797 handwritten digits; a row holds one as 8 by 8 pixels (0 is blank, 16 is ink).
Source: https://archive.ics.uci.edu/dataset/80
"""

from pathlib import Path

from sklearn.datasets import load_digits

PATH = Path("data/source/digits.csv")

# 64 integer columns `pixel_<row>_<column>` and the label column `digit`.
table = load_digits(as_frame=True).frame.astype(int).rename(columns={"target": "digit"})
{%- else -%}
"""Write the diabetes study that scikit-learn brings to data/source, until you bring your own data.

442 patients: age (years), sex, body mass index (kg/m²), blood pressure (mmHg), six blood serum
measurements, and how far the disease had progressed a year later.
Source: https://www4.stat.ncsu.edu/~boos/var.select/diabetes.html
"""

from pathlib import Path

from sklearn.datasets import load_diabetes

PATH = Path("data/source/diabetes.csv")

# Ten feature columns in their own units and the label column `progression`.
table = load_diabetes(as_frame=True, scaled=False).frame.rename(columns={"target": "progression"})
{%- endif %}
PATH.parent.mkdir(parents=True, exist_ok=True)
table.to_csv(PATH, index=False, lineterminator="\n")
print(f"Wrote {PATH.as_posix()}")
