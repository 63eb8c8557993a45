// How long texts are spoken in the background from a shell and from Python.

import { PATH } from "./longwatch.js";
import { curl, grpcurl, ownClient, python, shell, synthesizeRequest } from "./snippets.js";

const SERVICE = "audio_grpc.v1.JobService";
const INLINE_CHARACTERS = 500; // a longer text is read from a file

/** Of a text that was handed over; `body` is that of POST /v1/audio/speech/long, `name` of the file with the text. */
export function creation(body, name) {
  const isInline = body.input.length <= INLINE_CHARACTERS;
  return {
    curl: curlCreation(body, isInline ? "" : name),
    Python: pythonCreation(body, isInline ? "" : name),
    grpcurl: grpcurlCreation(body, isInline ? "" : name),
  };
}

function curlCreation({ input, ...options }, name) {
  const post = `${curl(PATH)} \\
  -H 'content-type: application/json'`;
  const asked = name
    ? `jq -Rs ${shell(`${JSON.stringify(options)} + {input: .}`)} < ${shell(name)} |
  ${post} -d @-`
    : `${post} \\
  -d ${shell(JSON.stringify({ ...options, input }))}`;
  return `job=$(${asked} | jq -r .job_id)
${curl(`${PATH}/$job/sse`)}
${curl(`${PATH}/$job/download`)} -o speech.${options.response_format}`;
}

function pythonCreation({ input, model, voice, speed, response_format: format }, name) {
  const given = Object.entries({ model, voice, speed }).filter(([, value]) => value !== undefined);
  const options = given.map(([option, value]) => `${option}=${python(value)}, `).join("");
  return `${ownClient("Encoding")}
text = ${name ? `open(${python(name)}, encoding="utf-8").read()` : python(input)}
with client, open("speech.${format}", "wb") as file:
    job = client.create_job(text, ${options}encoding=Encoding(${python(format)}))
    for job in client.watch_job(job.id):
        print(job.pieces_done, "of", job.pieces_total)
    file.writelines(client.download_job(job.id))`;
}

function grpcurlCreation(body, name) {
  const { text, ...options } = synthesizeRequest(body);
  if (!name) return call("Create", { speech: { text, ...options } });
  return `jq -Rs ${shell(`{speech: (${JSON.stringify(options)} + {text: .})}`)} < ${shell(name)} |
  ${grpcurl().replaceAll("\n", "\n  ")} -d @ ${location.host} ${SERVICE}/CreateSpeechJob`;
}

/** Of what was done to one: `action` is pause, resume, retry, cancel or delete, `method` and `path` are that of HTTP. */
export function change(action, method, path, id) {
  return {
    curl: `${curl(path)} -X ${method}`,
    Python: `${ownClient()}
with client:
    client.${action}_job(${python(id)})`,
    grpcurl: call(action[0].toUpperCase() + action.slice(1), { id }),
  };
}

const call = (verb, message) => `${grpcurl()} \\
  -d ${shell(JSON.stringify(message))} \\
  ${location.host} ${SERVICE}/${verb}SpeechJob`;
