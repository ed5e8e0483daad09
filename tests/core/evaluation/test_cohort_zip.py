"""A cohort in a ZIP: what is read, what is refused with which sentence, and that it measures what a folder does."""

from __future__ import annotations

import csv
import io
import unicodedata
import zipfile
from dataclasses import replace

import numpy as np
import pytest

from core.data.table import read_table
from core.errors import Cancelled, UserError
from core.evaluation import cohort_zip
from core.evaluation.audit import AuditTask, audit_cohort
from core.evaluation.cohort_zip import CohortZip, audit_zip

LABELS = "file,Bar\na.png,1\nb.png,0\n"


def pack(members: dict[str, str | bytes], how: int = zipfile.ZIP_DEFLATED) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", how) as file:
        for name, content in members.items():
            file.writestr(name, content)
    return data.getvalue()


def refused(members: dict[str, str | bytes] | bytes, what: str) -> None:
    with pytest.raises(UserError, match=what) as fault:
        CohortZip(members if isinstance(members, bytes) else pack(members))
    assert "\n" not in str(fault.value)


# Reading


def test_rows_and_pictures():
    cohort = CohortZip(pack({"labels.csv": "file,Bar,site\na.png, 1 ,x\nb.png,,y\n", "a.png": b"A", "b.png": b"B"}))
    assert cohort.columns == ("file", "Bar", "site")
    assert cohort.rows == [{"file": "a.png", "Bar": "1", "site": "x"}, {"file": "b.png", "Bar": "", "site": "y"}]
    assert (cohort.picture("a.png"), cohort.picture("b.png")) == (b"A", b"B")


def test_a_byte_order_mark_and_rows_that_are_too_short_or_too_long():
    cohort = CohortZip(pack({"LABELS.CSV": "\ufefffile,Bar\r\na.png\r\nb.png,1,2,3\r\n"}))
    assert cohort.rows == [{"file": "a.png", "Bar": ""}, {"file": "b.png", "Bar": "1"}]


def test_names_count_from_the_csv_or_from_the_root():
    cohort = CohortZip(
        pack(
            {"cohort/": "", "cohort/labels.csv": LABELS, "cohort/a.png": b"A", "cohort/more/b.png": b"B", "c.png": b"C"}
        )
    )
    assert cohort.picture("a.png") == cohort.picture("cohort/a.png") == b"A"
    assert cohort.picture("more/b.png") == b"B"
    assert cohort.picture("c.png") == b"C"


def test_beside_the_csv_comes_before_the_root():
    cohort = CohortZip(pack({"a.png": b"root", "cohort/labels.csv": LABELS, "cohort/a.png": b"beside"}))
    assert cohort.picture("a.png") == b"beside"


def test_what_macs_add_does_not_count():
    members = {"labels.csv": LABELS, "__MACOSX/._labels.csv": "noise", "__MACOSX/._a.png": b"noise", "a.png": b"A"}
    cohort = CohortZip(pack(members))
    assert cohort.columns == ("file", "Bar")
    with pytest.raises(UserError, match="not in the ZIP"):
        cohort.picture("__MACOSX/._a.png")


def test_a_double_beside_the_csv_is_no_second_csv():
    assert CohortZip(pack({"._labels.csv": "noise", "labels.csv": LABELS, "._a.png": b"noise"})).columns == (
        "file",
        "Bar",
    )


@pytest.mark.parametrize("name", ["Müller.png", "./Müller.png", unicodedata.normalize("NFD", "Müller.png")])
@pytest.mark.parametrize("how", ["composed", "apart", "unmarked"])
def test_a_name_is_found_however_it_is_spelt(name, how):
    stored = {"composed": "Müller.png", "apart": unicodedata.normalize("NFD", "Müller.png"), "unmarked": "M__ller.png"}[
        how
    ]
    data = pack({f"films/{stored}": b"M", "films/labels.csv": f"file,Bar\n{name},1\n"})
    # zipfile says that a name is in UTF-8; many programs do not.
    data = data.replace(b"M__ller.png", "Müller.png".encode())
    assert CohortZip(data).picture(name) == b"M"


