"""The typed client that other services import, for asyncio and for threads.

    async with AsyncClient("127.0.0.1:50051") as client:
        async for data in client.synthesize("Hello.", encoding=Encoding.OPUS):
            ...
        async for segment in client.transcribe(Path("hello.opus").read_bytes()):
            print(segment.text)

What comes back arrives while the server is still working. Leaving a stream early stops the server's model.
:class:`Client` is the same without ``async``.
"""

from audio_grpc.client.aio import AsyncClient
from audio_grpc.client.conversation import AsyncConversation, ConversationEvent
from audio_grpc.client.credentials import Tls
from audio_grpc.client.errors import ServiceError
from audio_grpc.client.live_speech import AsyncLiveSpeech, LiveSpeech
from audio_grpc.client.live_transcript import AsyncLiveTranscript, LiveTranscript, LiveTranscriptEvent
from audio_grpc.client.options import (
    ConverseOptions,
    DownloadOptions,
    JobOptions,
    ListenOptions,
    LiveSpeechOptions,
    SpeechOptions,
    ThinkOptions,
    TranscriptOptions,
    UploadOptions,
)
from audio_grpc.client.streams import AsyncSpeech, AsyncTranscript, AsyncUpload, Speech, Transcript
from audio_grpc.client.sync import Client
from audio_grpc.client.tracing import trace_metadata
from audio_grpc.types import (
    Encoding,
    EndCause,
    Hypothesis,
    Segment,
    SpeechCancelled,
    SpeechStarted,
    SpeechStopped,
    SpokenAudio,
    Strategy,
    Task,
    UtteranceDiscarded,
    UtteranceTranscript,
    Word,
)

__all__ = [
    "AsyncClient",
    "AsyncConversation",
    "AsyncLiveSpeech",
    "AsyncLiveTranscript",
    "AsyncSpeech",
    "AsyncTranscript",
    "AsyncUpload",
    "Client",
    "ConversationEvent",
    "ConverseOptions",
    "DownloadOptions",
    "Encoding",
    "EndCause",
    "Hypothesis",
    "JobOptions",
    "ListenOptions",
    "LiveSpeech",
    "LiveSpeechOptions",
    "LiveTranscript",
    "LiveTranscriptEvent",
    "Segment",
    "ServiceError",
    "Speech",
    "SpeechCancelled",
    "SpeechOptions",
    "SpeechStarted",
    "SpeechStopped",
    "SpokenAudio",
    "Strategy",
    "Task",
    "ThinkOptions",
    "Tls",
    "Transcript",
    "TranscriptOptions",
    "UploadOptions",
    "UtteranceDiscarded",
    "UtteranceTranscript",
    "Word",
    "trace_metadata",
]
