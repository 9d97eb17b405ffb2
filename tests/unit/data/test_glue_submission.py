"""The leaderboard's archive: eleven tables with the official numbers of rows, or a refusal that says why."""

from __future__ import annotations

import zipfile

import pytest

from albert_cli.data.tasks.glue import GLUE_TASKS
from albert_cli.data.tasks.glue_submission import TEST_ROWS, check_table, labels_of_file, write_zip
from albert_cli.errors import DataError

# The files of the leaderboard's own sample submission.
ELEVEN = {
    *("AX.tsv", "CoLA.tsv", "MNLI-m.tsv", "MNLI-mm.tsv", "MRPC.tsv", "QNLI.tsv"),
    *("QQP.tsv", "RTE.tsv", "SST-2.tsv", "STS-B.tsv", "WNLI.tsv"),
}


def table(path, rows=None):
    labels = labels_of_file(path.name) or ("2.500",)
    wanted = TEST_ROWS[path.name] if rows is None else rows
    lines = [f"{number}\t{labels[number % len(labels)]}\n" for number in range(wanted)]
    path.write_text("index\tprediction\n" + "".join(lines))
    return path


def test_names_are_those_of_the_sample_submission():
    assert set(TEST_ROWS) == ELEVEN
    assert {name for spec in GLUE_TASKS.values() for name in spec.submission_files.values()} == ELEVEN


def test_eleven_tables_make_an_archive_that_does_not_change(tmp_path):
    tables = [table(tmp_path / name) for name in sorted(ELEVEN)]
    first = write_zip(tables, tmp_path / "glue.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "glue.zip") as archive:
        assert archive.testzip() is None
        assert set(archive.namelist()) == ELEVEN, "at the top, in no folder"
        assert archive.read("WNLI.tsv") == (tmp_path / "WNLI.tsv").read_bytes()
    assert write_zip(tables, tmp_path / "again.zip").read_bytes() == first


def test_missing_tables_are_named_and_nothing_is_written(tmp_path):
    with pytest.raises(DataError, match=r"2 are missing: RTE.tsv, AX.tsv"):
        write_zip([table(tmp_path / name) for name in ELEVEN - {"RTE.tsv", "AX.tsv"}], tmp_path / "glue.zip")
    assert not (tmp_path / "glue.zip").exists()


def test_two_tables_of_a_name_are_refused(tmp_path):
    (tmp_path / "other").mkdir()
    with pytest.raises(DataError, match=r"two tables RTE\.tsv"):
        write_zip([table(tmp_path / "RTE.tsv"), table(tmp_path / "other" / "RTE.tsv")], tmp_path / "glue.zip")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text.replace("index\tprediction", "id\tlabel"), "no header"),
        (lambda text: text + "146\t0\n", "147 predictions, and the official test set has 146 rows"),
        (lambda text: text.replace("\n3\t", "\n4\t"), r"index '4' where 3 belongs .*:5\)"),
        (lambda text: text.replace("\n3\t1\n", "\n3\tyes\n"), r"'yes' is no prediction of this task .*:5\)"),
        (lambda text: "", "no header"),
    ],
)
def test_a_table_that_would_be_refused_is_refused_here_with_its_place(change, message, tmp_path):
    path = table(tmp_path / "WNLI.tsv")
    path.write_text(change(path.read_text()))
    with pytest.raises(DataError, match=message):
        check_table(path)


def test_scores_of_sts_b_must_be_numbers(tmp_path):
    path = table(tmp_path / "STS-B.tsv")
    check_table(path)
    path.write_text(path.read_text().replace("\n7\t2.500\n", "\n7\tnan\n"))
    with pytest.raises(DataError, match="'nan' is no prediction"):
        check_table(path)
