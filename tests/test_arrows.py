"""Who may import whom. Read from the source, so that an import inside a function counts as well."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FILES = sorted((ROOT / "core").rglob("*.py")) + sorted((ROOT / "dashboard").rglob("*.py"))


def module_of(path: Path) -> str:
    name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    return name.removesuffix(".__init__")


def imports_of(path: Path, *, top: bool = False) -> set[str]:
    """Absolute names of all imported modules; top: only those that run when the module is imported."""
    found: set[str] = set()

    def visit(node: ast.AST) -> None:
        for child in ast.iter_child_nodes(node):
            if top and isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
                continue
            if isinstance(child, ast.Import):
                found.update(alias.name for alias in child.names)
            elif isinstance(child, ast.ImportFrom):
                assert child.level == 0, f"{path}: relative import"
                found.add(child.module or "")
                # `from core.images import read` names a module as much as `import core.images.read` does.
                found.update(f"{child.module}.{alias.name}" for alias in child.names)
            visit(child)

    visit(ast.parse(path.read_text(encoding="utf-8")))
    return found


def inside(name: str, room: str) -> bool:
    return name == room or name.startswith(room + ".")


def offences(room: str, forbidden: tuple[str, ...], *, top: bool = False, but: tuple[str, ...] = ()) -> list[str]:
    return [
        f"{module_of(path)} imports {name}"
        for path in FILES
        if inside(module_of(path), room) and module_of(path) not in but
        for name in sorted(imports_of(path, top=top))
        if any(inside(name, f) for f in forbidden)
    ]


def strangers(room: str, allowed: tuple[str, ...]) -> list[str]:
    """Imports of the project's own modules that are not in `allowed`."""
    return [
        f"{module_of(path)} imports {name}"
        for path in FILES
        if inside(module_of(path), room)
        for name in sorted(imports_of(path))
        if (inside(name, "core") or inside(name, "dashboard")) and name != "core"
        if not any(inside(name, a) or inside(a, name) for a in (room, *allowed))
    ]


def test_there_is_something_to_check():
    modules = {module_of(p) for p in FILES}
    assert {"core.cli", "core.networks.exaggerator", "core.explainers.exaggeration", "dashboard.app"} <= modules


def test_the_reader_sees_imports_inside_functions(tmp_path):
    file = tmp_path / "a.py"
    file.write_text("import os\ndef f():\n    from core.images import read\n")
    assert imports_of(file) == {"os", "core.images", "core.images.read"}
    assert imports_of(file, top=True) == {"os"}


def test_core_never_imports_what_draws_pages():
    assert offences("core", ("streamlit", "plotly", "dashboard")) == []


def test_nothing_at_the_bottom_knows_the_rest():
    assert strangers("core.errors", ()) == []
    assert strangers("core.weights", ("core.errors",)) == []


@pytest.mark.parametrize(
    ("room", "allowed"),
    [
        ("core.networks", ("core.errors", "core.weights")),
        ("core.images", ("core.errors",)),
        ("core.infills", ("core.networks", "core.errors")),
        ("core.attributions", ("core.errors",)),
        ("core.baselines", ("core.networks", "core.infills", "core.errors")),
        ("core.classifiers", ("core.networks", "core.images", "core.errors", "core.weights")),
        (
            "core.explainers",
            (
                "core.networks",
                "core.classifiers",
                "core.images",
                "core.infills",
                "core.baselines",
                "core.attributions",
                "core.errors",
            ),
        ),
        ("core.data", ("core.images", "core.errors")),
        (
            "core.studies",
            (
                "core.explainers",
                "core.networks",
                "core.classifiers",
                "core.images",
                "core.data",
                "core.infills",
                "core.baselines",
                "core.errors",
            ),
        ),
    ],
)
def test_a_room_imports_only_rooms_below_it(room, allowed):
    assert strangers(room, allowed) == []


def test_training_and_evaluation_stay_below_the_commands():
    above = ("core.commands", "core.cli", "dashboard")
    assert offences("core.training", above) == []
    assert offences("core.evaluation", above) == []


def test_torchvision_waits_until_it_is_needed():
    assert offences("core", ("torchvision",), top=True) == []


def test_only_serve_names_the_dashboard():
    naming = [
        module_of(p)
        for p in FILES
        if inside(module_of(p), "core")
        for node in ast.walk(ast.parse(p.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and node.value in ("dashboard", "dashboard/app.py")
    ]
    assert set(naming) <= {"core.commands.serve"}
