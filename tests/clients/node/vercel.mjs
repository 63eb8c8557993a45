// The Vercel AI SDK: speech, and transcription by each of its ways to ask.
import fs from "node:fs";
import { createOpenAI } from "@ai-sdk/openai";
import { experimental_generateSpeech as generateSpeech, experimental_transcribe as transcribe } from "ai";

const [baseUrl, sound] = process.argv.slice(2);
const provider = createOpenAI({ baseURL: `${baseUrl}/v1`, apiKey: "any" });

const { audio } = await generateSpeech({ model: provider.speech("gpt-4o-mini-tts"), text: "Good morning." });
console.log("spoken:", audio.mediaType, audio.uint8Array.length);
for (const name of ["whisper-1", "gpt-4o-transcribe", "gpt-4o-mini-transcribe-2025-12-15", "gpt-transcribe"]) {
  const asked = { model: provider.transcription(name), audio: fs.readFileSync(sound) };
  const heard = await transcribe(asked);
  const detailed = await transcribe({ ...asked, providerOptions: { openai: {} } }); // which asks for segments
  console.log(`${name}:`, heard.text, detailed.text === heard.text, detailed.language, detailed.segments.length);
}
