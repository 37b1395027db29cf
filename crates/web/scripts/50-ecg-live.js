// <ecg-live src="/bays/BAY/ecg">: the running ECG on a canvas, 25 mm/s and 10 mm/mV, over a WebSocket.
// Text messages are JSON: {"leads":["I",…],"fs":500,"nv":2500} before samples (nv = nanovolts per unit),
// {"state":"waiting"|"contact"|"running"|"lost","off":["V1"]}, {"rate":77}, {"gap":n} (n samples lost).
// Binary messages are little-endian 16-bit samples, lead after lead for each instant.
"use strict";

customElements.define("ecg-live", class extends HTMLElement {
  static get mm() { return 96 / 25.4; }
  static get stale() { return 2000; }

  connectedCallback() {
    this.canvas = this.querySelector("canvas");
    this.words = this.querySelector(".ecg-state");
    this.rate = this.querySelector(".ecg-rate");
    if (!this.canvas || !this.words) return;
    this.state = "waiting";
    this.leads = [];
    this.queue = [];
    this.pen = this.canvas.getContext("2d");
    this.size();
    this.onResize = () => { this.size(); };
    window.addEventListener("resize", this.onResize);
    const freeze = this.querySelector("[data-freeze]");
    if (freeze) freeze.addEventListener("click", () => this.freeze(freeze));
    this.open();
    this.watch = setInterval(() => this.look(), 250);
    this.frame = requestAnimationFrame(() => this.draw());
  }

  disconnectedCallback() {
    this.closed = true;
    clearInterval(this.watch);
    clearTimeout(this.again);
    cancelAnimationFrame(this.frame);
    window.removeEventListener("resize", this.onResize);
    if (this.socket) this.socket.close();
  }

  open() {
    const address = new URL(this.getAttribute("src"), location.href);
    address.protocol = location.protocol === "https:" ? "wss:" : "ws:";
    this.socket = new WebSocket(address.href);
    this.socket.binaryType = "arraybuffer";
    this.socket.onmessage = (message) => this.take(message.data);
    this.socket.onclose = () => {
      if (this.closed) return;
      this.show("lost");
      this.again = setTimeout(() => this.open(), 2000);
    };
  }

  take(data) {
    if (typeof data === "string") return this.order(data);
    this.heard = performance.now();
    if (this.leads.length === 0) return;
    if (this.state === "waiting" || this.state === "lost") this.show("running");
    const view = new DataView(data);
    const count = Math.floor(view.byteLength / 2 / this.leads.length);
    for (let n = 0; n < count; n += 1) {
      const instant = new Array(this.leads.length);
      for (let lead = 0; lead < this.leads.length; lead += 1) {
        instant[lead] = view.getInt16(2 * (n * this.leads.length + lead), true);
      }
      this.queue.push(instant);
    }
    // A tab in the background draws nothing; what is older than a screen is not drawn later either.
    const most = this.samplesAcross || 5000;
    if (this.queue.length > most) this.queue.splice(0, this.queue.length - most);
  }

  order(text) {
    let told;
    try { told = JSON.parse(text); } catch (fault) { return; }
    if (Array.isArray(told.leads)) {
      this.leads = told.leads;
      this.fs = told.fs;
      this.nv = told.nv;
      this.queue = [];
      this.size();
    }
    if (told.state) this.show(told.state, told.off);
    if (told.gap) for (let n = 0; n < Math.min(told.gap, 5000); n += 1) this.queue.push(null);
    if (this.rate && "rate" in told) this.rate.textContent = told.rate === null ? "—" : String(told.rate);
  }

  show(state, off) {
    if (this.state === "frozen" && state !== "lost") { this.under = state; return; }
    this.state = state;
    this.dataset.state = state;
    const words = this.getAttribute(`word-${state}`) || state;
    const told = off && off.length ? `${words} ${off.join(" ")}` : words;
    if (this.words.textContent !== told) this.words.textContent = told;
  }

  freeze(button) {
    const frozen = this.state === "frozen";
    button.setAttribute("aria-pressed", String(!frozen));
    if (frozen) {
      this.state = "waiting";
      this.show(this.under || "running");
    } else {
      this.under = this.state;
      this.show("frozen");
    }
  }

  look() {
    const silent = this.heard !== undefined && performance.now() - this.heard > this.constructor.stale;
    this.classList.toggle("stale", silent || this.state === "lost");
    if (silent && this.state === "running") this.show("lost");
  }

  size() {
    const ratio = window.devicePixelRatio || 1;
    const box = this.canvas.getBoundingClientRect();
    if (box.width === 0) return;
    const width = Math.round(box.width * ratio);
    const height = Math.round(box.height * ratio);
    if (this.canvas.width !== width) this.canvas.width = width;
    if (this.canvas.height !== height) this.canvas.height = height;
    this.ratio = ratio;
    this.columns = this.leads.length > 6 && box.width > 700 ? 2 : 1;
    this.rows = Math.max(1, Math.ceil(Math.max(1, this.leads.length) / this.columns));
    this.samplesAcross = this.fs ? Math.floor(box.width / this.columns / (25 * this.constructor.mm) * this.fs) : 0;
    this.at = 0;
    this.previous = null;
    this.pen.clearRect(0, 0, width, height);
    this.label();
  }

  label() {
    const pen = this.pen;
    pen.save();
    pen.scale(this.ratio, this.ratio);
    pen.fillStyle = "#13262d";
    pen.font = "600 14px sans-serif";
    this.leads.forEach((name, lead) => {
      const place = this.place(lead);
      pen.fillText(name, place.x + 4, place.top + 14);
    });
    pen.restore();
  }

  place(lead) {
    const width = this.canvas.width / this.ratio / this.columns;
    const height = this.canvas.height / this.ratio / this.rows;
    const column = Math.floor(lead / this.rows);
    const row = lead % this.rows;
    return { x: column * width, top: row * height, middle: (row + 0.5) * height, width, height };
  }

  draw() {
    this.frame = requestAnimationFrame(() => this.draw());
    if (!this.samplesAcross || this.state === "frozen" || this.queue.length === 0) return;
    const step = 25 * this.constructor.mm / this.fs;
    const perUnit = this.nv / 1e6 * 10 * this.constructor.mm;
    const fresh = this.queue.splice(0, this.queue.length);
    const pen = this.pen;
    pen.save();
    pen.scale(this.ratio, this.ratio);
    pen.strokeStyle = "#10202a";
    pen.lineWidth = 1.3;
    pen.lineJoin = "round";
    let index = 0;
    while (index < fresh.length) {
      const run = Math.min(fresh.length - index, this.samplesAcross - this.at);
      this.leads.forEach((name, lead) => {
        const place = this.place(lead);
        const from = place.x + this.at * step;
        pen.clearRect(from, place.top + 18, run * step + 14, place.height - 18);
        if (this.at === 0) pen.clearRect(place.x, place.top + 18, 2, place.height - 18);
        pen.save();
        pen.beginPath();
        pen.rect(place.x, place.top, place.width, place.height);
        pen.clip();
        pen.beginPath();
        let open = false;
        if (this.at > 0 && this.previous) {
          pen.moveTo(from - step, place.middle - this.previous[lead] * perUnit);
          open = true;
        }
        for (let n = 0; n < run; n += 1) {
          const instant = fresh[index + n];
          if (instant === null) { open = false; continue; }
          const x = from + n * step;
          const y = place.middle - instant[lead] * perUnit;
          if (open) pen.lineTo(x, y);
          else pen.moveTo(x, y);
          open = true;
        }
        pen.stroke();
        pen.restore();
      });
      index += run;
      this.previous = fresh[index - 1];
      this.at = (this.at + run) % this.samplesAcross;
      if (this.at === 0) this.previous = null;
    }
    pen.restore();
  }
});
