"""`contralens predict`: what the classifier says of a picture, and whether an installation says what it should."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from core.commands.show import prepare_file, print_json
from core.errors import UserError

TOLERANCE = 0.01  # other processors and library versions round differently


def predict(
    image: Annotated[Path | None, typer.Argument(help="A picture: PNG, JPEG, WebP, TIFF, BMP or DICOM.")] = None,
    study: Annotated[
        str, typer.Option(help="Name of an installed study, or a folder with a study.toml.")
    ] = "chest-xray",
    frame: Annotated[int, typer.Option(help="Frame of a multi-frame file.")] = 0,
    face: Annotated[int | None, typer.Option(help="Which face, left to right from 0, when there are several.")] = None,
    check: Annotated[bool, typer.Option(help="Compare the sample pictures with their reference predictions.")] = False,
    anyway: Annotated[
        bool, typer.Option(help="Predict even when the picture does not look like the study's kind.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print numbers as JSON.")] = False,
) -> None:
    """Predict a picture, or check this installation with --check."""
    from core.images.read import read_picture
    from core.studies import open_study

    opened = open_study(study)
    if check and image is not None:
        raise UserError("--check looks at the study's own samples; leave the picture or --check out.")
    if check:
        _check(opened, as_json)
        return
    if image is None:
        raise UserError("Name a picture to predict, or pass --check to test this installation.")
    picture = read_picture(image, frame=frame)
    prepared = prepare_file(opened, picture, image, face)
    gate = opened.gate(prepared, picture)
    if not gate.ok and not anyway:
        raise UserError(f"{image.name}: {gate.sentence} Pass --anyway to predict it nevertheless.")
    answer = {t: round(p, 4) for t, p in opened.predict(prepared).items()}
    notes = [*picture.warnings, *prepared.notes]
    if as_json:
        score = round(gate.score, 4) if "gate" in opened.settings else None
        print_json({"study": opened.name, "probabilities": answer, "gate": score, "notes": notes})
        return
    for target, probability in answer.items():
        print(f"{target}: {probability:.3f}" + ("" if opened.one_of_many else f"   ({opened.headline(target)})"))
    if opened.one_of_many:
        said = "calibrated by one temperature" if opened.settings["classifier"].get("choice") else "not calibrated"
        print(f"the likeliest of {len(opened.targets)} classes; their probabilities are {said}")
    for note in notes:
        print(f"note: {note}")
    print("Research and teaching software, not a medical device.")


def _check(study: Any, as_json: bool) -> None:
    from core.images.read import read_picture

    references = study.references
    if not references:
        raise UserError(f"{study.title} has no reference predictions to compare with.")
    rows = []
    for name, expected in references.items():
        got = study.predict(study.prepare(read_picture(study.sample(name))))
        for target, value in expected.items():
            # A class that is no longer among the likeliest is missing.
            rows.append({"sample": name, "target": target, "expected": value, "got": round(got.get(target, 0.0), 4)})
    wrong = [r for r in rows if abs(r["got"] - r["expected"]) > TOLERANCE]
    if as_json:
        print_json({"study": study.name, "ok": not wrong, "predictions": rows})
    else:
        for r in rows:
            print(f"{r['sample']}: {r['target']} expected {r['expected']:.4f}, got {r['got']:.4f}")
    if wrong:
        raise UserError(
            f"{len(wrong)} of {len(rows)} reference predictions differ by more than {TOLERANCE}: this installation "
            "does not compute what the checkpoints were measured with; reinstall with the versions in constraints.txt."
        )
    if not as_json:
        print(f"ok: {len(rows)} reference predictions agree within {TOLERANCE}")
