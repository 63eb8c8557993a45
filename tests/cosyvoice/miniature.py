"""Writes miniature CosyVoice models: the released layout, one small layer each, random weights.

    python -m tests.cosyvoice.miniature VERSION DIRECTORY [COSYVOICE_PATH]

What they say is noise. Real are the loading, the text front end, the language model's loop, the flow, the
vocoder and the streaming, as the library's own classes do them. The language model never ends by itself,
so the adapter's ``max_token_ratio`` says exactly how much it speaks. ``benchmarks/gpu.py`` writes them in the
size of the released models.
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from audio_grpc.backends.cosyvoice import library

TEMPLATES = Path(__file__).parent / "miniatures"
NAMES = {1: "cosyvoice.yaml", 2: "cosyvoice2.yaml", 3: "cosyvoice3.yaml"}
SPEECH_TOKENS = {1: 4096, 2: 6561, 3: 6561}
FIRST_SPECIAL = 151643
"""Qwen's own ids: version 3 has that of <|endofprompt|>, 151646, written into its code."""
SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|endofprompt|>")
QWEN = {
    "hidden_size": 32,
    "intermediate_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
}
Sizes = Mapping[str, Mapping[str, Any]]


def write(
    directory: Path,
    version: int,
    checkout: Path | None = None,
    sizes: Sizes | None = None,
    clones: bool = True,
) -> Path:
    """The directory, with a model of that version in it.

    ``sizes`` has what is not as small as usual: ``description`` changes the description of the model, and
    ``qwen`` the language model of versions 2 and 3. Only one that ``clones`` needs onnx to be written.
    """
    sizes = sizes or {}
    directory.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(version)
    _write_description(directory / NAMES[version], sizes.get("description", {}))
    if version > 1:
        _write_qwen(directory / "CosyVoice-BlankEN", {**QWEN, **sizes.get("qwen", {})})
    parts = library.load(library.find(checkout), lambda _: _build(directory, version))
    _never_end(parts["llm"], version)
    for part in ("llm", "flow", "hift"):
        torch.save(parts[part].state_dict(), directory / f"{part}.pt")
    torch.save(_speakers(version), directory / "spk2info.pt")
    if clones:
        _write_speaker_encoder(directory / "campplus.onnx")
        _write_speech_tokenizer(directory / f"speech_tokenizer_v{version}.onnx", version)
    return directory


def _write_description(path: Path, changes: Mapping[str, Any]) -> None:
    from hyperpyyaml.core import recursive_update
    from ruamel.yaml import YAML

    yaml = YAML()  # keeps the tags as they are
    description = yaml.load((TEMPLATES / path.name).read_text())
    recursive_update(description, changes, must_match=True)
    with path.open("w") as file:
        yaml.dump(description, file)


def _build(directory: Path, version: int) -> Any:
    from hyperpyyaml import load_hyperpyyaml

    overrides = {"qwen_pretrain_path": str(directory / "CosyVoice-BlankEN")} if version > 1 else {}
    with (directory / NAMES[version]).open() as file:
        return load_hyperpyyaml(file, overrides=overrides)


def _never_end(llm: Any, version: int) -> None:
    """Make every token that is not speech impossible."""
    llm.requires_grad_(False)
    head, count = llm.llm_decoder, SPEECH_TOKENS[version]
    if head.bias is not None:
        head.bias[count:] = -1e4
        return
    # Without a bias: whatever comes in has the same large first component, which no layer changes, and
    # against which the rows of these tokens stand.
    for layer in llm.llm.model.model.layers:
        layer.self_attn.o_proj.weight[0] = 0
        layer.mlp.down_proj.weight[0] = 0
    llm.llm.model.model.embed_tokens.weight[:, 0] = 4.0
    llm.speech_embedding.weight[:, 0] = 4.0
    head.weight[:count, 0] = 0
    head.weight[count:] = 0
    head.weight[count:, 0] = -1000.0


def _speakers(version: int) -> dict[str, Any]:
    """One that was trained, and one that was recorded and saved as the library does."""
    embedding = torch.randn(1, 192)
    spoken = torch.randint(SPEECH_TOKENS[version], (1, 50), dtype=torch.int32)
    recorded = {
        "prompt_text": torch.tensor([[72, 105]], dtype=torch.int32),
        "prompt_text_len": torch.tensor([2], dtype=torch.int32),
        "llm_prompt_speech_token": spoken,
        "llm_prompt_speech_token_len": torch.tensor([50], dtype=torch.int32),
        "flow_prompt_speech_token": spoken,
        "flow_prompt_speech_token_len": torch.tensor([50], dtype=torch.int32),
        "prompt_speech_feat": torch.randn(1, 100, 80),
        "prompt_speech_feat_len": torch.tensor([100], dtype=torch.int32),
        "llm_embedding": embedding,
        "flow_embedding": embedding,
    }
    if version == 3:
        recorded["prompt_text"] = torch.tensor([[FIRST_SPECIAL + 3, 72]], dtype=torch.int32)
    return {"trained": {"embedding": torch.randn(1, 192)}, "recorded": recorded}


