"""Sound to bytes and back: one codec table, a streaming encoder, a safe decoder, a resampler, a stretcher."""

from audio_grpc.audio.blocks import Block, decode_blocks
from audio_grpc.audio.codecs import CODECS, Codec, choose_rate
from audio_grpc.audio.decode import decode
from audio_grpc.audio.encode import MAX_PIECE_BYTES, Encoder, encode, to_pcm, wav_header, wave_header
from audio_grpc.audio.g711 import from_alaw, from_mulaw, to_alaw, to_mulaw
from audio_grpc.audio.mix import Mixer
from audio_grpc.audio.raw import MAX_RAW_CHANNELS, MAX_RAW_RATE_HERTZ, RawFormat, from_s16le, raw_audio
from audio_grpc.audio.resample import Resampler, resample
from audio_grpc.audio.stretch import stretch
from audio_grpc.types import Encoding

__all__ = [
    "CODECS",
    "MAX_PIECE_BYTES",
    "MAX_RAW_CHANNELS",
    "MAX_RAW_RATE_HERTZ",
    "Block",
    "Codec",
    "Encoder",
    "Encoding",
    "Mixer",
    "RawFormat",
    "Resampler",
    "choose_rate",
    "decode",
    "decode_blocks",
    "encode",
    "from_alaw",
    "from_mulaw",
    "from_s16le",
    "raw_audio",
    "resample",
    "stretch",
    "to_alaw",
    "to_mulaw",
    "to_pcm",
    "wav_header",
    "wave_header",
]
