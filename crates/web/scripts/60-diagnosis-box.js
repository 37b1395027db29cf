// <diagnosis-box>: looks for diagnoses while typing and takes one by a touch, without sending the form. Without
// this script the same buttons send the form and the box answers with it.
"use strict";

customElements.define("diagnosis-box", class extends HTMLElement {
  connectedCallback() {
    this.field = this.querySelector("input[type=text]");
    this.picked = this.querySelector("[data-picked]");
    this.pattern = this.querySelector("template");
    this.hits = this.querySelector("#diagnosis-hits");
    if (!this.field || !this.picked || !this.pattern || !this.hits) return;
    this.composing = false;
    this.asked = this.field.value.trim();
    this.field.addEventListener("compositionstart", () => { this.composing = true; clearTimeout(this.timer); });
    this.field.addEventListener("compositionend", () => { this.composing = false; this.schedule(); });
    this.field.addEventListener("input", (event) => { if (!this.composing && !event.isComposing) this.schedule(); });
    this.field.addEventListener("keydown", (event) => this.key(event));
    this.addEventListener("click", (event) => this.touch(event));
  }

  disconnectedCallback() {
    clearTimeout(this.timer);
  }

  schedule() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.find(), 150);
  }

  find() {
    clearTimeout(this.timer);
    const wanted = this.field.value.trim();
    if (this.composing || wanted === this.asked) return;
    this.asked = wanted;
    if (wanted === "") this.hits.replaceChildren();
    else this.field.dispatchEvent(new CustomEvent("find"));
  }

  key(event) {
    if (event.key !== "Enter") return;
    // Enter never sends the whole form from here; it takes the only fitting diagnosis.
    event.preventDefault();
    if (this.composing || event.isComposing || event.keyCode === 229) return;
    if (this.field.value.trim() !== this.asked) { this.find(); return; }
    const fitting = this.hits.querySelectorAll("button[data-code]:not([data-code=''])");
    if (fitting.length === 1) this.take(fitting[0]);
  }

  touch(event) {
    const remove = event.target.closest("[data-remove]");
    if (remove) {
      event.preventDefault();
      remove.closest("li").remove();
      this.changed();
      return;
    }
    const hit = event.target.closest("#diagnosis-hits button[data-name]");
    if (hit) {
      event.preventDefault();
      this.take(hit);
    }
  }

  take(hit) {
    const line = this.pattern.content.firstElementChild.cloneNode(true);
    line.querySelector("[data-code]").value = hit.dataset.code;
    line.querySelector("[data-name]").value = hit.dataset.name;
    line.querySelector("[data-shown]").textContent = `${hit.dataset.name} ${hit.dataset.code}`;
    this.picked.append(line);
    this.field.value = "";
    this.asked = "";
    this.hits.replaceChildren();
    this.field.focus();
    this.changed();
  }

  changed() {
    this.field.dispatchEvent(new Event("change", { bubbles: true }));
  }
});
