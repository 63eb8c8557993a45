// The openai package: speech, what it says, events, and an error.
import fs from "node:fs";
import OpenAI, { toFile } from "openai";

const [baseUrl, sound] = process.argv.slice(2);
const client = new OpenAI({ baseURL: `${baseUrl}/v1`, apiKey: "any" });

const speech = await client.audio.speech.create({ model: "gpt-4o-mini-tts", voice: "marin", input: "Good morning." });
const said = await toFile(Buffer.from(await speech.arrayBuffer()), "said.mp3");
const spoken = await client.audio.transcriptions.create({ model: "gpt-transcribe", file: said });
console.log("spoken:", spoken.text);
const heard = await client.audio.transcriptions.create({ model: "whisper-1", file: fs.createReadStream(sound) });
console.log("heard:", heard.text);
const events = await client.audio.transcriptions.create({
  model: "gpt-4o-mini-transcribe",
  file: fs.createReadStream(sound),
  stream: true,
});
let text = "";
for await (const event of events) if (event.type === "transcript.text.delta") text += event.delta;
console.log("streamed:", text);
await client.audio.speech.create({ model: "nobody", voice: "marin", input: "Hi." }).catch((error) => {
  console.log("refused:", error.constructor.name, error.code);
});