def test_a_windows_path_is_found():
    data = pack({"films/a.png": b"A", "labels.csv": "file,Bar\nfilms\\a.png,1\n"})
    assert CohortZip(data).picture("films\\a.png") == b"A"


# Refusing


@pytest.mark.parametrize("data", [b"", b"PK", b"\x89PNG\r\n\x1a\n" + b"0" * 500])
def test_not_a_zip(data):
    refused(data, "This is not a ZIP file; pack the pictures and one CSV into one")


def test_a_zip_cut_short():
    data = pack({"labels.csv": LABELS, "a.png": b"A"})
    refused(data[: len(data) // 2], "This is not a ZIP file")


@pytest.mark.parametrize(
    ("members", "count"),
    [({"a.png": b"A"}, 0), ({"a.csv": LABELS, "b.CSV": LABELS}, 2), ({"x.csv/": ""}, 0), ({"__MACOSX/a.csv": "x"}, 0)],
)
def test_one_csv_is_needed(members, count):
    refused(members, f"The ZIP needs exactly one CSV, it has {count}")


def test_a_csv_without_its_column_or_rows():
    refused({"labels.csv": "picture,Bar\na.png,1\n"}, "labels.csv has no column 'file'; add one")
    refused({"labels.csv": ""}, "labels.csv has no column 'file'")
    refused({"labels.csv": "file,Bar\n"}, "labels.csv has a header but no rows")


def test_a_csv_that_is_none():
    refused({"labels.csv": "file,Bär\n".encode("latin-1")}, "labels.csv is not a CSV file in UTF-8")
    refused({"labels.csv": 'file\n"' + "a" * 200_000 + '"\n'}, "labels.csv is not a CSV file in UTF-8")


def test_more_pictures_than_the_page_takes(monkeypatch):
    monkeypatch.setattr(cohort_zip, "MOST_PICTURES", 2)
    members = {"labels.csv": LABELS, "a.png": b"A", "b.png": b"B"}
    assert len(CohortZip(pack(members)).rows) == 2
    refused(members | {"c.png": b"C"}, "The ZIP holds 3 files; the page takes 2. `contralens audit` takes any number")


def test_a_bomb_is_not_unpacked(monkeypatch):
    bomb = pack({"labels.csv": LABELS, "a.png": bytes(3 * 2**20), "b.png": b"B"})
    assert len(bomb) < 10_000
    monkeypatch.setattr(cohort_zip, "MOST_BYTES", 2**20)
    monkeypatch.setattr(cohort_zip, "MOST_TABLE", 2**20)
    unpacked = []
    read = zipfile.ZipFile.read
    monkeypatch.setattr(zipfile.ZipFile, "read", lambda self, name, *more: unpacked.append(name) or read(self, name))
    cohort = CohortZip(bomb)
    with pytest.raises(UserError, match=r"a\.png would unpack to more than 1 MB"):
        cohort.picture("a.png")
    assert cohort.picture("b.png") == b"B"
    assert unpacked == ["labels.csv", "b.png"]
    refused({"labels.csv": LABELS + "," * 2**20}, r"labels\.csv would unpack to more than 1 MB")


def test_what_a_radiograph_takes_is_let_in():
    assert 50 * 2**20 < cohort_zip.MOST_BYTES < 2**30


def damaged(data: bytes, content: bytes) -> bytes:
    """With the bytes of one member, as they lie in the file, replaced by others."""
    assert data.count(content) == 1
    return data.replace(content, b"\xff" * len(content))


def test_a_damaged_member_is_a_sentence():
    noise = np.random.default_rng(0).integers(0, 16, 5000, dtype=np.uint8).tobytes()
    stored = damaged(pack({"labels.csv": LABELS, "a.png": b"0123456789"}, zipfile.ZIP_STORED), b"0123456789")
    with pytest.raises(UserError, match=r"a\.png cannot be unpacked \(Bad CRC"):
        CohortZip(stored).picture("a.png")
    packed = pack({"labels.csv": LABELS, "a.png": noise})
    at = packed.index(b"a.png") + len(b"a.png")
    for how in (packed[:at] + b"\xff" * 40 + packed[at + 40 :], packed[: at + 500] + b"\0" * 40 + packed[at + 540 :]):
        with pytest.raises(UserError, match=r"a\.png cannot be unpacked"):
            CohortZip(how).picture("a.png")


@pytest.mark.parametrize("how", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_ways_to_pack_are_read_and_their_damage_is_a_sentence(how):
    noise = np.random.default_rng(0).integers(0, 16, 5000, dtype=np.uint8).tobytes()
    data = pack({"labels.csv": LABELS, "a.png": noise}, how)
    assert CohortZip(data).picture("a.png") == noise
    at = data.index(b"a.png") + len(b"a.png")
    for broken in (data[:at] + b"\xff" * 40 + data[at + 40 :], data[: at + 500] + b"\xff" * 40 + data[at + 540 :]):
        with pytest.raises(UserError, match=r"a\.png cannot be unpacked"):
            CohortZip(broken).picture("a.png")


def test_any_damage_is_a_sentence():
    members = {"labels.csv": LABELS, "a.png": bytes(range(256)) * 4, "b.png": b"B" * 50}
    data = pack(members)
    rng = np.random.default_rng(0)
    sentences = 0
    for _ in range(400):
        broken = bytearray(data)
        for at in rng.integers(len(data), size=rng.integers(1, 4)):
            broken[at] = rng.integers(256)
        try:
            cohort = CohortZip(bytes(broken))
            for name in ("a.png", "b.png"):
                cohort.picture(name)
        except UserError:
            sentences += 1
    assert sentences > 100  # and nothing else was raised


def test_a_locked_member_is_a_sentence():
    data = bytearray(pack({"labels.csv": LABELS, "a.png": b"A"}))
    for signature, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.rindex(signature) + flags] |= 1  # encrypted
    with pytest.raises(UserError, match=r"a\.png cannot be unpacked .*password"):
        CohortZip(bytes(data)).picture("a.png")


# Auditing


@pytest.fixture(scope="module")
def task(study_folder):
    return AuditTask(str(study_folder / "toy"), "Large", "Bar", mode="direct")


def discs(labelled_folder, numbers, bars=None, folder: str = "") -> dict[str, bytes | str]:
    """The toy pictures of these numbers and a CSV of their bars, or of what is given instead."""
    with labelled_folder[1].open(newline="") as handle:
        rows = [row for i, row in enumerate(csv.DictReader(handle)) if i in numbers]
    bars = bars or [row["Bar"] for row in rows]
    lines = ["file,Bar", *(f"{row['file']},{bar}" for row, bar in zip(rows, bars, strict=True))]
    pictures = {folder + row["file"]: (labelled_folder[0] / row["file"]).read_bytes() for row in rows}
    return {folder + "labels.csv": "\n".join(lines) + "\n"} | pictures


def quiet(i: int, n: int) -> None:
    """Progress that nobody looks at."""


def test_a_zip_measures_what_a_folder_does(task, labelled_folder, tmp_path):
    heard = []
    cohort = CohortZip(pack(discs(labelled_folder, range(8), folder="cohort/")))
    report = audit_zip(task, cohort, "Bar", seed=2, progress=lambda i, n: heard.append((i, n)))
    table = read_table(*labelled_folder).where(np.arange(8))
    assert report == audit_cohort(task, table, tmp_path, seed=2)
    assert report["n"] == 8
    assert heard == [(i, 8) for i in range(1, 9)]


def test_pictures_that_cannot_be_read_are_listed(task, labelled_folder):
    members = discs(labelled_folder, range(5))
    del members["001.png"]
    members["003.png"] = b"no picture"
    report = audit_zip(task, CohortZip(pack(members)), "Bar", progress=quiet)
    assert report["n"] == 3
    missing, broken = report["failed"]
    assert missing == {"file": "001.png", "why": "001.png is named in the CSV and not in the ZIP."}
    assert broken["file"] == "003.png"
    assert broken["why"].endswith(".")


def test_a_damaged_picture_does_not_end_the_audit(task, labelled_folder):
    data = pack(discs(labelled_folder, range(3)))
    at = data.index(b"001.png", data.index(b"PK\x03\x04", 10)) + len("001.png")
    report = audit_zip(task, CohortZip(data[:at] + b"\xff" * 60 + data[at + 60 :]), "Bar", progress=quiet)
    assert report["n"] == 2
    assert [f["file"] for f in report["failed"]] == ["001.png"]
    assert "cannot be unpacked" in report["failed"][0]["why"]


def test_rows_without_the_attribute_are_counted(task, labelled_folder):
    bars = ["1", "", "0.0", "1.0", " "]
    report = audit_zip(task, CohortZip(pack(discs(labelled_folder, range(5), bars))), "Bar", progress=quiet)
    assert (report["n"], report["rows_without_attribute"]) == (3, 2)
    groups = report["classifiers"]["main"]["groups"]
    assert (groups["attribute=0"], groups["attribute=1"]) == (1, 2)


def test_words_for_sex_are_read_as_in_a_folder(task, labelled_folder):
    cohort = CohortZip(pack(discs(labelled_folder, range(4), ["M", "F", "", "M"])))
    report = audit_zip(task, cohort, "Bar", progress=quiet)
    assert (report["n"], report["rows_without_attribute"]) == (3, 1)
    groups = report["classifiers"]["main"]["groups"]
    assert (groups["attribute=0"], groups["attribute=1"]) == (1, 2)


@pytest.mark.parametrize("odd", ["yes", "2", "0.5", "-2"])
def test_a_column_that_is_not_0_or_1(task, labelled_folder, odd):
    cohort = CohortZip(pack(discs(labelled_folder, range(3), ["1", odd, "0"])))
    with pytest.raises(UserError, match=f"Column 'Bar' of the CSV is not 0/1: it holds '{odd}'"):
        audit_zip(task, cohort, "Bar", progress=quiet)


def test_mistakes(task, labelled_folder):
    cohort = CohortZip(pack(discs(labelled_folder, range(2))))
    with pytest.raises(UserError, match="The CSV has no column 'Sex'; it has: file, Bar"):
        audit_zip(task, cohort, "Sex", progress=quiet)
    with pytest.raises(UserError, match="The CSV has no column 'site'"):
        audit_zip(replace(task, by=("site",)), cohort, "Bar", progress=quiet)
    other = AuditTask(task.study, "Round", "Bar")
    with pytest.raises(UserError, match="no trained knob for 'Round'"):
        audit_zip(other, cohort, "Bar", progress=quiet)
    blank = CohortZip(pack(discs(labelled_folder, range(2), [" ", " "])))
    with pytest.raises(UserError, match="could be measured: no row says what 'Bar' is"):
        audit_zip(task, blank, "Bar", progress=quiet)
    nothing = CohortZip(pack({"labels.csv": LABELS}))
    with pytest.raises(UserError, match=r"could be measured: a\.png is named in the CSV and not in the ZIP"):
        audit_zip(task, nothing, "Bar", progress=quiet)


def test_whoever_cancels_is_heard(task, labelled_folder):
    heard = []

    def stop(i, n):
        heard.append(i)
        if i == 2:
            raise Cancelled

    with pytest.raises(Cancelled):
        audit_zip(task, CohortZip(pack(discs(labelled_folder, range(5)))), "Bar", progress=stop)
    assert heard == [1, 2]


def test_a_csv_with_too_many_rows_is_refused_before_they_are_kept(monkeypatch):
    monkeypatch.setattr(cohort_zip, "MOST_PICTURES", 3)
    read = []
    plain = csv.DictReader.__next__
    monkeypatch.setattr(csv.DictReader, "__next__", lambda self: read.append(0) or plain(self))
    refused({"labels.csv": "file,Bar\n" + "a.png,1\n" * 1000, "a.png": b"A"}, r"more than the 3 rows the page takes")
    assert len(read) == 4
    assert len(CohortZip(pack({"labels.csv": "file,Bar\n" + "a.png,1\n" * 3, "a.png": b"A"})).rows) == 3
