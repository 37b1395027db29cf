// <search-box>: a form that searches while typing. It fires "find" at its form (htmx listens) after a rest, never
// while an input method composes; Enter opens the only hit. With the attribute "scan" keys that no field takes,
// as a scanner sends them, land here. The hits' container (attribute "hits", a selector) holds one element with
// data-query, the query that it answers, and a link with data-hit for each hit.
"use strict";

customElements.define("search-box", class extends HTMLElement {
  static get rest() { return 150; }
  // A scanner whose keys an Android keyboard took pauses up to some 200 ms inside one code.
  static get scanRest() { return 700; }
  // Gap between two characters that no finger makes.
  static get burstGap() { return 45; }

  connectedCallback() {
    this.form = this.querySelector("form");
    this.field = this.querySelector("input[name=q]");
    if (!this.form || !this.field) return;
    this.composing = false;
    this.opening = false;
    this.asked = this.field.value.trim();
    this.burst = 0;
    this.lastInput = -1000;
    this.field.addEventListener("compositionstart", () => { this.composing = true; clearTimeout(this.timer); });
    this.field.addEventListener("compositionend", () => { this.composing = false; this.schedule(); });
    this.field.addEventListener("input", (event) => { if (!this.composing && !event.isComposing) this.typed(); });
    this.field.addEventListener("keydown", (event) => {
      // The Enter that picks a candidate belongs to the input method; 229 is its key code.
      const composing = this.composing || event.isComposing || event.keyCode === 229;
      if (event.key === "Enter") this.enterComposes = composing;
      if (event.key === "Enter" && composing) event.preventDefault();
    });
    this.form.addEventListener("submit", (event) => this.enter(event));
    this.onSwap = () => { if (this.opening) this.openOnly(); };
    document.addEventListener("htmx:after:swap", this.onSwap);
    if (this.hasAttribute("scan")) {
      this.onKey = (event) => this.stray(event);
      document.addEventListener("keydown", this.onKey);
    }
  }

  disconnectedCallback() {
    clearTimeout(this.timer);
    document.removeEventListener("htmx:after:swap", this.onSwap);
    if (this.onKey) document.removeEventListener("keydown", this.onKey);
  }

  typed() {
    const now = performance.now();
    this.burst = now - this.lastInput < this.constructor.burstGap ? this.burst + 1 : 0;
    this.lastInput = now;
    if (this.burst >= 3) this.scanning = true;
    this.schedule();
  }

  schedule() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.find(), this.scanning ? this.constructor.scanRest : this.constructor.rest);
  }

  find() {
    clearTimeout(this.timer);
    this.scanning = false;
    const query = this.field.value.trim();
    if (this.composing || query === this.asked) return;
    this.asked = query;
    this.form.dispatchEvent(new CustomEvent("find"));
  }

  enter(event) {
    event.preventDefault();
    if (this.composing || this.enterComposes) { this.enterComposes = false; return; }
    this.opening = true;
    if (this.field.value.trim() !== this.asked) this.find();
    else this.openOnly();
  }

  /** Opens the hit where the list answers the present query and has one. */
  openOnly() {
    const list = document.querySelector(`${this.getAttribute("hits")} [data-query]`);
    if (!list || list.dataset.query.trim() !== this.field.value.trim()) return;
    this.opening = false;
    const hits = list.querySelectorAll("a[data-hit]");
    if (hits.length === 1 && this.field.value.trim() !== "") location.assign(hits[0].href);
  }

  stray(event) {
    const target = event.target;
    if (event.defaultPrevented || event.ctrlKey || event.altKey || event.metaKey) return;
    if (event.isComposing || event.keyCode === 229 || event.key.length !== 1 || event.key === " ") return;
    if (target && target.closest && target.closest("input, textarea, select, [contenteditable], dialog")) return;
    event.preventDefault();
    this.field.focus();
    this.field.value += event.key;
    this.scanning = true;
    this.lastInput = performance.now();
    this.schedule();
  }
});