def _write_qwen(directory: Path, sizes: Mapping[str, Any]) -> None:
    """A language model, and a tokenizer with one token for each UTF-8 byte."""
    from transformers import Qwen2Config, Qwen2ForCausalLM

    directory.mkdir()
    ids = {token: FIRST_SPECIAL + number for number, token in enumerate(SPECIAL)}
    vocabulary = {letter: number for number, letter in enumerate(_byte_letters())} | ids
    added = {
        str(number): {"content": token, "special": True, "lstrip": False, "rstrip": False}
        | {"normalized": False, "single_word": False}
        for token, number in ids.items()
    }
    settings = {"tokenizer_class": "Qwen2Tokenizer", "eos_token": SPECIAL[0], "pad_token": SPECIAL[0]}
    _write_json(directory / "vocab.json", vocabulary)
    _write_json(directory / "tokenizer_config.json", settings | {"added_tokens_decoder": added})
    (directory / "merges.txt").write_text("#version: 0.2\n")
    config = Qwen2Config(vocab_size=151936, tie_word_embeddings=True, **sizes)
    Qwen2ForCausalLM(config).save_pretrained(directory)


def _byte_letters() -> list[str]:
    """Returns the letter that byte-level BPE writes for each of the 256 bytes."""
    printable = {*range(33, 127), *range(161, 173), *range(174, 256)}
    others = iter(range(256, 512))
    return [chr(byte if byte in printable else next(others)) for byte in range(256)]


def _write_json(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")


def _write_speaker_encoder(path: Path) -> None:
    """The mean over time, times a matrix."""
    from onnx import helper

    weights = np.random.default_rng(0).standard_normal((80, 192)).astype(np.float32) / 9
    nodes = [
        helper.make_node("ReduceMean", ["input"], ["mean"], axes=[1], keepdims=0),
        helper.make_node("MatMul", ["mean", "weights"], ["output"]),
    ]
    inputs = [_tensor("input", "FLOAT", ["batch", "frames", 80])]
    outputs = [_tensor("output", "FLOAT", ["batch", 192])]
    _save(path, nodes, inputs, outputs, {"weights": weights})


def _write_speech_tokenizer(path: Path, version: int) -> None:
    """Every second frame (50 tokens a second, version 1) or every fourth, hashed into the codebook."""
    from onnx import TensorProto
    from onnx.helper import make_node as node

    nodes = [
        node("Cast", ["feats_length"], ["end"], to=TensorProto.INT64),
        node("Slice", ["feats", "start", "end", "axis", "step"], ["frames"]),
        node("ReduceMean", ["frames"], ["mean"], axes=[1], keepdims=0),
        node("Mul", ["mean", "scale"], ["scaled"]),
        node("Abs", ["scaled"], ["positive"]),
        node("Cast", ["positive"], ["whole"], to=TensorProto.INT64),
        node("Mod", ["whole", "codebook"], ["code"]),
        node("Cast", ["code"], ["indices"], to=TensorProto.INT32),
    ]
    constants = {
        "start": np.array([0]),
        "axis": np.array([2]),
        "step": np.array([2 if version == 1 else 4]),
        "codebook": np.array(SPEECH_TOKENS[version]),
        "scale": np.array(1e4, np.float32),
    }
    inputs = [_tensor("feats", "FLOAT", [1, 128, "frames"]), _tensor("feats_length", "INT32", [1])]
    _save(path, nodes, inputs, [_tensor("indices", "INT32", [1, "tokens"])], constants)


def _tensor(name: str, kind: str, shape: list[int | str]) -> Any:
    from onnx import TensorProto, helper

    return helper.make_tensor_value_info(name, getattr(TensorProto, kind), shape)


def _save(path: Path, nodes: Any, inputs: Any, outputs: Any, constants: dict[str, Any]) -> None:
    from onnx import helper, numpy_helper, save

    values = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, path.stem, inputs, outputs, values)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    save(model, str(path))


if __name__ == "__main__":
    write(Path(sys.argv[2]), int(sys.argv[1]), Path(sys.argv[3]) if len(sys.argv) > 3 else None)
