// What a Connect client has to see, whatever protocol it speaks below: in Node.js and in browsers.

import { create, createFileRegistry, fromBinary, toBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, createClient } from "@connectrpc/connect";

function equal(got, expected, what) {
  const text = (value) => JSON.stringify(value, (_, one) => (typeof one === "bigint" ? `${one}n` : one));
  if (text(got) !== text(expected)) throw new Error(`${what}: ${text(got)} instead of ${text(expected)}`);
}

async function failure(call) {
  try {
    await call();
  } catch (error) {
    return ConnectError.from(error);
  }
  throw new Error("the call did not fail");
}

async function all(messages) {
  const seen = [];
  for await (const message of messages) seen.push(message);
  return seen;
}

export const registryOf = (descriptors) => createFileRegistry(fromBinary(FileDescriptorSetSchema, descriptors));

// `can` says what the transport carries (clientStreams, bidirectional), whether the text of UNKNOWN is shown, and
// whether calls without side effects go by GET.
export async function scenario(registry, transport, can) {
  const echo = createClient(registry.getService("echo.v1.Echo"), transport);
  const streams = createClient(registry.getService("echo.v1.Streams"), transport);

  const everything = { int64: -5n, string: "ü☺", bytes: new Uint8Array([0, 255]), children: [{ bool: true }] };
  const echoed = await echo.echo(everything);
  equal([echoed.int64, echoed.string, [...echoed.bytes]], [-5n, "ü☺", [0, 255]], "unary");
  // Not so uniform that it would be taken for a decompression bomb.
  const long = Array.from({ length: 50_000 }, (_, at) => (at * 7919) % 65536).join(" ");
  // A URI is bounded more closely than a body.
  if (!can.byGet) equal((await echo.echo({ string: long })).string === long, true, "large unary");
  equal((await echo.echo({})).string, "", "empty unary");

  let header, trailer;
  const sent = await echo.metadata(
    {
      initial: [{ key: "x-initial", text: "a" }, { key: "x-initial-bin", binary: new Uint8Array([0, 1, 254]) }],
      trailing: [{ key: "x-trailing", text: "b" }],
    },
    {
      headers: { "x-custom": "1", "x-custom-bin": "AAH+" },
      onHeader: (headers) => (header = headers),
      onTrailer: (trailers) => (trailer = trailers),
    },
  );
  const received = Object.fromEntries(sent.received.map((one) => [one.key, one.text || [...one.binary]]));
  equal([received["x-custom"], received["x-custom-bin"]], ["1", [0, 1, 254]], "metadata of the request");
  equal(received.origin ?? received["sec-fetch-mode"] ?? null, null, "headers of browsers");
  equal([header.get("x-initial"), header.get("x-initial-bin")], ["a", "AAH+"], "initial metadata");
  equal(trailer.get("x-trailing"), "b", "trailing metadata");

  const items = await all(streams.watch({ id: "script", count: 50, size: 3 }));
  equal(items.map((item) => [item.number, item.text]), [...Array(50).keys()].map((at) => [at + 1, "xxx"]), "stream");
  equal(await all(streams.watch({ id: "script", count: 0 })), [], "empty stream");

  const entry = registry.getMessage("echo.v1.Entry");
  const packed = toBinary(entry, create(entry, { key: "reason" }));
  const failed = await failure(() =>
    echo.fail({
      status: { code: 9, message: "not ☺ now", details: [{ typeUrl: "type.googleapis.com/echo.v1.Entry", value: packed }] },
    }),
  );
  equal([failed.code, failed.rawMessage], [Code.FailedPrecondition, "not ☺ now"], "error");
  equal(failed.findDetails(entry).map((one) => one.key), ["reason"], "error details");

  const seen = [];
  const cut = await failure(async () => {
    for await (const item of streams.watch({ id: "script", count: 3, code: 8 })) seen.push(item.number);
  });
  equal([seen, cut.code, cut.rawMessage], [[1, 2, 3], Code.ResourceExhausted, "Told to fail."], "error in a stream");

  const hidden = await failure(() => echo.fail({ status: { code: 2, message: "an exception" } }));
  equal([hidden.code, hidden.rawMessage], [Code.Unknown, can.readsUnknown ? "an exception" : "The backend failed."], "unknown error");

  const late = await failure(() => echo.wait({ id: "late", time: { seconds: 60n } }, { timeoutMs: 200 }));
  equal(late.code, Code.DeadlineExceeded, "deadline");
  const hung = await failure(() => all(streams.watch({ id: "hung", count: 1, hang: true }, { timeoutMs: 200 })));
  equal(hung.code, Code.DeadlineExceeded, "deadline of a stream");

  const leave = new AbortController();
  const left = await failure(async () => {
    const request = { id: `left-${Math.random()}`, count: 1_000_000, size: 100 };
    for await (const _ of streams.watch(request, { signal: leave.signal })) leave.abort();
  });
  equal(left.code, Code.Canceled, "cancelled stream");

  const items3 = async function* () {
    for (const text of ["a", "bb", "ccc"]) yield { id: "script", text };
  };
  if (can.clientStreams) {
    const gathered = await streams.gather(items3());
    equal([gathered.count, gathered.size], [3, 6n], "client stream");
  }
  if (can.bidirectional) {
    const chatted = await all(streams.chat(items3()));
    equal(chatted.map((item) => item.text), ["a", "bb", "ccc"], "bidirectional stream");
  }
}
