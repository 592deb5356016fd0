"""src/sample_data.py; remove this file together with it."""

from pathlib import Path

from sample_data import main, sample_table


def test_table_is_complete() -> None:
    table = sample_table()
    assert len(table) > 400
    assert table.notna().all(axis=None)
    assert not table.duplicated().any()


def test_main_writes_one_csv(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    main()
    (path,) = (tmp_path / "data" / "source").iterdir()
    header, *rows = path.read_text(encoding="utf-8").splitlines()
    assert header == ",".join(sample_table().columns)
    assert len(rows) == len(sample_table())
