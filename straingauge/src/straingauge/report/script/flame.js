// A flame graph: the root on top, the width of a frame in proportion to its samples.

const FRAME_HEIGHT = 20;
const LEAST_WIDTH = 0.0015; // of the graph: about one pixel

// A tree of frames. Unless `libraries`, those between two of the service's own frames are one.
function flameTree(data, state, libraries) {
  const root = flameNode("all");
  for (const [thread, samples, ...stack] of data.states[state]) {
    let node = root;
    node.value += samples;
    const frames = stack.map((index) => data.frames[index]);
    const path = data.threads.length > 1 ? [[data.threads[thread]]] : [];
    for (const [label, file = "", line = 0, own = false] of [...path, ...(libraries ? frames : folded(frames))]) {
      const key = `${label}\n${file}`;
      if (!node.children.has(key)) node.children.set(key, flameNode(label, file, own, node));
      node = node.children.get(key);
      node.value += samples;
      if (line) node.lines.set(line, (node.lines.get(line) || 0) + samples);
    }
    node.self += samples;
  }
  return root;
}

function flameNode(label, file = "", own = false, parent = null) {
  return { label, file, own, parent, value: 0, self: 0, lines: new Map(), children: new Map() };
}

// Frames of libraries before one of the service's own, in one; those that it calls stay.
function folded(frames) {
  const path = [];
  let between = [];
  for (const frame of frames) {
    between.push(frame);
    if (!frame[3]) continue;
    between.pop();
    const packages = [...new Set(between.map(([, file]) => file.split("/")[0].replace(/\.py$/, "")))];
    path.push(...(between.length > 1 ? [[`${packages.slice(-2).join(", ")} …`]] : between), frame);
    between = [];
  }
  return [...path, ...between];
}

class FlameGraph {
  constructor(element, data) {
    this.element = element;
    this.data = data;
    this.frames = element.querySelector(".flame-frames");
    this.readout = element.querySelector(".flame-readout");
    this.search = element.querySelector(".flame-search");
    this.state = element.querySelector(".flame-state");
    this.libraries = element.querySelector(".flame-libraries");
    this.state.addEventListener("change", () => this.build());
    this.libraries.addEventListener("change", () => this.build());
    this.search.addEventListener("input", () => this.draw());
    element.querySelector(".flame-reset").addEventListener("click", () => this.zoom(this.root));
    this.frames.addEventListener("click", (event) => this.nodeOf(event) && this.zoom(this.nodeOf(event)));
    for (const kind of ["mouseover", "focusin"]) {
      this.frames.addEventListener(kind, (event) => this.nodeOf(event) && this.describe(this.nodeOf(event)));
    }
    this.frames.addEventListener("keydown", (event) => this.move(event));
    element.hidden = false;
    this.build();
  }

  build() {
    this.root = flameTree(this.data, this.state.value, this.libraries.checked);
    this.zoomed = this.root;
    this.draw();
  }

  zoom(node) {
    this.zoomed = node;
    this.draw();
    this.drawn.get(node).focus();
  }

  draw() {
    this.drawn = new Map();
    this.nodes = new Map();
    const above = [];
    for (let node = this.zoomed.parent; node; node = node.parent) above.unshift(node);
    above.forEach((node, depth) => this.add(node, depth, 0, 1, "above"));
    this.depth = above.length;
    this.place(this.zoomed, above.length, 0, 1);
    this.frames.replaceChildren(...this.drawn.values());
    this.frames.style.height = `${(this.depth + 1) * FRAME_HEIGHT}px`;
    this.drawn.get(this.zoomed).tabIndex = 0;
    this.describe(this.zoomed);
    const words = this.search.value.trim();
    if (words) {
      const { functions, samples } = this.matches(this.root);
      this.readout.textContent = `${functions} ${functions === 1 ? "match" : "matches"}, ${share(samples, this.root)} of all samples`;
    }
  }

  place(node, depth, left, width) {
    this.depth = Math.max(this.depth, depth);
    this.add(node, depth, left, width, "");
    let at = left;
    for (const child of sorted(node)) {
      const part = (width * child.value) / node.value;
      if (part >= LEAST_WIDTH) this.place(child, depth + 1, at, part);
      at += part;
    }
  }

  add(node, depth, left, width, kind) {
    const frame = document.createElement("button");
    const words = this.search.value.trim();
    const found = words && this.isMatch(node);
    frame.type = "button";
    frame.className = ["frame", node.own && "own", kind, found && "match", words && !found && "other"].filter(Boolean).join(" ");
    frame.style.cssText = `left: ${100 * left}%; width: ${100 * width}%; top: ${depth * FRAME_HEIGHT}px`;
    frame.tabIndex = -1;
    frame.textContent = node.label;
    frame.title = this.words(node);
    frame.setAttribute("role", "treeitem");
    frame.setAttribute("aria-level", depth + 1);
    frame.setAttribute("aria-label", this.words(node));
    if (node === this.zoomed) frame.setAttribute("aria-current", "true");
    this.drawn.set(node, frame);
    this.nodes.set(frame, node);
  }

  words(node) {
    const line = [...node.lines].sort((a, b) => b[1] - a[1])[0];
    const place = node.file ? ` at ${node.file}${line ? `:${line[0]}` : ""}` : "";
    return `${node.label}${place}: ${share(node.value, this.root)} of ${this.root.value.toLocaleString("en")} samples, ${share(node.self, this.root)} itself`;
  }

  describe(node) {
    this.readout.textContent = this.words(node);
  }

  isMatch(node) {
    const words = this.search.value.trim().toLowerCase();
    return node !== this.root && `${node.label} ${node.file}`.toLowerCase().includes(words);
  }

  // Samples of a frame below a match are part of the match.
  matches(node) {
    const below = [...node.children.values()].map((child) => this.matches(child));
    const functions = below.reduce((sum, each) => sum + each.functions, 0);
    if (this.isMatch(node)) return { functions: functions + 1, samples: node.value };
    return { functions, samples: below.reduce((sum, each) => sum + each.samples, 0) };
  }

  nodeOf(event) {
    return this.nodes.get(event.target.closest(".frame"));
  }

  move(event) {
    const node = this.nodeOf(event);
    if (!node) return;
    const beside = node.parent ? sorted(node.parent).filter((each) => this.drawn.has(each)) : [node];
    const to = {
      ArrowDown: () => sorted(node).find((each) => this.drawn.has(each)),
      ArrowUp: () => node.parent,
      ArrowLeft: () => beside[beside.indexOf(node) - 1],
      ArrowRight: () => beside[beside.indexOf(node) + 1],
      Home: () => this.root,
    }[event.key];
    if (to) {
      event.preventDefault();
      const frame = this.drawn.get(to());
      if (frame) frame.focus();
    }
    if (event.key === "Escape") this.zoom(this.zoomed.parent || this.root);
  }
}

function sorted(node) {
  return [...node.children.values()].sort((a, b) => b.value - a.value);
}

function share(samples, root) {
  const percent = (100 * samples) / root.value;
  return `${percent.toFixed(percent < 10 && percent > 0 ? 1 : 0)}%`;
}

for (const element of document.querySelectorAll(".flame")) {
  new FlameGraph(element, runs[element.dataset.run].flame_graph);
}
