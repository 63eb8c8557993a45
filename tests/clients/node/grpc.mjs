// grpc-js with stubs that it makes of the contract: a listing, a stream of sound, and an error with its details.
import fs from "node:fs";
import grpc from "@grpc/grpc-js";
import { loadFileDescriptorSetFromBuffer } from "@grpc/proto-loader";

const [baseUrl, , contract] = process.argv.slice(2);
const definition = loadFileDescriptorSetFromBuffer(fs.readFileSync(contract), { keepCase: true, oneofs: true });
const { TextToSpeechService, ModelService } = grpc.loadPackageDefinition(definition).audio_grpc.v1;
const address = new URL(baseUrl).host;
const credentials = grpc.credentials.createInsecure();
const speech = new TextToSpeechService(address, credentials);
const models = new ModelService(address, credentials);

const call = (client, method, request) =>
  new Promise((resolve, reject) =>
    client[method](request, (error, reply) => (error ? reject(error) : resolve(reply))),
  );

const { models: listed } = await call(models, "ListModels", {});
console.log("models:", listed.map((model) => model.name).join(", "));
let bytes = 0;
let finished = false;
for await (const reply of speech.Synthesize({ text: "Good morning." })) {
  bytes += reply.audio?.length ?? 0;
  finished = reply.finished != null;
}
console.log("bytes:", bytes, "finished:", finished);
await call(models, "GetModel", { name: "nobody" }).catch((error) => {
  console.log("refused:", grpc.status[error.code], error.metadata.get("grpc-status-details-bin").length);
});
