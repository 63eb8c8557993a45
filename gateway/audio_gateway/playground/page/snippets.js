// How what was just done is done from a shell and from Python.

import { apiKey } from "./api.js";
import { button, byId } from "./dom.js";

const OPENAI_CHARACTERS = 4096;
// Options that say how a recording comes; the one that was kept is a file.
const WAYS_OF_SENDING = ["raw_format", "sample_format", "sample_rate_hertz", "channel_count", "interim_results", "endpointing"];
// Values that say no more than the field's absence.
const DEFAULTS = ["{}", '{"strategy":"SPLIT_STRATEGY_SENTENCE"}'];

export const shell = (text) => `'${text.replaceAll("'", "'\\''")}'`;
export const python = (value) => JSON.stringify(value);
export const field = (name, value) => (value === undefined ? "" : `,\n    ${name}=${python(value)}`);

const secure = () => location.protocol === "https:";
const key = () => (apiKey() ? "$AUDIO_GRPC_API_KEY" : "");
export const curl = (path) =>
  `curl -N ${location.origin}${path}` + (key() ? ` \\\n  -H "authorization: Bearer ${key()}"` : "");
export const grpcurl = () =>
  "# gRPC is where Envoy listens: 8080, unless configured otherwise\n" +
  `grpcurl${secure() ? "" : " -plaintext"}` + (key() ? ` -H "authorization: Bearer ${key()}"` : "");

/** A client of this package, which reaches what openai's does not; `names` are what else is imported. */
export const ownClient = (...names) => `# In a clone: pip install . ; openai has nothing like it. As with grpcurl, this is Envoy's port
${apiKey() ? "import os\n" : ""}from audio_grpc.client import ${["Client", ...names].join(", ")}

client = Client(${python(location.host)}${apiKey() ? ', api_key=os.environ["AUDIO_GRPC_API_KEY"]' : ""})`;

const openai = () => `import ${apiKey() ? "os\nimport openai" : "openai"}

client = openai.OpenAI(
    base_url=${python(`${location.origin}/v1`)},
    api_key=${apiKey() ? 'os.environ["AUDIO_GRPC_API_KEY"]' : '"none"'},
)`;

/** The gRPC message that asks for what the body of POST /v1/audio/speech does. */
export function synthesizeRequest({ input, model, voice, response_format: format, speed }) {
  const encoding = format === "pcm" ? "PCM_S16LE" : format.toUpperCase();
  return { text: input, model, voice, speed, encoding: `AUDIO_ENCODING_${encoding}` };
}

/** Of a text that was spoken; `body` is that of POST /v1/audio/speech. */
export function speech(body) {
  const { input, model, voice, response_format: format, speed } = body;
  return {
    curl: `${curl("/v1/audio/speech")} \\
  -H 'content-type: application/json' \\
  -d ${shell(JSON.stringify(body))} \\
  -o speech.${format}`,
    Python: `${openai()}
with client.audio.speech.with_streaming_response.create(
    model=${python(model)},
    voice=${python(voice ?? "")},
    input=${python(input)},
    response_format=${python(format)}${field("speed", speed)},
) as speech:
    speech.stream_to_file("speech.${format}")`,
    grpcurl: `${grpcurl()} \\
  -d ${shell(JSON.stringify(synthesizeRequest(body)))} \\
  ${location.host} audio_grpc.v1.TextToSpeechService/Synthesize`,
  };
}

/** Of a text that was spoken as it was typed. */
export function liveSpeech(start, text) {
  const { type, response_format: format, ...options } = start;
  const messages = [{ options: { speech: { ...options, encoding: "AUDIO_ENCODING_PCM_S16LE" } } }, { text }];
  const synthesis = Object.entries(options).map(([name, value]) => `${name}=${python(value)}`).join(", ");
  return {
    Python: `${ownClient("SpokenAudio")}
with client, client.live_speech(${synthesis}) as speech:
    speech.write(${python(text)})
    speech.end()
    sound = b"".join(event.data for event in speech if isinstance(event, SpokenAudio))`,
    grpcurl: `${grpcurl()} \\
  -d ${shell(messages.map((message) => JSON.stringify(message)).join(" "))} \\
  ${location.host} audio_grpc.v1.TextToSpeechService/StreamingSynthesize`,
  };
}

