// A request over HTTP/2, which Node verifies with its own roots and those that it is given.
const http2 = require("node:http2");
const tls = require("node:tls");

const socket = tls.connect({ host: "127.0.0.1", port: Number(process.argv[2]), servername: "api.test", ALPNProtocols: ["h2"] }, () => {
  const session = http2.connect("https://api.test", { createConnection: () => socket });
  const request = session.request({ ":path": "/" });
  let body = "";
  request.setEncoding("utf8");
  request.on("data", (chunk) => (body += chunk));
  request.on("end", () => {
    console.log(socket.alpnProtocol, body);
    session.close();
  });
});
