"""The openai package: speech, what it says, events, and realtime transcription that commits."""

import asyncio
import sys
from base64 import b64encode
from pathlib import Path

import openai
from recorded import samples

BASE_URL, SOUND = sys.argv[1:]


async def main() -> None:
    client = openai.AsyncOpenAI(base_url=f"{BASE_URL}/v1", api_key="any")
    said = await client.audio.speech.create(
        model="gpt-4o-mini-tts-2025-12-15", voice="marin", input="Good morning."
    )
    heard = await client.audio.transcriptions.create(model="gpt-transcribe", file=("a.mp3", said.content))
    print("spoken:", heard.text)
    transcribe = client.audio.transcriptions.create
    verbose = await transcribe(model="whisper-1", file=Path(SOUND), response_format="verbose_json")
    print("language:", verbose.language)
    print(
        "heard:",
        (
            await transcribe(model="gpt-4o-transcribe-diarize", file=Path(SOUND), chunking_strategy="auto")
        ).text,
    )
    events = await transcribe(model="gpt-4o-mini-transcribe-2025-12-15", file=Path(SOUND), stream=True)
    print(
        "streamed:", "".join([event.delta async for event in events if event.type == "transcript.text.delta"])
    )
    print("model:", (await client.models.retrieve("gpt-live-transcribe")).id)
    async with client.realtime.connect(extra_query={"intent": "transcription"}) as connection:
        transcription = {"model": "gpt-live-transcribe"}
        session = {"type": "transcription", "audio": {"input": {"transcription": transcription}}}
        await connection.session.update(session=session)
        await connection.input_audio_buffer.append(audio=b64encode(samples(SOUND)).decode())
        await connection.input_audio_buffer.commit()
        async for event in connection:
            if event.type == "conversation.item.input_audio_transcription.completed":
                print("realtime:", event.transcript)
                return


asyncio.run(main())
