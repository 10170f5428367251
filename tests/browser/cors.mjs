// Scripts of other origins in Chromium, with the clients of Connect and gRPC-Web. `node cors.mjs URL DESCRIPTORS ROOT`
// takes the URL of a gateway that lets http://shop.example call, a descriptor set of its methods, and the folder where
// node_modules is. The pages are made up here; only what they call is real.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";

const [gateway, descriptors, root] = process.argv.slice(2);
const here = path.dirname(fileURLToPath(import.meta.url));
const { chromium } = createRequire(path.join(root, "node_modules/"))("playwright-core");

const esm = (name) => `/node_modules/${name}/dist/esm/`;
const imports = {};
for (const name of ["@bufbuild/protobuf", "@connectrpc/connect", "@connectrpc/connect-web"]) {
  imports[name] = `${esm(name)}index.js`;
}
for (const [name, parts] of [
  ["@bufbuild/protobuf", ["codegenv2", "wire", "wkt", "reflect"]],
  ["@connectrpc/connect", ["protocol", "protocol-connect", "protocol-grpc", "protocol-grpc-web"]],
]) {
  for (const part of parts) imports[`${name}/${part}`] = `${esm(name)}${part}/index.js`;
}
const page = `<!doctype html><script type="importmap">${JSON.stringify({ imports })}</script>`;

async function serve(route) {
  const { pathname } = new URL(route.request().url());
  if (pathname === "/") return route.fulfill({ contentType: "text/html", body: page });
  if (pathname === "/descriptors") return route.fulfill({ path: descriptors, contentType: "application/octet-stream" });
  if (pathname === "/grpc-web.js") {
    const text = readFileSync(path.join(root, "node_modules/grpc-web/index.js"), "utf8");
    const body = `const exports = {}; const module = { exports };\n${text}\nexport default exports;`;
    return route.fulfill({ contentType: "text/javascript", body });
  }
  const folder = pathname.startsWith("/node_modules/") ? root : here;
  return route.fulfill({ path: path.join(folder, pathname), contentType: "text/javascript" });
}

// What Connect's clients see in the page.
async function connect([gateway, kind, useBinaryFormat]) {
  const { registryOf, scenario } = await import("/scenario.mjs");
  const { createConnectTransport, createGrpcWebTransport } = await import("@connectrpc/connect-web");
  const registry = registryOf(new Uint8Array(await (await fetch("/descriptors")).arrayBuffer()));
  const options = { baseUrl: gateway, useBinaryFormat, jsonOptions: { registry } };
  const transport = {
    connect: () => createConnectTransport(options),
    get: () => createConnectTransport({ ...options, useHttpGet: true }),
    web: () => createGrpcWebTransport(options),
  }[kind]();
  try {
    await scenario(registry, transport, { byGet: kind === "get" });
    return "passed";
  } catch (error) {
    return error.stack;
  }
}

// What the client of gRPC-Web sees in the page, with messages as bytes.
async function grpcWeb([gateway, format]) {
  const { default: web } = await import("/grpc-web.js");
  const bytes = (message) => message;
  const method = (name, type) => new web.MethodDescriptor(`/echo.v1.${name}`, type, Object, Object, bytes, bytes);
  const client = new web.GrpcWebClientBase({ format });
  const unary = (name, request) =>
    new Promise((resolve) => {
      const url = `${gateway}/echo.v1.${name}`;
      client.rpcCall(url, request, { "x-custom": "1" }, method(name, "unary"), (error, response) =>
        resolve(error ? { code: error.code, message: error.message } : [...response]),
      );
    });
  const seen = { echo: await unary("Echo/Echo", new Uint8Array([0x72, 1, 0x61])) };
  // FailRequest {status: {code: 5, message: "gone"}}
  seen.fail = await unary("Echo/Fail", new Uint8Array([10, 8, 8, 5, 18, 4, 103, 111, 110, 101]));
  // WatchRequest {id: "web", count: 3}
  const request = new Uint8Array([10, 3, 119, 101, 98, 16, 3]);
  const stream = client.serverStreaming(`${gateway}/echo.v1.Streams/Watch`, request, {}, method("Streams/Watch", "server_streaming"));
  seen.watch = await new Promise((resolve) => {
    const messages = [];
    stream.on("data", (message) => messages.push([...message]));
    stream.on("status", (status) => messages.push(status.code));
    stream.on("error", (error) => resolve([...messages, error.message]));
    stream.on("end", () => resolve(messages));
  });
  return seen;
}

const args = ["--no-sandbox", "--disable-features=LocalNetworkAccessChecks,BlockInsecurePrivateNetworkRequests"];
const browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args });
try {
  const shop = await browser.newPage();
  await shop.route("http://shop.example/**", serve);
  await shop.goto("http://shop.example/");
  for (const [kind, binary] of [["connect", true], ["connect", false], ["get", true], ["get", false], ["web", true]]) {
    assert.equal(await shop.evaluate(connect, [gateway, kind, binary]), "passed", `${kind}, binary: ${binary}`);
  }
  const expected = {
    echo: [0x72, 1, 0x61],
    fail: { code: 5, message: "gone" },
    watch: [[16, 1], [16, 2], [16, 3], 0],
  };
  // Only as text a stream of XMLHttpRequest can be read before its end.
  assert.deepEqual(await shop.evaluate(grpcWeb, [gateway, "text"]), expected);
  const { watch, ...unary } = expected;
  const binary = await shop.evaluate(grpcWeb, [gateway, "binary"]);
  assert.deepEqual({ echo: binary.echo, fail: binary.fail }, unary);
  assert.deepEqual(
    await shop.evaluate(async (gateway) => {
      const answer = await fetch(`${gateway}/v1/metadata`, {
        method: "POST",
        headers: { "content-type": "application/json", "grpc-metadata-x-custom": "1" },
        body: '{"initial": [{"key": "x-initial", "text": "a"}]}',
      });
      return [answer.status, answer.headers.get("x-initial")];
    }, gateway),
    [200, "a"],
  );

  for (const origin of ["http://shop.example:8080", "http://evil.example"]) {
    const other = await browser.newPage();
    await other.route(`${origin}/**`, serve);
    await other.goto(`${origin}/`);
    const refused = await other.evaluate(async (gateway) => {
      const simple = await fetch(`${gateway}/v1/echo/a`).then((answer) => answer.status, (error) => error.name);
      const init = { method: "POST", headers: { "content-type": "application/json" }, body: "{}" };
      const asked = await fetch(`${gateway}/v1/echo`, init).then((answer) => answer.status, (error) => error.name);
      return [simple, asked];
    }, gateway);
    assert.deepEqual(refused, ["TypeError", "TypeError"], origin);
  }
} finally {
  await browser.close();
}
