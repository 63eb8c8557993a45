"""Speak a sentence, and read it back with the times of its words: python examples/say_and_hear.py."""

import sys

from audio_grpc.client import Client

with Client(sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:50051") as client:
    audio = b"".join(client.synthesize("The birch canoe slid on the smooth planks."))
    for segment in client.transcribe(audio, word_timestamps=True):
        for word in segment.words:
            print(f"{word.start:5.2f} {word.text.strip()} ({word.probability:.2f})")
