// The package `soap` of npm, generated from the WSDL that the gateway at the given URL serves: SOAP 1.1 and 1.2.

import assert from "node:assert/strict";
import soap from "soap";

const gateway = process.argv[2];

async function callEverything(forceSoap12Headers) {
  const client = await soap.createClientAsync(`${gateway}/soap/echo.v1.Echo?wsdl`, { forceSoap12Headers });
  const port = client.Echo[forceSoap12Headers ? "EchoSoap12" : "EchoSoap11"];
  const call = (method, request) =>
    new Promise((resolve, reject) =>
      port[method](request, (error, answer) => (error ? reject(error) : resolve(answer))),
    );
  const request = {
    double: 1.5,
    int32: -1,
    int64: "9007199254740993",
    bool: true,
    string: "a <b> & é",
    bytes: "AP8=",
    colour: "RED",
    child: { string: "c", child: { int32: 1 } },
    strings: ["a", "b"],
    children: [{ string: "1" }, { string: "2" }],
    byString: { entry: [{ key: "k", value: "v" }] },
    choiceString: "x",
    timestamp: "2026-01-05T09:00:00Z",
    duration: "1.500s",
    struct: { entry: [{ key: "n", value: { attributes: { kind: "number" }, $value: "1.5" } }] },
    empty: {},
    int64Value: "0",
    stringValues: ["a", "b"],
    _x0040_own: "own",
  };
  const answer = await call("Echo", request);
  assert.equal(answer.double, 1.5);
  assert.equal(answer.int32, -1);
  assert.equal(String(answer.int64).slice(0, 12), "900719925474");
  assert.equal(answer.bool, true);
  assert.equal(answer.string, "a <b> & é");
  assert.equal(answer.bytes, "AP8=");
  assert.equal(answer.colour, "RED");
  assert.equal(answer.child.child.int32, 1);
  assert.deepEqual(answer.strings, ["a", "b"]);
  assert.deepEqual(answer.children.map((child) => child.string), ["1", "2"]);
  assert.deepEqual({ ...answer.byString.entry[0] }, { key: "k", value: "v" });
  assert.equal(answer.choiceString, "x");
  assert.equal(answer.timestamp.toISOString(), "2026-01-05T09:00:00.000Z");
  assert.equal(answer.duration, "1.500s");
  assert.equal(answer.struct.entry[0].value.$value, "1.5");
  assert.equal(answer.struct.entry[0].value.attributes.kind, "number");
  assert.deepEqual(answer.stringValues, ["a", "b"]);
  assert.equal(answer._x0040_own, "own");

  await assert.rejects(call("Fail", { status: { code: 5, message: "Not there." } }), (error) => {
    const fault = error.root.Envelope.Body.Fault;
    const status = forceSoap12Headers ? fault.Detail.Status : fault.detail.Status;
    assert.equal(Number(status.code), 5);
    assert.equal(status.message, "Not there.");
    return true;
  });

  const streams = await soap.createClientAsync(`${gateway}/soap/echo.v1.Streams?wsdl`, { forceSoap12Headers });
  const [items] = await streams.WatchAsync({ id: `npm-${forceSoap12Headers}`, count: 2, size: 1 });
  assert.deepEqual(items.item.map((item) => [Number(item.number), item.text]), [[1, "x"], [2, "x"]]);
}

await callEverything(false);
await callEverything(true);
