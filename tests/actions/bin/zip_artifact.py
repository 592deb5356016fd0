"""Zip the files of an artifact into the store, as the provider does, and print its number.

The checkout is deleted after the run, so the folder `.dvc` is kept beside it for the tests to look at.
"""

import fcntl
import shutil
import sys
import zipfile
from pathlib import Path

store, wanted = Path(sys.argv[1]), sys.argv[2].split()
with (store / "lock").open("w") as lock:  # jobs of a matrix run at the same time
    fcntl.flock(lock, fcntl.LOCK_EX)
    number = 100 + len(list(store.glob("*.name")))
    (store / f"{number}.name").write_text(sys.argv[3])
with zipfile.ZipFile(store / f"{number}.zip", "w") as archive:
    for name in wanted:
        for path in sorted([Path(name), *Path(name).rglob("*")]):
            if path.is_file():
                archive.write(path, path.as_posix())
shutil.copytree(".dvc", store / "dvc", dirs_exist_ok=True)
print(f"artifact-id={number}")
