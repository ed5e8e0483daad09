// The grid of masks and its large view. `data` is made by dashboard/parts/masks.py, where its fields are described.
// Clicking a cell sends the event "cell"; releasing the threshold sends "cut". The outline follows the slider at once;
// what the classifier says of the new region comes from the server.

const choice = { mode: "outline", opacity: 0.65 }; // outlives one grid
const LINE = [255, 176, 46];

class Masks {
  constructor(root) {
    this.root = root.querySelector(".masks");
    this.one = (selector) => this.root.querySelector(selector);
    this.show = (name, text) => this.root.querySelectorAll(`[data-show="${name}"]`).forEach((n) => (n.textContent = text));
    this.pictures = new Map(); // base64 -> pixels
    this.listeners = new AbortController();
    const on = (node, name, f) => node.addEventListener(name, f, { signal: this.listeners.signal });
    for (const button of this.root.querySelectorAll("[data-mode]")) on(button, "click", () => this.mode(button.dataset.mode));
    const opacity = this.one('[data-set="opacity"]');
    on(opacity, "input", () => {
      choice.opacity = Number(opacity.value);
      this.draw();
    });
    const cut = this.one('[data-set="threshold"]');
    on(cut, "input", () => {
      this.threshold = Number(cut.value);
      this.large();
    });
    on(cut, "change", () => this.send("cut", [this.data.detail.cell, Number(cut.value)]));
    on(document, "keydown", (e) => {
      const mode = { o: "outline", h: "heat", m: "none" }[e.key.toLowerCase()];
      if (!mode || typing(e)) return;
      this.mode(choice.mode === mode && mode === "none" ? "outline" : mode);
      e.preventDefault();
    });
  }

  async update({ data, setTriggerValue }) {
    this.send = setTriggerValue; // events, not states: the same cell can be clicked twice
    followTheme(this.root);
    this.data = data;
    this.one('[data-set="opacity"]').value = choice.opacity;
    const colours = this.one(".key canvas").getContext("2d");
    for (let i = 0; i < 128; i++) {
      colours.fillStyle = `rgb(${data.colours[2 * i].join()})`;
      colours.fillRect(i, 0, 1, 1);
    }
    // Everything is decoded before anything is drawn, so that no cell is blank for a moment.
    const pngs = Object.values(data.cells).flatMap((c) => [c.mask, c.fill]);
    if (data.detail) pngs.push(data.detail.mask, ...data.detail.fills.map((f) => f.data));
    const [picture] = await Promise.all([this.pixels(data.picture.data, data.picture.mime), ...pngs.map((p) => this.pixels(p))]);
    if (this.data !== data || this.closed) return;
    this.picture = picture;
    const used = new Set([data.picture.data, ...pngs]);
    for (const known of this.pictures.keys()) if (!used.has(known)) this.pictures.delete(known);
    this.build();
    await this.draw();
    if (this.data !== data || this.closed) return;
    this.root.dataset.ready = data.key;
  }

  // RGBA bytes of a picture, decoded once and kept as long as it is shown.
  pixels(data, mime = "image/png") {
    if (!this.pictures.has(data)) this.pictures.set(data, decode({ mime, data }));
    return this.pictures.get(data);
  }

  build() {
    const { rows, columns, cells, states = {}, chosen } = this.data;
    const grid = this.one(".grid");
    const focus = this.root.getRootNode().activeElement?.dataset?.cell;
    grid.style.gridTemplateColumns = `minmax(92px, 124px) repeat(${columns.length}, minmax(0, 1fr))`;
    const nodes = [element("div", "head wide", "")];
    for (const column of columns) nodes.push(element("div", "head", column.title));
    for (const row of rows) {
      const name = element("div", "name", row.title);
      name.append(element("small", "", row.question));
      nodes.push(name);
      for (const column of columns) nodes.push(this.cell(`${row.key}|${column.key}`, row, column, cells, states, chosen));
    }
    grid.replaceChildren(...nodes);
    if (focus) grid.querySelector(`[data-cell="${focus}"]`)?.focus();
  }

