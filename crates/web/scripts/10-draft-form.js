// <draft-form save="/drafts/FORM">: keeps what is typed at the box while it is typed, and says when it did.
// Attributes: save (address), saved (words before the time), failed (words), keeping (words).
"use strict";

customElements.define("draft-form", class extends HTMLElement {
  connectedCallback() {
    this.form = this.querySelector("form");
    this.state = this.querySelector(".draft-state");
    if (!this.form || !this.state) return;
    this.dirty = false;
    this.composing = false;
    this.form.addEventListener("compositionstart", () => { this.composing = true; });
    this.form.addEventListener("compositionend", () => { this.composing = false; this.changed(700); });
    this.form.addEventListener("input", () => this.changed(700));
    this.form.addEventListener("change", () => this.changed(0));
    this.form.addEventListener("submit", () => { this.submitted = true; clearTimeout(this.timer); });
    this.onHide = () => { if (this.dirty && !this.submitted) this.keep(true); };
    document.addEventListener("visibilitychange", this.onHide);
    window.addEventListener("pagehide", this.onHide);
  }

  disconnectedCallback() {
    clearTimeout(this.timer);
    document.removeEventListener("visibilitychange", this.onHide);
    window.removeEventListener("pagehide", this.onHide);
  }

  changed(rest) {
    this.dirty = true;
    this.submitted = false;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.keep(false), rest);
  }

  async keep(leaving) {
    if (this.composing && !leaving) return;
    if (this.busy && !leaving) return this.changed(300);
    this.busy = true;
    this.dirty = false;
    try {
      const answer = await clinic.send(this.getAttribute("save"), clinic.fieldsOf(this.form), { keepalive: leaving });
      const at = await answer.text();
      this.tell("saved", `${this.getAttribute("saved")} ${at.slice(0, 5)}`);
    } catch (fault) {
      this.dirty = true;
      this.tell("failed", this.getAttribute("failed"));
      clearTimeout(this.timer);
      this.timer = setTimeout(() => this.keep(false), 5000);
    } finally {
      this.busy = false;
    }
  }

  tell(state, words) {
    this.state.dataset.state = state;
    if (this.state.textContent !== words) this.state.textContent = words;
  }
});
