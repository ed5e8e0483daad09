// The uploaded picture at its full depth: window and level work on the file's own values, here in the browser.
// `data` is made by dashboard/parts/viewer.py, where its fields are described.

class Viewer {
  constructor(root) {
    this.root = root.querySelector(".viewer");
    this.one = (selector) => this.root.querySelector(selector);
    this.show = (name, text) => (this.one(`[data-show="${name}"]`).textContent = text);
    this.listeners = new AbortController();
    const on = (node, name, f) => node.addEventListener(name, f, { signal: this.listeners.signal });
    on(this.root, "click", (e) => this.act(e.target.closest("[data-do]")?.dataset.do));
    on(this.root, "input", (e) => {
      const value = Number(e.target.value);
      if (e.target.dataset.set === "centre") this.setWindow(value, this.window.width);
      else this.setWindow(this.window.centre, value);
    });
    on(document, "keydown", (e) => e.key.toLowerCase() === "i" && !typing(e) && this.act("invert"));
  }

  async update({ data }) {
    followTheme(this.root);
    if (this.data?.key === data.key) return;
    this.data = data;
    this.invert = false;
    const panel = this.one(".panel");
    const canvas = panel.querySelector("canvas");
    canvas.width = data.width;
    canvas.height = data.height;
    this.context = canvas.getContext("2d");
    this.stage?.close();
    this.stage = new Stage([panel], data.width, data.height, {
      window: (dx, dy) => {
        const range = data.high - data.low;
        this.setWindow(this.window.centre - (dy * range) / 500, this.window.width + (dx * range) / 350);
      },
      reset: () => this.setWindow(data.centre, data.span),
      layout: (zoom, scale) => {
        this.show("zoom", `${Math.round(zoom * 100)} %`);
        this.ruler(scale);
      },
      point: (at) => this.point(at),
    });
    const range = data.high - data.low;
    Object.assign(this.one('[data-set="width"]'), { min: range / 200, max: range * 1.2, step: range / 500 });
    Object.assign(this.one('[data-set="centre"]'), { min: data.low, max: data.high, step: range / 500 });
    this.root.querySelectorAll('[data-show="side"]').forEach((n) => (n.hidden = data.modality !== "chest"));
    this.show("facts", data.facts);
    this.setWindow(data.centre, data.span);
    this.pixels = await decode(data.picture);
    this.draw();
  }

  act(action) {
    if (action === "in") this.stage.zoom(1.25);
    else if (action === "out") this.stage.zoom(0.8);
    else if (action === "reset") this.stage.reset();
    else if (action === "full") this.setWindow((this.data.low + this.data.high) / 2, this.data.high - this.data.low);
    else if (action === "invert") this.invert = !this.invert;
    if (action) this.draw();
  }

  setWindow(centre, width) {
    const { low, high } = this.data;
    this.window = { centre: clamp(centre, low, high), width: clamp(width, (high - low) / 200, (high - low) * 1.2) };
    this.one('[data-set="centre"]').value = this.window.centre;
    this.one('[data-set="width"]').value = this.window.width;
    this.draw();
  }

  draw() {
    if (this.queued) return;
    this.queued = true;
    requestAnimationFrame(() => {
      this.queued = false;
      if (!this.closed) this.paint();
    });
  }

  paint() {
    const { data, window } = this;
    const number = (v) => (data.high - data.low > 20 ? v.toFixed(0) : v.toFixed(2));
    this.show("window", `W ${number(window.width)}  L ${number(window.centre)}`);
    this.show("inverted", this.invert ? "Shown inverted" : "");
    this.one('[data-do="invert"]').setAttribute("aria-pressed", this.invert);
    if (!this.pixels) return;
    const size = data.colour ? 256 : 65536;
    const steps = (size - 1) / (data.high - data.low);
    // DICOM PS3.3 C.11.2.1.2.1: the linear window lies half a step lower and is one step narrower than its numbers.
    const centre = window.centre - (data.dicom ? 0.5 : 0);
    const width = Math.max(window.width - (data.dicom ? 1 : 0), 0);
    const table = windowTable(size, (centre - data.low) * steps, width * steps, this.invert !== data.turn);
    const image = this.context.createImageData(data.width, data.height);
    const out = new Uint32Array(image.data.buffer);
    const p = this.pixels;
    for (let i = 0, j = 0; i < out.length; i++, j += 4) {
      if (data.colour) out[i] = 0xff000000 | (table[p[j + 2]] << 16) | (table[p[j + 1]] << 8) | table[p[j]];
      else out[i] = 0xff000000 | (table[(p[j] << 8) | p[j + 1]] * 0x10101);
    }
    this.context.putImageData(image, 0, 0);
    this.root.dataset.ready = "1";
  }

  point(at) {
    if (!at || !this.pixels) return this.show("readout", "");
    const { data, pixels } = this;
    const j = 4 * (at.y * data.width + at.x);
    const value = data.colour
      ? [...pixels.slice(j, j + 3)].join(" ")
      : (data.low + (((pixels[j] << 8) | pixels[j + 1]) / 65535) * (data.high - data.low)).toFixed(data.high - data.low > 20 ? 0 : 3);
    this.show("readout", `x ${Math.round(at.x / data.shrink)}  y ${Math.round(at.y / data.shrink)}   value ${value}`);
  }

  // A ruler only where the file says how large a pixel is.
  ruler(scale) {
    const known = this.data.millimetres; // per shown pixel
    this.one(".br").hidden = !known;
    if (!known) return;
    const length = [200, 100, 50, 20, 10, 5, 2, 1].find((mm) => (mm / known) * scale < 170) ?? 1;
    this.one(".ruler").style.width = `${(length / known) * scale}px`;
    this.show("length", length < 10 ? `${length} mm` : `${length / 10} cm`);
  }

  close() {
    this.closed = true;
    this.listeners.abort();
    this.stage?.close();
  }
}

export default function (component) {
  const parent = component.parentElement;
  parent.viewer ??= new Viewer(parent);
  parent.viewer.update(component);
  return () => {
    parent.viewer?.close();
    delete parent.viewer;
  };
}
