// Node: one loop. node.js --once|--until-eof
const net = require("net");
const once = process.argv.includes("--once");
const server = net.createServer({ allowHalfOpen: true }, (client) => {
  client.on("error", () => client.destroy());
  if (once) client.once("data", (data) => client.end(data)).resume();
  else client.pipe(client);
});
server.listen({ port: 0, host: "127.0.0.1", backlog: 1024 }, () =>
  console.log(`peer listening on 127.0.0.1:${server.address().port}`));
