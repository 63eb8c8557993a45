"""Generate ``audio_grpc/v1`` from ``protos/``; with ``--check``, only say whether it is up to date."""

import filecmp
import shutil
import sys
import tempfile
from importlib.resources import files
from pathlib import Path

from grpc_tools import protoc

ROOT = Path(__file__).resolve().parent.parent
PROTOS = ROOT / "protos"
THIRD_PARTY = ROOT / "third_party" / "googleapis"
PACKAGE = Path("audio_grpc/v1")


def generate(into: Path) -> None:
    """Write the stubs of every .proto file below ``into``."""
    sources = sorted((PROTOS / PACKAGE).glob("*.proto"))
    services = [path for path in sources if "\nservice " in path.read_text()]
    run_protoc(into, sources, "python", "mypy")
    run_protoc(into, services, "grpc_python", "mypy_grpc")
    (into / PACKAGE / "__init__.py").write_text(
        '"""Generated from protos/audio_grpc/v1 by `make protos`; never edited."""\n'
    )


def run_protoc(into: Path, sources: list[Path], *kinds: str, flags: tuple[str, ...] = ()) -> None:
    """Let each plugin in ``kinds`` write its files for ``sources``; ``flags`` go to protoc itself."""
    outputs = [f"--{kind}_out={'quiet:' if kind.startswith('mypy') else ''}{into}" for kind in kinds]
    well_known = files("grpc_tools") / "_proto"
    # protoc finds its plugins beside the interpreter, whatever PATH says.
    plugins = [
        f"--plugin=protoc-gen-{kind}={Path(sys.executable).with_name(f'protoc-gen-{kind}')}"
        for kind in kinds
        if kind.startswith("mypy")
    ]
    folders = [f"-I{folder}" for folder in (PROTOS, THIRD_PARTY, well_known)]
    if protoc.main(["protoc", *flags, *folders, *plugins, *outputs, *map(str, sources)]):
        sys.exit("protoc failed; its message is above")


def differences(fresh: Path, checked_in: Path) -> list[str]:
    """The names of files that are missing, superfluous or different."""
    names = {path.name for folder in (fresh, checked_in) for path in folder.glob("*.py*")}
    _, differing, missing = filecmp.cmpfiles(fresh, checked_in, sorted(names), shallow=False)
    return sorted([*differing, *missing])


def main() -> None:
    """Generate, or compare."""
    with tempfile.TemporaryDirectory() as folder:
        generate(Path(folder))
        fresh, checked_in = Path(folder) / PACKAGE, ROOT / PACKAGE
        stale = differences(fresh, checked_in)
        if "--check" in sys.argv[1:]:
            if stale:
                sys.exit(f"Out of date, run `make protos` and commit: {', '.join(stale)}")
            return
        shutil.rmtree(checked_in, ignore_errors=True)
        shutil.copytree(fresh, checked_in)


if __name__ == "__main__":
    main()