  cell(name, row, column, cells, states, chosen) {
    const found = cells[name];
    const button = element("button", "cell");
    button.dataset.cell = name;
    const title = `${row.title}, ${column.title}`;
    if (found) {
      const pair = element("div", "pair");
      pair.append(document.createElement("canvas"), document.createElement("canvas"));
      const line = element("div", "line");
      line.append(element("b", "", `${percent(this.data.query)} → ${percent(found.after)}`));
      line.append(element("i", "", found.sufficient ? (found.succeeded ? "kept" : "lost") : found.succeeded ? "flipped" : "stays"));
      button.append(pair, line);
      button.title = button.ariaLabel = `${title}: ${found.say}`;
    } else {
      const state = states[name];
      button.classList.add("empty");
      if (state) button.classList.add(state.kind);
      button.textContent = state ? state.text : "compute";
      button.title = button.ariaLabel = `${title}: ${state ? state.text : "not computed; click to compute"}`;
    }
    if (name === chosen) {
      button.classList.add("on");
      button.setAttribute("aria-current", "true");
    }
    button.addEventListener("click", () => this.send("cell", name));
    return button;
  }

  mode(mode) {
    choice.mode = mode;
    this.draw();
  }

  async draw() {
    const { data } = this;
    for (const b of this.root.querySelectorAll("[data-mode]")) b.setAttribute("aria-pressed", b.dataset.mode === choice.mode);
    for (const [name, found] of Object.entries(data.cells)) {
      const canvases = this.root.querySelectorAll(`[data-cell="${name}"] canvas`);
      if (canvases.length < 2) continue;
      const mask = await this.pixels(found.mask);
      if (this.closed || this.data !== data) return;
      this.paint(canvases[0], 176, mask, found.threshold);
      await this.plain(canvases[1], found.fill);
    }
    await this.large();
  }

  // The picture with a mask over it, as outline or heat, on a canvas of about `side` pixels.
  paint(canvas, side, mask, threshold) {
    const { data } = this;
    const shrink = Math.min(1, side / Math.max(data.width, data.height));
    const width = Math.round(data.width * shrink);
    const height = Math.round(data.height * shrink);
    const source = new OffscreenCanvas(data.width, data.height);
    source.getContext("2d").putImageData(new ImageData(new Uint8ClampedArray(this.picture), data.width, data.height), 0, 0);
    canvas.width = width;
    canvas.height = height;
    canvas.style.aspectRatio = `${width} / ${height}`;
    const context = canvas.getContext("2d");
    context.imageSmoothingQuality = "high";
    context.drawImage(source, 0, 0, width, height);
    if (choice.mode === "none") return;
    const image = context.getImageData(0, 0, width, height);
    const values = enlarge(mask, data.size, width, height);
    const out = image.data;
    if (choice.mode === "heat") {
      for (let i = 0; i < values.length; i++) {
        const colour = data.colours[Math.round(255 * values[i])];
        for (let c = 0; c < 3; c++) out[4 * i + c] += choice.opacity * (colour[c] - out[4 * i + c]);
      }
    }
    const thick = Math.max(1, Math.round(width / 190));
    const edges = outline(values, width, height, threshold, thick + 1);
    const line = outline(values, width, height, threshold, thick);
    for (let i = 0; i < values.length; i++) {
      if (!edges[i]) continue;
      for (let c = 0; c < 3; c++) out[4 * i + c] = line[i] ? LINE[c] : out[4 * i + c] * 0.35;
    }
    context.putImageData(image, 0, 0);
  }

  async plain(canvas, png) {
    const pixels = await this.pixels(png);
    const side = this.data.size;
    canvas.width = canvas.height = side;
    canvas.getContext("2d").putImageData(new ImageData(new Uint8ClampedArray(pixels), side, side), 0, 0);
  }

  async large() {
    const { detail } = this.data;
    this.one(".large").hidden = !detail;
    if (!detail) return;
    const mask = await this.pixels(detail.mask);
    if (this.closed || this.data.detail !== detail) return;
    // The same cell comes again with every other cell that is finished; a slider that is held stays where it is.
    const shown = `${this.data.key} ${detail.cell} ${detail.threshold}`;
    const fresh = this.shown !== shown;
    if (fresh) {
      this.shown = shown;
      this.threshold = detail.threshold;
      this.one('[data-set="threshold"]').value = detail.threshold;
    }
    this.paint(this.one('[data-canvas="large"]'), 512, mask, this.threshold);
    const share = this.threshold === detail.threshold ? detail.area : covered(mask, this.threshold);
    this.show("threshold", this.threshold.toFixed(2));
    this.show("area", `The region covers ${percent(share)} of the picture at this threshold.`);
    this.one('[data-show="side"]').hidden = this.data.modality !== "chest";
    this.one('[data-canvas="large"]').setAttribute("aria-label", `${detail.title}: ${detail.stop}`);
    if (!fresh) return;
    this.show("title", detail.title);
    this.show("stop", `${detail.stop[0].toUpperCase()}${detail.stop.slice(1)}.`);
    this.show("steps", detail.steps);
    const one = detail.fills.length === 1;
    this.show(
      "fills",
      `What the classifier saw, ${this.data.size} × ${this.data.size} pixels: ${detail.hides} filled in` +
        (one ? "; this infill knows one answer for a hole." : `, ${detail.fills.length} samples of the infill.`),
    );
    const figures = detail.fills.map(() => {
      const figure = element("figure", "");
      figure.append(document.createElement("canvas"), element("figcaption", ""));
      return figure;
    });
    this.one(".samples").replaceChildren(...figures);
    detail.fills.forEach((sample, i) => {
      const caption = figures[i].querySelector("figcaption");
      caption.append(`${this.data.target} `, element("b", "", percent(sample.p)));
      this.plain(figures[i].querySelector("canvas"), sample.data);
    });
    this.trace(detail);
    this.one(".ladder").hidden = !detail.ladder.length;
    this.one(".ladder tbody").replaceChildren(
      ...detail.ladder.map(([area, p]) => {
        const tr = document.createElement("tr");
        tr.append(element("td", "", `${percent(area)} of the picture`), element("td", "", percent(p)));
        return tr;
      }),
    );
  }

