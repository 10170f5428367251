// The package `oauth2-mock-server` of npm as an issuer: prints where it listens. Beside what it does, `POST /rotate` has it
// go on with another key and without those that it had, and `POST /introspect` says that a token is good that it would
// sign itself.

import http from "node:http";
import { OAuth2Issuer, OAuth2Service } from "oauth2-mock-server";

const algorithm = process.argv[2];
let service;

async function begin(url) {
  const issuer = new OAuth2Issuer();
  issuer.url = url;
  await issuer.keys.generate(algorithm);
  service = new OAuth2Service(issuer);
  service.on("beforeTokenSigning", (token, request) => {
    token.payload.sub = "node-user";
    token.payload.aud = "shop";
    token.payload.realm_access = { roles: [request.body.scope] };
  });
  service.on("beforeIntrospect", (response, request) => {
    response.body = request.token.startsWith("opaque-")
      ? { active: true, username: "node-user", scope: "read write", aud: "shop", realm_access: { roles: ["buyer"] } }
      : { active: false };
  });
}

const server = http.createServer(async (request, response) => {
  if (request.url === "/rotate") {
    await begin(service.issuer.url);
    response.end();
  } else {
    if (request.url === "/introspect") {
      // The package does not read what it is asked about.
      const form = Buffer.concat(await request.toArray()).toString();
      request.token = new URLSearchParams(form).get("token");
    }
    service.requestHandler(request, response);
  }
});
server.listen(0, "127.0.0.1", async () => {
  const { port } = server.address();
  await begin(`http://127.0.0.1:${port}`);
  console.log(`listening 127.0.0.1:${port}`);
});
