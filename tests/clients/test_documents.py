"""The programs of the guide to gRPC in Node and Go, with stubs as the guide makes them."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.clients.conftest import HERE, needs_node
from tests.conftest import COMMAND
from tests.snippets import ROOT, snippets
from tests.supervisor.stack import RunningStack

pytestmark = pytest.mark.slow

GUIDE = "docs/guides/grpc.md"
GO_PACKAGES = Path("/usr/share/gocode")
"""The Go packages of Debian: golang-google-grpc-dev and others."""
GO_TOOLS = ("go", "protoc-gen-go", "protoc-gen-go-grpc")
SAID = "12 characters spoken"
needs_go = pytest.mark.skipif(
    not all(map(shutil.which, GO_TOOLS)) or not (GO_PACKAGES / "src/google.golang.org/grpc").exists(),
    reason="Go, its plugins for protoc or Debian's packages for gRPC are not installed",
)


@needs_node
def test_the_program_in_node_runs(stack: RunningStack, tmp_path: Path) -> None:
    (program,) = snippets("js", GUIDE)
    (tmp_path / "speak.mjs").write_text(program.replace("127.0.0.1:8080", stack.address))
    for name, folder in {"node_modules": HERE / "node", "protos": ROOT, "third_party": ROOT}.items():
        (tmp_path / name).symlink_to(folder / name)
    done = subprocess.run(["node", "speak.mjs"], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert SAID in done.stdout
    assert (tmp_path / "hello.wav").read_bytes().startswith(b"RIFF")


@needs_go
def test_the_program_in_go_compiles(tmp_path: Path) -> None:
    """It is not run: Debian's gRPC reads messages with a decoder older than what its plugins write."""
    module = tmp_path / "src/example.com/speech"
    module.mkdir(parents=True)
    (template,) = snippets("yaml", GUIDE)
    (module / "buf.gen.yaml").write_text(template)
    (generate,) = (line for line in snippets("sh", GUIDE) if line.startswith("buf generate"))
    (program,) = snippets("go", GUIDE)
    # That gRPC is also older than the package that says so today.
    secure, plain = "grpc.WithTransportCredentials(insecure.NewCredentials())", "grpc.WithInsecure()"
    assert secure in program
    program = program.replace(secure, plain).replace('\t"google.golang.org/grpc/credentials/insecure"\n', "")
    (module / "main.go").write_text(program)
    environment = {
        **os.environ,
        "PATH": f"{Path(COMMAND).parent}{os.pathsep}{os.environ['PATH']}",  # with buf
        "GO111MODULE": "off",
        "GOPATH": f"{tmp_path}{os.pathsep}{GO_PACKAGES}",
        "GOCACHE": str(tmp_path / "cache"),
    }
    for command in (generate.replace("audio-grpc", str(ROOT)), "go build"):
        done = subprocess.run(
            command, shell=True, cwd=module, env=environment, capture_output=True, text=True, timeout=170
        )
        assert done.returncode == 0, done.stderr
    assert (module / "speech").exists()
