// Connect, gRPC-Web and gRPC by Connect's packages, with the contract as their schema.
import fs from "node:fs";
import { createFileRegistry, fromBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import * as node from "@connectrpc/connect-node";
import * as web from "@connectrpc/connect-web";

const [baseUrl, , contract] = process.argv.slice(2);
const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, fs.readFileSync(contract)));
const service = (name) => registry.getService(`audio_grpc.v1.${name}`);
const ErrorInfo = registry.getMessage("google.rpc.ErrorInfo");

const transports = {
  "web connect": web.createConnectTransport({ baseUrl, useBinaryFormat: true }),
  "web grpc-web": web.createGrpcWebTransport({ baseUrl }),
  // Over HTTP/2, Envoy's bridge breaks off some streams at their end.
  "node connect": node.createConnectTransport({ baseUrl, httpVersion: "1.1", useBinaryFormat: true }),
  "node grpc-web": node.createGrpcWebTransport({ baseUrl, httpVersion: "1.1" }),
  "node grpc": node.createGrpcTransport({ baseUrl }),
};
for (const [name, transport] of Object.entries(transports)) {
  const models = createClient(service("ModelService"), transport);
  const speech = createClient(service("TextToSpeechService"), transport);
  const { models: listed } = await models.listModels({});
  let bytes = 0;
  let finished = false;
  for await (const { event } of speech.synthesize({ text: "Good morning." })) {
    if (event.case === "audio") bytes += event.value.length;
    finished = event.case === "finished";
  }
  const error = ConnectError.from(await models.getModel({ name: "nobody" }).catch((error) => error));
  const [info] = error.findDetails(ErrorInfo);
  console.log(`${name}:`, listed.length, bytes > 10000, finished, Code[error.code], info?.reason);
}
for (const [name, { createConnectTransport }, options] of [
  ["web json", web, {}],
  ["node json", node, { httpVersion: "1.1", useBinaryFormat: false }],
]) {
  const models = createClient(service("ModelService"), createConnectTransport({ baseUrl, ...options }));
  const error = ConnectError.from(await models.listModels({}).catch((error) => error));
  console.log(`${name}:`, Code[error.code], error.rawMessage);
}