/** Of a file that was transcribed. */
export function transcription(name, model, language) {
  const message = JSON.stringify({ model, ...(language && { language_code: language }), word_timestamps: true });
  return {
    curl: `${curl("/v1/audio/transcriptions")} \\
  -F ${shell(`file=@${name}`)} -F ${shell(`model=${model}`)} -F stream=true${language ? ` \\\n  -F ${shell(`language=${language}`)}` : ""} \\
  -F 'timestamp_granularities[]=segment' -F 'timestamp_granularities[]=word'`,
    Python: `${openai()}
with open(${python(name)}, "rb") as file:
    transcript = client.audio.transcriptions.create(
        model=${python(model)},
        file=file${language ? `,\n        language=${python(language)}` : ""},
        response_format="verbose_json",
        timestamp_granularities=["segment", "word"],
    )
print(transcript.text)`,
    grpcurl: `(printf %s ${shell(`${message.slice(0, -1)},"audio":"`)}; base64 < ${shell(name)} | tr -d '\\n'; printf '"}') |
  ${grpcurl().replaceAll("\n", "\n  ")} -d @ \\
  ${location.host} audio_grpc.v1.SpeechToTextService/Transcribe`,
  };
}

/** Of captions; `session` is what was sent in session.update. */
export function captions(session) {
  return {
    Python: `# pip install 'openai[realtime]'
import base64
${openai()}
with client.realtime.connect(extra_query={"intent": "transcription"}) as connection:
    connection.session.update(session=${python(session)})
    with open("speech.pcm", "rb") as file:  # 16 bit, mono, 24 kHz
        while data := file.read(4800):
            connection.input_audio_buffer.append(audio=base64.b64encode(data).decode())
    connection.input_audio_buffer.commit()
    for event in connection:
        if event.type == "conversation.item.input_audio_transcription.completed":
            print(event.transcript)`,
  };
}

/** Of a voice that was made. */
export function voice(name, sample) {
  return {
    curl: `${curl("/v1/audio/voices")} \\
  -F ${shell(`name=${name}`)} -F ${shell(`audio_sample=@${sample}`)}`,
    grpcurl: `(printf %s ${shell(`{"name":${JSON.stringify(name)},"sample":"`)}; base64 < ${shell(sample)} | tr -d '\\n'; printf '"}') |
  ${grpcurl().replaceAll("\n", "\n  ")} -d @ \\
  ${location.host} audio_grpc.v1.VoiceService/CreateCustomVoice`,
  };
}

/** Of a request that the server has kept, as GET /v1/past-requests tells of it; null if no curl can repeat it. */
export function pastRequest(past) {
  if (["Synthesize", "StreamingSynthesize"].includes(past.method)) return pastSpeech(past);
  if (["Transcribe", "TranscribeUpload", "StreamingTranscribe"].includes(past.method)) return pastTranscript(past);
  return null;
}

function pastSpeech({ options, model, text, is_whole_text: isWhole }) {
  if (!text) return null;
  const { model: name, voice, speed, instructions, encoding = "AUDIO_ENCODING_WAV", ...rest } = options.speech ?? options;
  const { sample_rate_hertz: rate, ...others } = rest;
  const format = encoding === "AUDIO_ENCODING_PCM_S16LE" ? "pcm" : encoding.replace("AUDIO_ENCODING_", "").toLowerCase();
  const body = { model: name ?? model, voice, input: text, response_format: format, speed, instructions, sample_rate: rate };
  const notes = [
    !isWhole && "The server keeps no more of a text than how it begins; history_texts = true keeps all.",
    text.length > OPENAI_CHARACTERS && `The text is longer than the ${OPENAI_CHARACTERS} characters that OpenAI's API takes.`,
    unsaid(others),
  ];
  return { curl: comments(notes) + speech(body).curl };
}

function pastTranscript({ id, options, model, audio }) {
  const { model: name, task, language_code: language, prompt, temperature, hotwords = [], word_timestamps: words, ...others } = options;
  const isTranslation = task === "TRANSCRIPTION_TASK_TRANSLATE";
  const fields = { model: name ?? model, language: isTranslation ? undefined : language, prompt, temperature };
  const keywords = hotwords.map((word) => `keywords[]=${word}`);
  const timed = words ? ["response_format=verbose_json", "timestamp_granularities[]=word"] : [];
  const given = Object.entries(fields).filter(([, value]) => value !== undefined);
  const form = [...given.map(([key, value]) => `${key}=${value}`), ...(isTranslation ? [] : [...keywords, ...timed])];
  const fetched = audio ? `${curl(`/v1/past-requests/${id}/audio`)} -o recording\n` : "";
  return {
    curl: `${comments([unsaid(others)])}${fetched}${curl(`/v1/audio/${isTranslation ? "translations" : "transcriptions"}`)} \\
  -F 'file=@recording' ${form.map((part) => `--form-string ${shell(part)}`).join(" ")}`, // a prompt may begin with @
  };
}

const comments = (notes) => notes.filter(Boolean).map((note) => `# ${note}\n`).join("");

function unsaid(options) {
  const isSaid = (name) => WAYS_OF_SENDING.includes(name) || DEFAULTS.includes(JSON.stringify(options[name]));
  const names = Object.keys(options).filter((name) => !isSaid(name));
  return names.length && `Was asked for too, but is in no field of OpenAI's API: ${names.join(", ")}.`;
}

/** Show the examples, and take the person to them. */
export function reveal(examples) {
  show(examples);
  byId("snippet").parentElement.focus();
}

/** Show the examples, by the name of their language. */
export function show(examples) {
  byId("snippets").hidden = false;
  const choose = (chosen) => {
    byId("snippet").textContent = examples[chosen];
    byId("snippet-copied").textContent = "";
    byId("snippet-languages").replaceChildren(...Object.keys(examples).map((language) =>
      button(language, () => {
        choose(language);
        byId("snippet-languages").querySelector("[aria-pressed=true]").focus();
      }, { ariaPressed: String(language === chosen) })));
  };
  choose(Object.keys(examples)[0]);
}

export function startSnippets() {
  byId("snippet-copy").onclick = async () => {
    try {
      await navigator.clipboard.writeText(byId("snippet").textContent);
      byId("snippet-copied").textContent = "Copied.";
    } catch {
      getSelection().selectAllChildren(byId("snippet"));
      byId("snippet-copied").textContent = "Selected; press Ctrl+C.";
    }
  };
}
