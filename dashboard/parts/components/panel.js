// Maps of every baseline and attribution, on one symmetric scale. `data` is made by dashboard/parts/panel.py, where its
// fields are described. Choosing a map sends the event "cell".

const wish = { overlay: true, hide: false }; // outlives one panel

class Panel {
  constructor(root) {
    this.root = root.querySelector(".panel-grid");
    this.one = (selector) => this.root.querySelector(selector);
    this.show = (name, text) => this.root.querySelectorAll(`[data-show="${name}"]`).forEach((n) => (n.textContent = text));
    this.pictures = new Map();
    this.listeners = new AbortController();
    const on = (node, name, f) => node.addEventListener(name, f, { signal: this.listeners.signal });
    for (const button of this.root.querySelectorAll("[data-do]")) on(button, "click", () => this.toggle(button.dataset.do));
    on(document, "keydown", (e) => {
      const what = { o: "overlay", m: "hide" }[e.key.toLowerCase()];
      if (!what || typing(e)) return;
      this.toggle(what);
      e.preventDefault();
    });
  }

  async update({ data, setTriggerValue }) {
    this.send = setTriggerValue; // an event, not a state: the same map can be chosen twice
    followTheme(this.root);
    this.data = data;
    const key = this.one(".key canvas").getContext("2d");
    for (let i = 1; i < 256; i++) {
      key.fillStyle = `rgb(${data.colours[i].join()})`;
      key.fillRect(i - 1, 0, 1, 1);
    }
    this.show("low", `−${data.limit}`);
    this.show("high", `+${data.limit}`);
    this.show("unit", data.unit);
    this.build();
    await this.draw();
    if (this.data === data && !this.closed) this.root.dataset.ready = data.key;
  }

  async pixels(data, mime = "image/png") {
    if (!this.pictures.has(data)) this.pictures.set(data, await decode({ mime, data }));
    return this.pictures.get(data);
  }

  build() {
    const { rows, columns, cells, chosen } = this.data;
    const focus = this.root.getRootNode().activeElement?.dataset?.cell;
    const grid = this.one(".grid");
    grid.style.gridTemplateColumns = `minmax(88px, 120px) minmax(0, 1fr) repeat(${columns.length}, minmax(0, 1fr))`;
    const nodes = [node("div", "head", ""), node("div", "head", "Baseline")];
    for (const column of columns) nodes.push(node("div", "head", column.title));
    for (const row of rows) {
      const name = node("div", "name", row.title);
      name.append(node("small", "", row.about));
      nodes.push(name);
      if (row.fault) {
        const fault = node("div", "tile none", row.fault);
        fault.style.gridColumn = `span ${columns.length + 1}`;
        nodes.push(fault);
        continue;
      }
      const tile = node("div", "tile");
      const canvas = document.createElement("canvas");
      canvas.dataset.baseline = row.key;
      tile.append(canvas, node("div", "line says", row.says));
      tile.title = row.says;
      nodes.push(tile);
      for (const column of columns) {
        const id = `${row.key}|${column.key}`;
        const button = node("button", "tile");
        button.dataset.cell = id;
        button.append(document.createElement("canvas"), node("div", "line soft", cells[id].note));
        button.title = button.ariaLabel = `${column.title} against ${row.title}: ${cells[id].say}`;
        if (id === chosen) {
          button.classList.add("on");
          button.setAttribute("aria-current", "true");
        }
        button.addEventListener("click", () => this.send("cell", id));
        nodes.push(button);
      }
    }
    grid.replaceChildren(...nodes);
    if (focus) grid.querySelector(`[data-cell="${focus}"]`)?.focus();
  }

  toggle(what) {
    wish[what] = !wish[what];
    this.draw();
  }

  async draw() {
    const { data } = this;
    for (const b of this.root.querySelectorAll("[data-do]")) b.setAttribute("aria-pressed", wish[b.dataset.do]);
    const base = await this.pixels(data.picture);
    for (const row of data.rows) {
      if (row.fault) continue;
      const picture = await this.pixels(row.picture);
      if (this.closed || this.data !== data) return;
      this.put(this.one(`[data-baseline="${row.key}"]`), picture);
    }
    for (const [id, cell] of Object.entries(data.cells)) {
      const canvas = this.one(`[data-cell="${id}"] canvas`);
      const map = await this.pixels(cell.map);
      if (this.closed || this.data !== data) return;
      if (canvas) this.put(canvas, this.blend(base, map));
    }
  }

  // A map's code 128 + 127 v / limit as a colour, over the picture as far as v is strong.
  blend(base, map) {
    if (wish.hide) return base;
    const out = new Uint8ClampedArray(base.length);
    for (let i = 0; i < base.length; i += 4) {
      const colour = this.data.colours[map[i]];
      const strength = wish.overlay ? Math.min(1, Math.abs(map[i] - 128) / 60) : 1;
      for (let c = 0; c < 3; c++) out[i + c] = wish.overlay ? base[i + c] * 0.45 * (1 - strength) + colour[c] * strength : colour[c];
      out[i + 3] = 255;
    }
    return out;
  }

  put(canvas, pixels) {
    const side = this.data.size;
    canvas.width = canvas.height = side;
    canvas.getContext("2d").putImageData(new ImageData(new Uint8ClampedArray(pixels), side, side), 0, 0);
  }

  close() {
    this.closed = true;
    this.listeners.abort();
  }
}

function node(tag, name, text) {
  const made = document.createElement(tag);
  if (name) made.className = name;
  if (text !== undefined) made.textContent = text;
  return made;
}

export default function (component) {
  const parent = component.parentElement;
  parent.panel ??= new Panel(parent);
  parent.panel.update(component);
  return () => {
    parent.panel?.close();
    delete parent.panel;
  };
}
