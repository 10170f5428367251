// Connect, gRPC-Web and gRPC by the clients of Connect in Node.js. `node dialects.mjs URL DESCRIPTORS` takes the URL
// of the gateway and a descriptor set of its methods. The modules are found where this file is.

import { readFileSync } from "node:fs";
import { createConnectTransport, createGrpcTransport, createGrpcWebTransport, compressionGzip } from "@connectrpc/connect-node";
import { createConnectTransport as createWebTransport, createGrpcWebTransport as createGrpcWebOverFetch } from "@connectrpc/connect-web";

import { registryOf, scenario } from "./scenario.mjs";

const [baseUrl, file] = process.argv.slice(2);
const registry = registryOf(new Uint8Array(readFileSync(file)));
const everything = { clientStreams: true, bidirectional: true };

const transports = [];
for (const useBinaryFormat of [true, false]) {
  const form = useBinaryFormat ? "binary" : "JSON";
  const options = { baseUrl, useBinaryFormat, jsonOptions: { registry } };
  const zipped = { sendCompression: compressionGzip, compressMinBytes: 10, acceptCompression: [compressionGzip] };
  transports.push([`Connect ${form} over HTTP/2`, createConnectTransport({ ...options, httpVersion: "2" }), everything]);
  transports.push([`Connect ${form} over HTTP/2, zipped`, createConnectTransport({ ...options, ...zipped, httpVersion: "2" }), everything]);
  transports.push([`Connect ${form} by GET`, createConnectTransport({ ...options, httpVersion: "2", useHttpGet: true }), { byGet: true }]);
  transports.push([`Connect ${form} over HTTP/1.1`, createConnectTransport({ ...options, httpVersion: "1.1" }), { clientStreams: true }]);
  transports.push([`Connect ${form} over fetch`, createWebTransport(options), {}]);
}
transports.push(["gRPC-Web over HTTP/2", createGrpcWebTransport({ baseUrl, httpVersion: "2" }), everything]);
transports.push(["gRPC-Web over HTTP/1.1", createGrpcWebTransport({ baseUrl, httpVersion: "1.1" }), { clientStreams: true }]);
transports.push(["gRPC-Web over fetch", createGrpcWebOverFetch({ baseUrl }), {}]);
transports.push(["gRPC", createGrpcTransport({ baseUrl }), { ...everything, readsUnknown: true }]);
transports.push(["gRPC, zipped", createGrpcTransport({ baseUrl, sendCompression: compressionGzip, compressMinBytes: 10 }), { ...everything, readsUnknown: true }]);

let failed = false;
for (const [name, transport, can] of transports) {
  try {
    await scenario(registry, transport, can);
    console.log(`${name}: passed`);
  } catch (error) {
    failed = true;
    console.log(`${name}: ${error.stack}`);
  }
}
process.exit(failed ? 1 : 0);
