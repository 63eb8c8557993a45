"""Writes Whisper models with random weights, as CTranslate2 reads them, in any size."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

WINDOW_FRAMES, TEXT_POSITIONS = 1500, 448
FIRST_SPECIAL = 50257
LANGUAGES = 100
"""The third edition has one more than the ones before."""
TIMESTAMPS = 1501
VOCABULARY = 51866


@dataclass(frozen=True)
class Shape:
    """The sizes of a model, named as in Whisper's own ``ModelDimensions``."""

    width: int
    heads: int
    audio_layers: int
    text_layers: int
    mels: int = 128


LARGE_V3_TURBO = "large-v3-turbo", Shape(width=1280, heads=20, audio_layers=32, text_layers=4)
"""https://huggingface.co/openai/whisper-large-v3-turbo/blob/main/config.json"""
TINY = Shape(width=64, heads=1, audio_layers=1, text_layers=1)


class _Weights:
    """Fills layers: small random numbers, and norms that leave everything as it is."""

    def __init__(self, width: int) -> None:
        self._random = np.random.default_rng(0)
        self._width = width

    def matrix(self, *shape: int) -> Any:
        return (self._random.standard_normal(shape, np.float32) * np.float32(0.02)).astype(np.float16)

    def linear(self, layer: Any, *shape: int) -> None:
        """``shape`` begins with the outputs; a convolution has one dimension more."""
        layer.weight, layer.bias = self.matrix(*shape), np.zeros(shape[0], np.float16)

    def norm(self, layer: Any) -> None:
        layer.gamma, layer.beta = np.ones(self._width, np.float16), np.zeros(self._width, np.float16)

    def attention(self, layer: Any, *outputs: int) -> None:
        """CTranslate2 joins the matrices that have the same input; ``outputs`` in multiples of the width."""
        self.norm(layer.layer_norm)
        for linear, multiple in zip(layer.linear, outputs, strict=True):
            self.linear(linear, multiple * self._width, self._width)

    def feed_forward(self, layer: Any) -> None:
        self.norm(layer.layer_norm)
        self.linear(layer.linear_0, 4 * self._width, self._width)
        self.linear(layer.linear_1, self._width, 4 * self._width)


def write(directory: Path, shape: Shape) -> Path:
    """The directory, with a multilingual model of that shape in it, in float16."""
    from ctranslate2.specs.whisper_spec import WhisperSpec

    directory.mkdir(parents=True)
    spec = WhisperSpec(shape.audio_layers, shape.heads, shape.text_layers, shape.heads)
    weights = _Weights(shape.width)
    _fill_encoder(spec.encoder, shape, weights)
    _fill_decoder(spec.decoder, shape.width, weights)
    spec.config.suppress_ids = spec.config.suppress_ids_begin = []
    spec.config.lang_ids = list(range(FIRST_SPECIAL + 2, FIRST_SPECIAL + 2 + LANGUAGES))
    spec.config.alignment_heads = [(shape.text_layers - 1, 0)]
    spec.register_vocabulary(_vocabulary())
    spec.validate()
    # As the converter leaves it: the output layer is the embedding.
    spec.decoder.projection.weight = "decoder/embeddings/weight"
    spec.save(str(directory))
    return directory


def _fill_encoder(encoder: Any, shape: Shape, weights: _Weights) -> None:
    weights.linear(encoder.conv1, shape.width, shape.mels, 3)
    weights.linear(encoder.conv2, shape.width, shape.width, 3)
    encoder.position_encodings.encodings = weights.matrix(WINDOW_FRAMES, shape.width)
    weights.norm(encoder.layer_norm)
    for layer in encoder.layer:
        weights.attention(layer.self_attention, 3, 1)
        weights.feed_forward(layer.ffn)


def _fill_decoder(decoder: Any, width: int, weights: _Weights) -> None:
    decoder.embeddings.weight = decoder.projection.weight = weights.matrix(VOCABULARY, width)
    decoder.position_encodings.encodings = weights.matrix(TEXT_POSITIONS, width)
    weights.norm(decoder.layer_norm)
    for layer in decoder.layer:
        weights.attention(layer.self_attention, 3, 1)
        weights.attention(layer.attention, 1, 2, 1)
        weights.feed_forward(layer.ffn)


def _vocabulary() -> list[str]:
    """Words without meaning, and what CTranslate2 looks for, where Whisper has it."""
    names = ("translate", "transcribe", "startoflm", "startofprev", "nospeech", "notimestamps")
    languages = ["<|en|>", *(f"<|language {number}|>" for number in range(1, LANGUAGES))]
    tokens = [
        *(f"word {number}" for number in range(FIRST_SPECIAL)),
        *("<|endoftext|>", "<|startoftranscript|>", *languages),
        *(f"<|{name}|>" for name in names),
        *(f"<|{number * 0.02:.2f}|>" for number in range(TIMESTAMPS)),
    ]
    assert len(tokens) == VOCABULARY
    return tokens
