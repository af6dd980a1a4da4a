// k6 with the GET journey: URL, VUS and SECONDS come from the environment.
import http from "k6/http";

export const options = { vus: Number(__ENV.VUS), duration: `${__ENV.SECONDS}s` };

export default function () {
  http.get(__ENV.URL);
}
