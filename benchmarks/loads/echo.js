// k6 with WebSockets that echo: URL, VUS and SECONDS come from the environment.
import { WebSocket } from "k6/experimental/websockets";
import { Counter, Trend } from "k6/metrics";

export const options = {
  scenarios: { echo: { executor: "per-vu-iterations", vus: Number(__ENV.VUS), iterations: 1, maxDuration: `${Number(__ENV.SECONDS) + 30}s` } },
};
const messages = new Counter("echoed");
const roundTrip = new Trend("round_trip", true);

export default function () {
  const socket = new WebSocket(__ENV.URL);
  let sent = 0;
  const end = Date.now() + 1000 * Number(__ENV.SECONDS);
  const say = () => { sent = Date.now(); socket.send('{"id": 1, "text": "hello"}'); };
  socket.onopen = say;
  socket.onmessage = () => {
    messages.add(1);
    roundTrip.add(Date.now() - sent);
    if (Date.now() < end) say(); else socket.close();
  };
}
