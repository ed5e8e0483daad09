// Shared by the knob and the viewer: decoding, grey windows, and panels that zoom and pan together.
// Plain browser code: no build step, no library, no network. This file is put before knob.js or viewer.js.

const clamp = (v, lo, hi) => Math.min(hi, Math.max(lo, v));
// The same rounding, the same no-break space and the same two bounds as `percent` in core/explainers/words.py.
const percent = (p) => {
  if (p > 0 && p < 0.0005) return "<\u00a00.1\u00a0%";
  if (p >= 0.9995 && p < 1) return ">\u00a099.9\u00a0%";
  return `${(100 * p).toFixed((p > 0 && p < 0.0995) || (p > 0.99 && p < 1) ? 1 : 0)}\u00a0%`;
};
const signed = (v, digits) => (v < 0 ? "−" : "+") + Math.abs(v).toFixed(digits);

// A base64 picture -> its RGBA bytes, with no colour management on the way: values are data here.
async function decode({ mime, data }) {
  const bytes = Uint8Array.from(atob(data), (c) => c.charCodeAt(0));
  const bitmap = await createImageBitmap(new Blob([bytes], { type: mime }), {
    colorSpaceConversion: "none",
    premultiplyAlpha: "none",
  });
  const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  return context.getImageData(0, 0, canvas.width, canvas.height).data;
}

// Lookup table of `size` entries -> 0..255 for a window (centre, width) given in table steps.
function windowTable(size, centre, width, invert) {
  const table = new Uint8Array(size);
  const low = centre - width / 2;
  for (let i = 0; i < size; i++) {
    const v = clamp(Math.round((255 * (i - low)) / Math.max(width, 1e-6)), 0, 255);
    table[i] = invert ? 255 - v : v;
  }
  return table;
}

// Panels over one field of view. Wheel zooms, left drag pans, right drag changes the window, double click resets.
class Stage {
  constructor(panels, width, height, handlers) {
    this.panels = panels;
    this.width = width;
    this.height = height;
    this.handlers = handlers;
    this.view = { zoom: 1, x: width / 2, y: height / 2 };
    this.films = panels.map((p) => p.querySelector(".film"));
    for (const film of this.films) {
      film.style.width = `${width}px`;
      film.style.height = `${height}px`;
    }
    this.observer = new ResizeObserver(() => this.layout());
    this.observer.observe(panels[0]);
    this.listeners = new AbortController();
    for (const panel of panels) this.listen(panel);
    this.layout();
  }

  listen(panel) {
    const on = (name, f) => panel.addEventListener(name, f, { signal: this.listeners.signal, passive: false });
    let drag = null;
    on("contextmenu", (e) => e.preventDefault());
    on("wheel", (e) => {
      e.preventDefault();
      this.zoom(Math.exp(-clamp(e.deltaY, -120, 120) * 0.002), this.locate(panel, e));
    });
    on("dblclick", () => this.reset());
    on("pointerdown", (e) => {
      drag = { x: e.clientX, y: e.clientY, button: e.button };
      panel.setPointerCapture(e.pointerId);
    });
    on("pointermove", (e) => {
      if (drag) {
        const dx = e.clientX - drag.x;
        const dy = e.clientY - drag.y;
        drag = { ...drag, x: e.clientX, y: e.clientY };
        if (drag.button === 2) this.handlers.window?.(dx, dy);
        else if (this.view.zoom > 1) this.pan(-dx / this.scale, -dy / this.scale);
      }
      this.point(this.locate(panel, e));
    });
    const end = () => (drag = null);
    on("pointerup", end);
    on("pointercancel", end);
    on("pointerleave", () => this.point(null));
    on("keydown", (e) => {
      const step = 40 / this.scale;
      const moves = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step] };
      if (e.key === "+" || e.key === "=") this.zoom(1.25);
      else if (e.key === "-") this.zoom(0.8);
      else if (e.key === "0") this.reset();
      else if (moves[e.key]) this.pan(...moves[e.key]);
      else return;
      e.preventDefault();
    });
  }

  // Pointer event -> position in picture pixels.
  locate(panel, e) {
    const box = panel.getBoundingClientRect();
    return {
      x: this.view.x + (e.clientX - box.left - box.width / 2) / this.scale,
      y: this.view.y + (e.clientY - box.top - box.height / 2) / this.scale,
    };
  }

  zoom(factor, about = { x: this.view.x, y: this.view.y }) {
    const zoom = clamp(this.view.zoom * factor, 1, 12);
    const k = this.view.zoom / zoom;
    this.view = { zoom, x: about.x + (this.view.x - about.x) * k, y: about.y + (this.view.y - about.y) * k };
    this.layout();
  }

  pan(dx, dy) {
    this.view = { ...this.view, x: this.view.x + dx, y: this.view.y + dy };
    this.layout();
  }

  reset() {
    this.view = { zoom: 1, x: this.width / 2, y: this.height / 2 };
    this.handlers.reset?.();
    this.layout();
  }

  layout() {
    const box = this.panels[0].getBoundingClientRect();
    if (!box.width) return;
    this.scale = Math.min(box.width / this.width, box.height / this.height) * this.view.zoom;
    // A picture never leaves its panel: what is larger than the panel may move up to its own border.
    const slackX = Math.max(0, this.width / 2 - box.width / 2 / this.scale);
    const slackY = Math.max(0, this.height / 2 - box.height / 2 / this.scale);
    this.view.x = clamp(this.view.x, this.width / 2 - slackX, this.width / 2 + slackX);
    this.view.y = clamp(this.view.y, this.height / 2 - slackY, this.height / 2 + slackY);
    const tx = box.width / 2 - this.view.x * this.scale;
    const ty = box.height / 2 - this.view.y * this.scale;
    for (const film of this.films) film.style.transform = `translate(${tx}px, ${ty}px) scale(${this.scale})`;
    this.handlers.layout?.(this.view.zoom, this.scale);
  }

  // Show one position in every panel and hand it on for the read-out.
  point(at) {
    const inside = at && at.x >= 0 && at.y >= 0 && at.x < this.width && at.y < this.height;
    const box = this.panels[0].getBoundingClientRect();
    for (const panel of this.panels) {
      const cross = panel.querySelector(".cross");
      cross.hidden = !inside || this.panels.length < 2;
      if (inside) {
        cross.style.left = `${box.width / 2 + (at.x - this.view.x) * this.scale}px`;
        cross.style.top = `${box.height / 2 + (at.y - this.view.y) * this.scale}px`;
      }
    }
    this.handlers.point?.(inside ? { x: Math.floor(at.x), y: Math.floor(at.y) } : null);
  }

  close() {
    this.observer.disconnect();
    this.listeners.abort();
  }
}

// The theme comes as colours only; whether it is a dark one shows in its text.
function followTheme(root) {
  const [r, g, b] = getComputedStyle(root).color.match(/[\d.]+/g).map(Number); // rgb(...), or color(srgb ...) up to 1
  root.classList.toggle("dark", r + g + b > (Math.max(r, g, b) <= 1 ? 1.5 : 383));
}

// A key that should work wherever the focus is, unless somebody is writing.
function typing(e) {
  const at = e.composedPath()[0];
  return e.ctrlKey || e.metaKey || e.altKey || at.isContentEditable || (/^(INPUT|TEXTAREA|SELECT)$/.test(at.tagName) && at.type !== "range");
}
