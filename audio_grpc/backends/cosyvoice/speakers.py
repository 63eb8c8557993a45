"""Speakers: the arguments of the library's ``tts`` for a speaker, and those of them that each mode uses.

A speaker is a dictionary of arguments of ``tts``. One that was trained has two embeddings. One that was
recorded also has the recording, as features and as speech tokens, and maybe its transcript. Neither is
ever changed: a request takes its own copy.
"""

from collections import OrderedDict
from collections.abc import Mapping
from threading import Lock
from typing import Any

import numpy as np

from audio_grpc.audio import resample
from audio_grpc.backends.cosyvoice.versions import Version
from audio_grpc.errors import OptionUnsupported
from audio_grpc.types import Audio, SynthesisOptions, VoiceSample

Speaker = Mapping[str, Any]
TRANSCRIPT, RECORDING, SPOKEN = "prompt_text", "prompt_speech_feat", "llm_prompt_speech_token"
ARGUMENTS = (
    *("llm_embedding", "flow_embedding", TRANSCRIPT, RECORDING, SPOKEN),
    "flow_prompt_speech_token",
)
TOKENS_RATE = 16_000
LONGEST_SECONDS = 30.0
"""The library makes tokens of no longer recording."""
KEPT = 100
"""Recorded speakers, those longest unused forgotten first."""


def own_speaker(entry: Speaker) -> Speaker:
    """One of the model's, as its spk2info.pt has it: trained, or recorded and saved with the model."""
    if "embedding" in entry:
        return {"llm_embedding": entry["embedding"], "flow_embedding": entry["embedding"]}
    return {name: entry[name] for name in ARGUMENTS if name in entry}


def as_told(speaker: Speaker, version: Version, frontend: Any, options: SynthesisOptions) -> Speaker:
    """Returns the speaker for a request: the mode is instruct, zero-shot, cross-lingual or trained.

    Raises OptionUnsupported for instructions to a speaker that takes none.
    """
    told = dict(speaker)
    if options.instructions:
        _check_instructions(speaker, version)
        told.pop(SPOKEN if version.instructs_recordings else "llm_embedding", None)
        told[TRANSCRIPT] = tokens(frontend, version.instructions.format(options.instructions))
    elif TRANSCRIPT not in told:
        told.pop(SPOKEN, None)  # speech without its words would be taken for the beginning of the text's
        if version.preamble:
            told[TRANSCRIPT] = tokens(frontend, version.preamble)
    return told


def _check_instructions(speaker: Speaker, version: Version) -> None:
    if version.instructs_recordings and RECORDING not in speaker:
        raise OptionUnsupported(
            f"CosyVoice {version.number} takes instructions with a recorded voice only; use a custom one, or "
            "leave the instructions out",
            field="instructions",
        )
    if not version.instructs_recordings and RECORDING in speaker:
        raise OptionUnsupported(
            "CosyVoice 1 takes instructions with the voices that it was trained with only; use one of them, "
            "or leave the instructions out",
            field="instructions",
        )


def tokens(frontend: Any, text: str) -> Any:
    """The text as the language model reads it: int32 [1, n]."""
    return frontend._extract_text_token(text)[0]


class RecordedSpeakers:
    """Speakers made of samples, kept by the voice's id, since nothing of a voice changes."""

    def __init__(self, version: Version, frontend: Any) -> None:
        self._version = version
        self._frontend = frontend
        self._kept: OrderedDict[tuple[str, str], Speaker] = OrderedDict()
        self._lock = Lock()

    def find(self, sample: VoiceSample) -> Speaker:
        """The speaker of the sample; a fraction of a second for one that is not known yet."""
        key = (sample.voice_id, sample.transcript)
        with self._lock:
            if key not in self._kept:
                self._kept[key] = self._make(sample)
            self._kept.move_to_end(key)
            if len(self._kept) > KEPT:
                self._kept.popitem(last=False)
            return self._kept[key]

    def _make(self, sample: VoiceSample) -> Speaker:
        audio, transcript = sample.audio, sample.transcript
        if audio.seconds > LONGEST_SECONDS:
            # What is left is not what the transcript says.
            audio, transcript = _beginning(audio), ""
        features = self._frontend._extract_speech_feat(_sound(audio, self._version.sample_rate_hertz))[0]
        for_tokens = _sound(audio, TOKENS_RATE)
        spoken = self._frontend._extract_speech_token(for_tokens)[0]
        embedding = self._frontend._extract_spk_embedding(for_tokens)
        if self._version.number > 1:
            # Its acoustic model wants two frames for each token, and no frame left over.
            pairs = min(features.shape[1] // 2, spoken.shape[1])
            features, spoken = features[:, : 2 * pairs], spoken[:, :pairs]
        speaker = {
            "llm_embedding": embedding,
            "flow_embedding": embedding,
            RECORDING: features,
            SPOKEN: spoken,
            "flow_prompt_speech_token": spoken,
        }
        if transcript:
            words = self._frontend.text_normalize(transcript, split=False)
            speaker[TRANSCRIPT] = tokens(self._frontend, self._version.preamble + words)
        return speaker


def _beginning(audio: Audio) -> Audio:
    length = int(LONGEST_SECONDS * audio.sample_rate_hertz)
    return Audio(audio.samples[:length], audio.sample_rate_hertz)


def _sound(audio: Audio, rate: int) -> Any:
    """The recording as the library takes it: a float32 tensor [1, n]."""
    import torch

    chunks = [chunk.samples for chunk in resample([audio], rate)]
    sound = np.concatenate(chunks).clip(-1.0, 1.0)  # a resampler overshoots
    return torch.from_numpy(sound).unsqueeze(0)
