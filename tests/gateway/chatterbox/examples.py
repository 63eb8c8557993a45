"""The examples of the API's documentation, word for word."""

STREAMING = r"""import requests

response = requests.post(
    "http://localhost:4123/v1/audio/speech/stream",
    json={
        "input": "This streams as it's generated!",
        "streaming_strategy": "sentence",
        "streaming_chunk_size": 200
    },
    stream=True
)

# The response is a single, continuous WAV stream.
# You can write it directly to a file.
with open("streaming_output.wav", "wb") as f:
    for chunk in response.iter_content(chunk_size=8192):
        if chunk:
            f.write(chunk)
            print(f"Received chunk: {len(chunk)} bytes")
"""

EVENTS = r'''import requests
import json
import base64
import wave
import io

def create_wav_from_pcm(pcm_data, sample_rate, channels, bits_per_sample):
    """Creates a WAV file in memory from raw PCM data."""
    wav_file = io.BytesIO()
    with wave.open(wav_file, 'wb') as wf:
        wf.setnchannels(channels)
        wf.setsampwidth(bits_per_sample // 8)
        wf.setframerate(sample_rate)
        wf.writeframes(pcm_data)
    wav_file.seek(0)
    return wav_file.getvalue()

response = requests.post(
    "http://localhost:4123/v1/audio/speech",
    json={
        "input": "This streams as Server-Side Events with raw audio!",
        "stream_format": "sse"
    },
    stream=True,
    headers={'Accept': 'text/event-stream'}
)

audio_chunks = []
audio_info = {}

for line in response.iter_lines(decode_unicode=True):
    if line.startswith('data: '):
        event_data = line[6:]

        try:
            event = json.loads(event_data)

            # First event contains audio metadata
            if event.get('type') == 'speech.audio.info':
                audio_info = {
                    "sample_rate": event['sample_rate'],
                    "channels": event['channels'],
                    "bits_per_sample": event['bits_per_sample']
                }
                print(f"Received audio info: {audio_info}")

            # Subsequent events contain raw audio data
            elif event.get('type') == 'speech.audio.delta':
                audio_data = base64.b64decode(event['audio'])
                audio_chunks.append(audio_data)
                print(f"Received audio chunk: {len(audio_data)} bytes")

            # Final event indicates completion
            elif event.get('type') == 'speech.audio.done':
                usage = event.get('usage', {})
                print(f"Streaming complete. Usage: {usage}")
                break

        except json.JSONDecodeError:
            continue

# Combine raw PCM data and create a valid WAV file
if audio_chunks and audio_info:
    combined_pcm_data = b"".join(audio_chunks)

    wav_data = create_wav_from_pcm(
        combined_pcm_data,
        sample_rate=audio_info['sample_rate'],
        channels=audio_info['channels'],
        bits_per_sample=audio_info['bits_per_sample']
    )

    with open("sse_output.wav", "wb") as f:
        f.write(wav_data)
    print(f"Saved {len(audio_chunks)} audio chunks to sse_output.wav")
else:
    print("No audio data was received.")
'''

PLAYBACK = r'''import requests
import sounddevice as sd
import wave
import io

def stream_and_play_realtime(text, **params):
    """Stream TTS and play audio in real-time using sounddevice"""

    print("Requesting audio stream...")
    # Start streaming request
    response = requests.post(
        "http://localhost:4123/v1/audio/speech/stream",
        json={"input": text, **params},
        stream=True
    )

    if response.status_code != 200:
        print(f"Error from server: {response.status_code}")
        print(response.text)
        return

    # The first part of the stream is the WAV header.
    # We can read it to determine the audio format.
    try:
        header = response.raw.read(44)
    except Exception as e:
        print(f"Failed to read header from stream: {e}")
        return

    # Use the header to get audio properties
    try:
        with wave.open(io.BytesIO(header)) as wf:
            channels = wf.getnchannels()
            samplerate = wf.getframerate()
            sampwidth = wf.getsampwidth()

            # Map sample width to numpy dtype
            if sampwidth == 2:
                dtype = 'int16'
            elif sampwidth == 1:
                dtype = 'int8'
            elif sampwidth == 3: # 24-bit
                dtype = 'int24'
            elif sampwidth == 4:
                dtype = 'int32'
            else:
                raise ValueError(f"Unsupported sample width: {sampwidth}")

            print(f"Audio stream info: {samplerate}Hz, {channels}ch, {dtype}")
    except Exception as e:
        print(f"Failed to parse WAV header: {e}")
        return

    # Create and start the output stream
    try:
        with sd.RawOutputStream(
            samplerate=samplerate,
            channels=channels,
            dtype=dtype
        ) as stream:
            print("Playback started... press Ctrl+C to stop.")
            # Read the rest of the stream (raw PCM data) and play it
            while True:
                chunk = response.raw.read(1024)
                if not chunk:
                    break
                stream.write(chunk)
            print("Playback finished.")
    except Exception as e:
        print(f"An error occurred during playback: {e}")
    except KeyboardInterrupt:
        print("\nPlayback stopped by user.")


# Usage
# Note: You may need to install sounddevice: pip install sounddevice
stream_and_play_realtime(
    "This plays in real-time as it streams using the sounddevice library!",
    streaming_quality="fast"
)
'''

CURL = [
    r"""curl -X POST http://localhost:4123/v1/audio/speech/stream \
  -H "Content-Type: application/json" \
  -d '{"input": "This will stream as it generates!"}' \
  --output streaming.wav""",
    r"""curl -X POST http://localhost:4123/v1/audio/speech \
  -H "Content-Type: application/json" \
  -H "Accept: text/event-stream" \
  -d '{"input": "This streams as Server-Side Events!", "stream_format": "sse"}' \
  --no-buffer""",
    r"""curl -X POST http://localhost:4123/v1/audio/speech/stream \
  -H "Content-Type: application/json" \
  -d '{
    "input": "Long text that will be streamed efficiently...",
    "exaggeration": 0.8,
    "streaming_strategy": "sentence",
    "streaming_chunk_size": 150,
    "streaming_quality": "balanced"
  }' \
  --output advanced_stream.wav""",
    r"""curl -v -X POST http://localhost:4123/v1/audio/speech/stream \
  -H "Content-Type: application/json" \
  -d '{"input": "Test streaming"}' \
  --output debug_stream.wav""",
]