  trace(detail) {
    const svg = this.one(".trace");
    const v = detail.trace;
    const low = Math.min(...v);
    const high = Math.max(...v);
    const x = (i) => 34 + (222 * i) / Math.max(1, v.length - 1);
    const y = (t) => 8 + 68 * (1 - (t - low) / Math.max(1e-9, high - low));
    const path = v.map((t, i) => `${i ? "L" : "M"}${x(i).toFixed(1)} ${y(t).toFixed(1)}`).join("");
    const number = (t) => (Math.abs(t) < 10 ? t.toFixed(2) : t.toFixed(0));
    svg.innerHTML =
      `<path class="axis" d="M34 8V78H256"/><path d="${path}"/>` +
      `<text x="30" y="14" text-anchor="end">${number(high)}</text><text x="30" y="79" text-anchor="end">${number(low)}</text>` +
      `<text x="34" y="92">0</text><text x="256" y="92" text-anchor="end">${detail.steps}</text>`;
  }

  close() {
    this.closed = true;
    this.listeners.abort();
  }
}

function element(tag, name, text) {
  const node = document.createElement(tag);
  if (name) node.className = name;
  if (text !== undefined) node.textContent = text;
  return node;
}

// A mask of side `size` (grey bytes in RGBA) -> bilinear values in [0, 1] at width x height.
function enlarge(mask, size, width, height) {
  const values = new Float32Array(width * height);
  for (let j = 0; j < height; j++) {
    const v = clamp(((j + 0.5) * size) / height - 0.5, 0, size - 1);
    const y = Math.min(size - 2, Math.floor(v));
    const fy = v - y;
    for (let i = 0; i < width; i++) {
      const u = clamp(((i + 0.5) * size) / width - 0.5, 0, size - 1);
      const x = Math.min(size - 2, Math.floor(u));
      const fx = u - x;
      const at = 4 * (y * size + x);
      const top = mask[at] * (1 - fx) + mask[at + 4] * fx;
      const bottom = mask[at + 4 * size] * (1 - fx) + mask[at + 4 * size + 4] * fx;
      values[j * width + i] = (top * (1 - fy) + bottom * fy) / 255;
    }
  }
  return values;
}

// 1 where a pixel lies within `thick` of the border of {value > threshold}.
function outline(values, width, height, threshold, thick) {
  const found = new Uint8Array(values.length);
  const inside = (i) => values[i] > threshold;
  for (let j = 0; j < height; j++) {
    for (let i = 0; i < width; i++) {
      const at = j * width + i;
      const border =
        (i + 1 < width && inside(at) !== inside(at + 1)) || (j + 1 < height && inside(at) !== inside(at + width));
      if (!border) continue;
      for (let dy = 1 - thick; dy <= thick; dy++) {
        for (let dx = 1 - thick; dx <= thick; dx++) {
          const x = i + dx;
          const y = j + dy;
          if (x >= 0 && y >= 0 && x < width && y < height) found[y * width + x] = 1;
        }
      }
    }
  }
  return found;
}

function covered(mask, threshold) {
  let count = 0;
  for (let i = 0; i < mask.length; i += 4) if (mask[i] / 255 > threshold) count++;
  return count / (mask.length / 4);
}

export default function (component) {
  const parent = component.parentElement;
  parent.masks ??= new Masks(parent);
  parent.masks.update(component);
  return () => {
    parent.masks?.close();
    delete parent.masks;
  };
}
